"""What the sysadmin promised: pure, no input or output, no clock. ``model`` is read first, then ``document``."""
