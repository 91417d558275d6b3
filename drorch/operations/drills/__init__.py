"""Restore drills: a snapshot restored into a disposable place, proven, measured and told."""
