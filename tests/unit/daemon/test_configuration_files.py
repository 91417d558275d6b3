"""What is no file, or cannot be read, hangs no daemon and takes no policy out of force."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.daemon.configuration import Configuration
from drorch.policy.encoding import LONGEST_FILE_BYTES

POLICY = 'name: {name}\nsource: {{sqlite: {{file: /x.db}}}}\nschedule: "0 1 * * *"\n'
SETTINGS = """\
version: 1
directories: {{state: {state}}}
stores: {{disk: {{directory: disk}}}}
defaults: {{stores: [disk], objectives: {{rpo: 24h, rto: 8h}}, retention: {{keep_daily: 7}}, security_level: 3, owner: x}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Two policies, both in force."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "drorch.yaml").write_text(SETTINGS.format(state=tmp_path / "state"))
    for name in ("land", "sea"):
        (tmp_path / f"policies/{name}.yaml").write_text(POLICY.format(name=name))
    made = Configuration(tmp_path / "drorch.yaml", {"HOME": str(tmp_path)})
    assert sorted(policy.name for policy in made.reload().policies.policies) == ["land", "sea"]
    return made


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def very_long(path: Path) -> None:
    os.truncate(path, 2**40)


@pytest.mark.parametrize("become", [a_pipe, a_directory, a_device, very_long])
def test_a_policy_that_can_be_read_no_more_stays_in_force_as_it_was(
    configuration: Configuration, tmp_path: Path, become: Callable[[Path], None]
) -> None:
    become(tmp_path / "policies/sea.yaml")
    assert configuration.is_changed()
    found = configuration.reload()
    assert sorted(policy.name for policy in found.policies.policies) == ["land", "sea"]
    assert any("policies/sea.yaml" in problem for problem in found.problems), found.problems
    kept = [path.stat().st_size for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert max(kept) <= LONGEST_FILE_BYTES + 1
    assert not configuration.is_changed(), "one look is enough"


def test_one_that_is_gone_is_in_force_no_more(configuration: Configuration, tmp_path: Path) -> None:
    (tmp_path / "policies/sea.yaml").unlink()
    found = configuration.reload()
    assert [policy.name for policy in found.policies.policies] == ["land"]
    assert found.problems == ()
