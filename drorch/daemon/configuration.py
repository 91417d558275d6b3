"""The configuration in force: read whole or not at all, file by file; what is invalid stays as it was before.

Copies of all files in force lie in a directory of the state directory, one for each reload. Runs read that directory, so
that a file which is half written, or wrong, reaches neither the daemon nor what it starts.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from drorch.errors import SettingsInvalid
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.problems import Problem
from drorch.policy.restore_tests.loading import LoadedTests
from drorch.settings import IN_FORCE_VARIABLE, SYSTEM_FILE, Settings, load_policies, load_restore_tests, load_settings
from drorch.settings.files import read_file

_FOLDERS = ("policies", "restore_tests")
_ENDINGS = (".yaml", ".yml", ".csv", ".sql")
_KEPT = 4  # a run that was just started still reads the directory that was in force then
_MOST_PASSES = 8
_NEEDS_RESTART = ("catalog", "state_directory", "metrics")

Contents = Mapping[str, bytes]  # by path from the base directory


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What holds now. ``problems`` are lines about files whose former content stays in force, or that never had a good one."""

    settings: Settings
    policies: LoadedPolicies
    tests: LoadedTests
    directory: Path
    environment: Mapping[str, str]
    problems: tuple[str, ...]


class Configuration:
    """Reads, compares, keeps. ``settings_file`` is what ``--config`` named, if anything."""

    def __init__(self, settings_file: Path | None, environment: Mapping[str, str]) -> None:
        live = load_settings(settings_file, environment)
        self._file = settings_file
        self._environment = environment
        self._live_file = live.file or SYSTEM_FILE
        self._root = live.state_directory / "in-force"
        self._seen: Mapping[str, tuple[int, ...]] = {}
        self._in_force: InForce | None = None

    @property
    def in_force(self) -> InForce:
        """What holds now, read when it is first asked for."""
        return self._in_force or self.reload()

    def is_changed(self) -> bool:
        """Whether some file is another than at the last reload."""
        return self._in_force is None or self._look() != self._seen

    def reload(self) -> InForce:
        """Read everything anew and return what holds from now on; raises ``OSError`` when it cannot be kept."""
        seen = self._look()
        former, problems = self._former(), list[str]()
        live = self._read(self._live_file.parent, former, problems)
        contents = dict(live)
        contents[SYSTEM_FILE.name] = self._settings_text(live, former, problems)
        directory = self._fresh_directory()
        for _ in range(_MOST_PASSES):
            _write(directory, contents)
            settings = load_settings(self._file, {**self._environment, IN_FORCE_VARIABLE: str(directory)})
            policies = load_policies(settings)
            tests = load_restore_tests(settings, policies)
            found = (*policies.problems, *tests.problems)
            if not found:
                break
            problems += _lines_of(found)
            _fall_back(contents, former, found, policies)
        kept = _kept_settings(settings, self._in_force, problems)
        environment = {**self._environment, IN_FORCE_VARIABLE: str(directory)}
        self._in_force = InForce(
            settings=kept,
            policies=policies,
            tests=tests,
            directory=directory,
            environment=environment,
            problems=tuple(dict.fromkeys(problems)),
        )
        self._point_to(directory)
        self._seen = seen  # only now: what could not be kept is read again
        return self._in_force

    def _settings_text(self, live: Contents, former: Contents, problems: list[str]) -> bytes:
        """Return the text of drorch.yaml that counts: the live one, if it is good."""
        try:
            load_settings(self._file, self._environment)
        except SettingsInvalid as error:
            text = former.get(SYSTEM_FILE.name)
            if text is None:
                raise
            problems.append(f"{error.message}; what it said before stays in force")
            return text
        return live[SYSTEM_FILE.name]

    def _read(self, base: Path, former: Contents, problems: list[str]) -> Contents:
        """Return what the files say now; of one that is there and cannot be read, what it said before."""
        found = {path.relative_to(base).as_posix(): path for path in _files(base)}
        contents: dict[str, bytes] = {}
        for name, path in found.items():
            try:
                contents[name] = read_file(path)
            except FileNotFoundError:  # gone since it was listed
                continue
            except OSError as error:
                problems.append(f"{name} cannot be read: {error.strerror}; what it said before stays in force")
                contents.update({name: former[name]} if name in former else {})
        with suppress(OSError):
            contents[SYSTEM_FILE.name] = self._live_file.read_bytes()
        return contents

    def _former(self) -> Contents:
        """Return what was in force last: before this reload, or when an earlier daemon ended."""
        current = self._root / "current"
        if not current.exists():
            return {}
        former = {path.relative_to(current).as_posix(): path.read_bytes() for path in _files(current)}
        with suppress(OSError):
            former[SYSTEM_FILE.name] = (current / SYSTEM_FILE.name).read_bytes()
        return former

    def _look(self) -> Mapping[str, tuple[int, ...]]:
        base = self._live_file.parent
        found: dict[str, tuple[int, ...]] = {}
        for path in (self._live_file, *_files(base)):
            with suppress(OSError):
                status = path.stat()
                found[str(path)] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found

    def _fresh_directory(self) -> Path:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = sorted(int(path.name) for path in self._root.iterdir() if path.name.isdigit())
        for number in numbers[: -_KEPT + 1]:
            shutil.rmtree(self._root / str(number), ignore_errors=True)
        return self._root / str(numbers[-1] + 1 if numbers else 1)

    def _point_to(self, directory: Path) -> None:
        link = self._root / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(directory.name)
        link.replace(self._root / "current")


def _files(base: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        with suppress(OSError):
            yield from sorted(path for path in (base / folder).iterdir() if path.suffix in _ENDINGS)


def _write(directory: Path, contents: Contents) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for folder in ("", *_FOLDERS):
        (directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes(content)


def _lines_of(found: tuple[Problem, ...]) -> Iterator[str]:
    files = {problem.file: problem for problem in reversed(found)}
    yield from sorted(f"{problem.location}  {problem.message}" for problem in files.values())


def _fall_back(
    contents: dict[str, bytes], former: Contents, found: tuple[Problem, ...], policies: LoadedPolicies
) -> None:
    """Put back what files with problems held before; leave out those that never held anything better."""
    files = {problem.file for problem in found}
    lists = {
        f"{_FOLDERS[0]}/{policy.for_each}" for policy in policies.policies if policy.file in files and policy.for_each
    }
    questions = _questions_of(files, contents, former)
    if questions:  # with what was asked before the tests may be good as they are: the next pass sees
        contents |= {file: former[file] for file in questions}
        return
    for file in files | lists:
        if file in former and contents.get(file) != former[file]:
            contents[file] = former[file]
        else:
            contents.pop(file, None)


def _questions_of(files: Collection[str], contents: Contents, former: Contents) -> set[str]:
    """Return the files of questions that these restore tests name, now or before, and that were others then."""
    texts = [text.get(file, b"") for file in files if file.startswith(f"{_FOLDERS[1]}/") for text in (contents, former)]
    questions = (file for file in former if file.endswith(".sql") and contents.get(file) != former[file])
    return {file for file in questions if any(Path(file).name.encode() in text for text in texts)}


def _kept_settings(settings: Settings, before: InForce | None, problems: list[str]) -> Settings:
    """Return the settings, with what only a restart can change as it was."""
    if before is None:
        return settings
    changed = [key for key in _NEEDS_RESTART if getattr(settings, key) != getattr(before.settings, key)]
    problems += [
        f"drorch.yaml: another `{key.removesuffix('_directory')}` needs a restart of the daemon" for key in changed
    ]
    return replace(settings, **{key: getattr(before.settings, key) for key in changed})
