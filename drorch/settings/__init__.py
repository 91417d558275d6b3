"""drorch.yaml and the environment -> ``Settings``. The only reader of secret files.

``finding`` decides which drorch.yaml counts, ``reading`` makes values of it, ``policy_files`` reads what lies beside it. Policies are in
``policies/`` beside drorch.yaml, restore tests in ``restore_tests/``; ``DRORCH_IN_FORCE``, which the daemon sets, names a directory with
copies of all these that count instead, while paths in them still start from the original. Secrets are read when they are asked for, not before.
"""

from drorch.settings.finding import SYSTEM_FILE, has_settings_file
from drorch.settings.policy_files import load_policies, load_restore_tests, load_systems
from drorch.settings.reading import IN_FORCE_VARIABLE, default_settings, load_settings
from drorch.settings.values import Settings

__all__ = [
    "IN_FORCE_VARIABLE",
    "SYSTEM_FILE",
    "Settings",
    "default_settings",
    "has_settings_file",
    "load_policies",
    "load_restore_tests",
    "load_settings",
    "load_systems",
]
