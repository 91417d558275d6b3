"""The legacy databases: captured on one side, restored on the other. ``interface`` is read first."""
