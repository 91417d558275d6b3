"""What is due, what must wait, and how each occurrence ends. Decides from given times; starts and records nothing."""
