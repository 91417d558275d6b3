"""What was proven, and how a stranger can check it: pure, no IO, no clock."""
