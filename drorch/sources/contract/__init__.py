"""The contract of an engine by subject; ``sources.interface`` is all of it."""
