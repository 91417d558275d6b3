"""What is in force: every file that policies and restore tests are made of, and of each the last content that was good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drorch.daemon.configuration import Configuration

SETTINGS = """\
version: 1
directories: {state: state}
stores: {disk: {directory: disk}}
defaults: {stores: [disk], objectives: {rpo: 24h, rto: 8h}, retention: {keep_daily: 7}, security_level: 3, owner: x}
"""
POLICY = 'name: land\nsource: {sqlite: {file: /x.db}}\nschedule: "0 1 * * *"\n'
TEST = """\
name: land
policy: land
schedule: "0 5 7 1 *"
queries: [{name: Every parcel is there, file: parcels.sql, expect: 3}]
"""
QUESTION = "select count(*) from parcel"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    files = {
        "drorch.yaml": SETTINGS,
        "policies/land.yaml": POLICY,
        "restore_tests/land.yaml": TEST,
        "restore_tests/parcels.sql": QUESTION,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def configuration(base: Path) -> Configuration:
    return Configuration(base / "drorch.yaml", {})


def asked(configuration: Configuration) -> list[str]:
    return [question.sql for test in configuration.in_force.tests.tests for question in test.queries]


def test_questions_in_files_of_their_own_are_in_force(configuration: Configuration) -> None:
    assert asked(configuration) == [QUESTION]
    assert configuration.in_force.problems == ()


def test_another_question_counts_from_the_next_look_on(configuration: Configuration, base: Path) -> None:
    assert asked(configuration) == [QUESTION]
    (base / "restore_tests/parcels.sql").write_text("select 3", encoding="utf-8")
    assert configuration.is_changed()
    configuration.reload()
    assert asked(configuration) == ["select 3"]


@pytest.mark.parametrize("damage", ["", None])
def test_a_test_whose_question_is_gone_stays_as_it_was(
    configuration: Configuration, base: Path, damage: str | None
) -> None:
    assert asked(configuration) == [QUESTION]
    file = base / "restore_tests/parcels.sql"
    file.unlink()
    if damage is not None:
        file.write_text(damage, encoding="utf-8")
    configuration.reload()
    assert asked(configuration) == [QUESTION]
    (problem,) = configuration.in_force.problems
    assert "parcels.sql" in problem


def test_what_is_no_file_holds_nobody_up(configuration: Configuration, base: Path) -> None:
    os.mkfifo(base / "policies/pipe.yaml")
    assert [policy.name for policy in configuration.in_force.policies.policies] == ["land"]
