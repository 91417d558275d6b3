"""``drorch demo``: the main job with throw-away databases, and with every kind of system of a province."""
