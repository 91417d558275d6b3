"""Where objects are kept. ``interface`` is read first; only ``wiring`` imports an implementation."""
