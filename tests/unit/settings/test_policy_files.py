"""What lies beside drorch.yaml."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from drorch.settings import (
    load_policies,
    load_restore_tests,
)
from tests.support.settings_files import DEFAULTS, LAND, MINIMAL, load, write

ROOT = Path(__file__).resolve().parents[3]


class TestPolicies:
    def test_the_yaml_files_beside_it_are_read_and_nothing_else(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/land.yaml", LAND)
        write(directory / "policies/.hidden.yaml", "x")
        write(directory / "policies/land.yaml~", "x")
        write(directory / "policies/README.md", "x")
        write(directory / "policies/old/land.yaml", "x")
        loaded = load_policies(found)
        assert loaded.problems == ()
        assert [policy.file for policy in loaded.policies] == ["policies/land.yaml"]

    def test_problems_name_files_as_seen_from_drorch_yaml(self, directory: Path):
        found = load(MINIMAL + DEFAULTS.replace("rpo: 24h", "rpo: x"), directory)
        write(directory / "policies/land.yaml", LAND + "colour: red\n")
        assert [problem.location for problem in load_policies(found).problems] == [
            "drorch.yaml:3:46",
            "policies/land.yaml:4:1",
        ]

    def test_a_policy_that_ends_in_yml_is_not_passed_over(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/land.yaml", LAND)
        write(directory / "policies/sea.yml", LAND)
        loaded = load_policies(found)
        assert [problem.message for problem in loaded.problems] == [
            "policies end in .yaml; rename it to `sea.yaml`, or it is not read"
        ]
        assert [policy.name for policy in loaded.policies] == ["land"]

    def test_a_file_that_cannot_be_read_is_a_problem(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        (directory / "policies/land.yaml").mkdir(parents=True)
        assert [problem.message for problem in load_policies(found).problems] == ["cannot be read: Is a directory"]

    @pytest.mark.parametrize("what", ["policies/run.yaml", "policies/d.csv", "policies", "drorch.yaml"])
    def test_a_policy_that_runs_programs_must_be_written_by_root_or_the_caller_alone(self, what: str, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        source = "{command: {capture: [dump], restore: [load], minimum_size: 1MB}}"
        write(directory / "policies/run.yaml", f"name: run\nfor_each: d.csv\nsource: {source}\nschedule: once\n")
        write(directory / "policies/d.csv", "id\na\n")
        write(directory / "policies/land.yaml", LAND)
        (directory / "policies").chmod(0o700)
        assert load_policies(found).problems == ()
        path = directory / what
        path.chmod(path.stat().st_mode | stat.S_IWGRP)
        loaded = load_policies(found)
        assert [problem.location for problem in loaded.problems] == ["policies/run.yaml:3:1"]
        assert f"chmod go-w {path}" in loaded.problems[0].message
        assert [policy.name for policy in loaded.policies] == ["land"]

    def test_so_must_one_with_hooks_from_the_defaults(self, directory: Path):
        found = load(MINIMAL + DEFAULTS.replace("owner: x", "owner: x, hooks: {before: [freeze]}"), directory)
        write(directory / "policies/land.yaml", LAND)
        (directory / "policies").chmod(0o700)
        assert load_policies(found).problems == ()
        (directory / "drorch.yaml").chmod(0o660)
        assert len(load_policies(found).problems) == 1

    def test_lists_are_found_beside_the_policies(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/remote.yaml", LAND.replace("/x.db", "'/srv/{id}.db'") + "for_each: d.csv\n")
        write(directory / "policies/d.csv", "id\na\nb\n")
        assert [promise.address for promise in load_policies(found).policies[0].sources()] == ["land/a", "land/b"]

    @pytest.mark.parametrize("folder", ["policies", "restore_tests"])
    def test_a_pipe_keeps_nobody_waiting(self, folder: str, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        (directory / folder).mkdir()
        os.mkfifo(directory / folder / "pipe.yaml")
        policies = load_policies(found)
        problems = [*policies.problems, *load_restore_tests(found, policies).problems]
        assert [problem.message for problem in problems] == ["cannot be read: it is no file"]


def test_twenty_policies_are_read_well_within_the_time_of_a_glance(directory: Path):
    """Imports included: ``policy validate`` promises 0.3 s, of which this is nearly all. Of the processor, best of three: a busy machine."""
    write(directory / "drorch.yaml", MINIMAL + DEFAULTS)
    for number in range(20):
        write(directory / f"policies/p{number}.yaml", LAND.replace("name: land", f"name: p{number}"))
    program = (
        "import time, pathlib; start = time.process_time()\n"
        "from drorch.settings import load_policies, load_settings\n"
        "loaded = load_policies(load_settings(pathlib.Path('drorch.yaml'), {}))\n"
        "assert len(loaded.policies) == 20, loaded.problems\n"
        "print(time.process_time() - start)"
    )
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                capture_output=True,
                text=True,
                cwd=directory,
                env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(seconds) <= 0.25
