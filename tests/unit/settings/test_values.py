"""What a machine may do by its roles."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.errors import RoleRefused
from tests.support.settings_files import MINIMAL, load


def test_a_role_that_the_machine_does_not_have_is_refused(directory: Path):
    found = load(MINIMAL + "roles: [backup]\n", directory)
    found.require_role("backup", "back up")
    with pytest.raises(RoleRefused, match="may not prune") as caught:
        found.require_role("maintenance", "prune")
    assert str(directory / "drorch.yaml") in caught.value.hint
