"""What happened and what exists. Never the only copy of a fact that a restore needs."""
