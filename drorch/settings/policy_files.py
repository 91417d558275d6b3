"""What lies beside drorch.yaml: policies with their lists, restore tests with their questions, the register of systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from drorch.errors import PolicyInvalid, SettingsInvalid
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.document import PolicyText
from drorch.policy.document import load_policies as policies_of_texts
from drorch.policy.model import CommandSource, Policy
from drorch.policy.nodes import Section
from drorch.policy.problems import Place, Problem, Problems, render_problems, summarise
from drorch.policy.restore_tests.loading import LoadedTests, TestFacts
from drorch.policy.restore_tests.loading import load_restore_tests as tests_of_texts
from drorch.policy.systems import COLUMNS, System, read_systems
from drorch.settings.files import read_file, why_unsafe
from drorch.settings.values import Settings

SYSTEMS_FILE = "systems.csv"


def load_policies(settings: Settings) -> LoadedPolicies:
    """Return every policy of ``policies/``, or all their problems. Reads files, changes nothing."""
    problems: list[Problem] = []
    directory = settings.policy_directory
    texts = tuple(_texts(directory, ".yaml", problems))
    lists = {Path(text.file).name: text for text in _texts(directory, ".csv", problems)}
    problems += _misnamed(directory, "policies")
    loaded = policies_of_texts(texts, settings.defaults, settings.facts(), lists)
    for policy in loaded.policies:
        problems += _unsafe_programs(policy, settings)
    if not problems:
        return loaded
    with_problems = {problem.file for problem in problems}
    return replace(
        loaded,
        policies=tuple(policy for policy in loaded.policies if policy.file not in with_problems),
        problems=tuple(sorted({*loaded.problems, *problems})),
    )


def load_restore_tests(settings: Settings, policies: LoadedPolicies) -> LoadedTests:
    """Return every restore test of ``restore_tests/``, or all their problems. Reads files, changes nothing."""
    problems: list[Problem] = []
    directory = settings.test_directory
    texts = tuple(_texts(directory, ".yaml", problems))
    questions = {Path(text.file).name: text for text in _texts(directory, ".sql", problems)}
    problems += _misnamed(directory, "restore tests")
    facts = TestFacts(
        zone=settings.time_zone,
        stores=tuple(settings.stores),
        sandboxes=tuple(settings.sandboxes),
        people=tuple(settings.people),
        notifications=tuple(settings.notifications),
        policies=policies.policies,
        unreadable_policies=bool(policies.problems),
    )
    loaded = tests_of_texts(texts, facts, questions)
    return replace(loaded, problems=tuple(sorted({*loaded.problems, *problems}))) if problems else loaded


def load_systems(settings: Settings) -> tuple[System, ...]:
    """Return the register ``policies/systems.csv``; raise ``PolicyInvalid`` with all its problems, or when there is none."""
    file = settings.policy_directory / SYSTEMS_FILE
    name = f"{settings.policy_directory.name}/{SYSTEMS_FILE}"
    try:
        content = read_file(file)
    except OSError as error:
        raise PolicyInvalid(
            f"the register of systems {name} cannot be read",
            expected=f"a first line `{','.join(COLUMNS)}`, and a line for each system",
            found=error.strerror or "",
            hint="the samples have one: policies/systems.csv",
        ) from error
    problems = Problems()
    systems = read_systems(name, content, problems)
    if problems.told:
        found = problems.sorted()
        raise PolicyInvalid(summarise(found, 1), found=render_problems(found), hint="mend them and try again")
    return systems


def _texts(directory: Path, ending: str, problems: list[Problem]) -> Iterator[PolicyText]:
    for path in _entries(directory, lambda name: name.endswith(ending)):
        shown_name = f"{directory.name}/{path.name}"
        try:
            yield PolicyText(file=shown_name, content=read_file(path))
        except OSError as error:
            problems.append(Problem(shown_name, 1, 1, f"cannot be read: {error.strerror}"))


def _misnamed(directory: Path, what: str) -> Iterator[Problem]:
    for path in _entries(directory, lambda name: name.endswith(".yml")):
        shown_name = f"{directory.name}/{path.name}"
        yield Problem(shown_name, 1, 1, f"{what} end in .yaml; rename it to `{path.stem}.yaml`, or it is not read")


def _entries(directory: Path, is_wanted: Callable[[str], bool]) -> list[Path]:
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsInvalid(f"{directory} cannot be read", found=error.strerror or "") from error
    return sorted(path for path in paths if is_wanted(path.name) and not path.name.startswith("."))


def _unsafe_programs(policy: Policy, settings: Settings) -> Iterator[Problem]:
    """Yield why a policy that runs programs cannot be trusted: somebody else could have written it."""
    if policy.hooks is None and not isinstance(policy.source, CommandSource):
        return
    directory = settings.policy_directory
    paths = [directory / Path(policy.file).name, directory, directory.parent]
    if settings.file is not None:
        paths.append(settings.file)
    if policy.for_each is not None:
        paths.append(settings.policy_directory / policy.for_each)
    for path in paths:
        reason = _why_unsafe(path)
        if reason:
            place = _place_of_program(policy.written)
            yield Problem(
                policy.file,
                place.line,
                place.column,
                f"this policy runs programs, but {path} {reason}; it must belong to root or to the account that runs "
                f"drorch: `chmod go-w {path}`",
            )


def _why_unsafe(path: Path) -> str:
    try:
        return why_unsafe(path.stat())
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"


def _place_of_program(written: Section) -> Place:
    return written.at("hooks" if "hooks" in written.entries else "source")
