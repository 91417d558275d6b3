"""What is taken to have happened: each scenario says how the snapshot is reached, from where, and what about that must be told."""
