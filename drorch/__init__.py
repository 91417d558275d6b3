"""drorch: policy-driven backups of legacy databases, and the proof that they can be restored.

The layers, top to bottom, are listed in docs/ARCHITECTURE.md and enforced by import-linter.
"""

__version__ = "0.1.0"
