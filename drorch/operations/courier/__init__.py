"""Snapshots on removable media, for stores that no line connects."""
