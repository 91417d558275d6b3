"""drorch.yaml and the environment -> ``Settings``. The only reader of secret files.

Which drorch.yaml counts, first found: ``--config``; ``DRORCH_CONFIG``; ``./drorch.yaml``, but only when it and its
directory belong to the caller or root and nobody else may write there; ``/etc/drorch/drorch.yaml``. Policies lie in
``policies/`` beside it, restore tests in ``restore_tests/``; ``DRORCH_IN_FORCE``, which the daemon sets, names a directory with
copies of all these that count instead, while paths in them still start from the original. Secrets are read when they are asked for, not before.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from drorch.errors import PolicyInvalid, RoleRefused, SecretUnavailable, SettingsInvalid
from drorch.policy.assembly import LoadedPolicies, SettingsFacts
from drorch.policy.document import PolicyText, read_yaml
from drorch.policy.document import load_policies as policies_of_texts
from drorch.policy.encoding import LONGEST_FILE_BYTES
from drorch.policy.installation import DirectoryStore, Installation, Role, S3Store, Store
from drorch.policy.installation_fields import INSTALLATION
from drorch.policy.kinds import INVALID
from drorch.policy.model import CommandSource, Policy
from drorch.policy.nodes import Section, built_in
from drorch.policy.problems import Place, Problem, Problems, render_problems, summarise
from drorch.policy.restore_tests.loading import LoadedTests, TestFacts
from drorch.policy.restore_tests.loading import load_restore_tests as tests_of_texts
from drorch.policy.secret import Secret, SecretPlace, SecretReference
from drorch.policy.systems import COLUMNS, System, read_systems

SYSTEM_FILE = Path("/etc/drorch/drorch.yaml")
SYSTEMS_FILE = "systems.csv"
FILE_VARIABLE = "DRORCH_CONFIG"
IN_FORCE_VARIABLE = "DRORCH_IN_FORCE"
_LONGEST_SECRET_BYTES = 2**20
_TOO_OPEN = 0o777 & ~0o640
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Installation):
    """One installation, all paths absolute. ``file`` is ``None`` on a bare machine, where everything is a default.

    ``why_not_here`` says why a drorch.yaml of the working directory was passed over, if one was.
    """

    file: Path | None
    base_directory: Path
    state_directory: Path
    cache_directory: Path
    temporary_directory: Path
    why_not_here: str = ""
    in_force_directory: Path | None = None  # where the daemon keeps what is in force, for the runs that it starts
    environment: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def policy_directory(self) -> Path:
        """Where the policy files are."""
        return (self.in_force_directory or self.base_directory) / "policies"

    @property
    def test_directory(self) -> Path:
        """Where the restore tests are."""
        return (self.in_force_directory or self.base_directory) / "restore_tests"

    def own_directories(self) -> Mapping[str, Path]:
        """Return the directories that drorch writes to, by their names in `directories:`."""
        return {"state": self.state_directory, "cache": self.cache_directory, "temporary": self.temporary_directory}

    def resolve(self, path: str | Path) -> Path:
        """Return the absolute path of one that drorch.yaml or a policy names: relative ones lie beside drorch.yaml."""
        return self.base_directory / path

    def reveal(self, reference: SecretReference) -> Secret:
        """Return the secret; raise ``SecretUnavailable`` when it is not there, empty, too big or too open."""
        return _reveal(reference, self.secret_file(reference), self.environment)

    def secret_changed_at(self, reference: SecretReference) -> datetime | None:
        """Return when the secret's file was last changed (UTC); ``None`` when it is in no file or cannot be seen."""
        path = self.secret_file(reference)
        try:
            return None if path is None else datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError:
            return None

    def secret_file(self, reference: SecretReference) -> Path | None:
        """Return the file that holds the secret, whether it is there or not; ``None`` when it is in no file."""
        if reference.place is SecretPlace.FILE:
            return self.resolve(reference.name)
        if reference.place is SecretPlace.CREDENTIAL:
            directory = self.environment.get("CREDENTIALS_DIRECTORY", "")
            return Path(directory) / reference.name if directory else None
        return None

    def require_role(self, role: Role, operation: str) -> None:
        """Raise ``RoleRefused`` unless this machine may do ``operation``, which belongs to ``role``."""
        if role not in self.roles:
            raise RoleRefused(
                f"this machine may not {operation}",
                expected=f"`{role}` among the roles of this machine",
                found=", ".join(self.roles),
                hint=f"do it on a machine with that role, or add it to `roles:` in {self.file or SYSTEM_FILE}",
            )

    def facts(self) -> SettingsFacts:
        """Return what policies need to know."""
        return SettingsFacts(zone=self.time_zone, stores=tuple(self.stores), notifications=tuple(self.notifications))


def load_settings(path: Path | None, environment: Mapping[str, str], *, system_file: Path = SYSTEM_FILE) -> Settings:
    """Return the settings of the drorch.yaml that counts; raise ``SettingsInvalid`` with all its problems."""
    file, content, why_not_here = _find(path, environment, system_file)
    if content is None:
        raise _no_settings(system_file, why_not_here)
    in_force = environment.get(IN_FORCE_VARIABLE, "")
    if in_force:
        content = _read_named(Path(in_force) / SYSTEM_FILE.name, IN_FORCE_VARIABLE)
    shown_name = file.name if file.name == SYSTEM_FILE.name else str(file)
    problems = Problems()
    section = read_yaml(shown_name, content, problems)
    installation = INVALID if section is None else INSTALLATION.read(section, shown_name, problems)
    if installation is INVALID or problems.told:
        found = problems.sorted()
        raise SettingsInvalid(
            f"{summarise(found, 1)}: {file}",
            found=render_problems(found),
            hint="mend them and try again; nothing was started",
        )
    return _settings(installation, file, environment, why_not_here)


def default_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a bare machine, without any drorch.yaml."""
    installation = INSTALLATION.read(built_in({"version": "1"}), "drorch.yaml", Problems())
    return _settings(installation, None, environment, "")


def has_settings_file(path: Path | None, environment: Mapping[str, str], *, system_file: Path = SYSTEM_FILE) -> bool:
    """Return whether ``load_settings`` would find a drorch.yaml, good or bad."""
    try:
        return _find(path, environment, system_file)[1] is not None
    except SettingsInvalid:
        return True


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
        content = _read(file)
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


def _find(path: Path | None, environment: Mapping[str, str], system_file: Path) -> tuple[Path, bytes | None, str]:
    """Return the file that counts, its content if there is one, and why that of the working directory does not count."""
    if path is not None:
        return path.absolute(), _read_named(path, "--config"), ""
    named = environment.get(FILE_VARIABLE, "")
    if named:
        return Path(named).absolute(), _read_named(Path(named), FILE_VARIABLE), ""
    here = Path.cwd() / SYSTEM_FILE.name
    content, why_not_here = _read_here(here)
    if content is not None:
        return here, content, ""
    try:
        return system_file, _read(system_file), why_not_here
    except FileNotFoundError:
        return system_file, None, why_not_here
    except OSError as error:
        raise SettingsInvalid(f"{system_file} cannot be read", found=error.strerror or "") from error


def _no_settings(system_file: Path, why_not_here: str) -> SettingsInvalid:
    here = f"./{SYSTEM_FILE.name}" + (f" ({why_not_here})" if why_not_here else "")
    return SettingsInvalid(
        "there is no drorch.yaml",
        expected=f"--config, {FILE_VARIABLE}, ./{SYSTEM_FILE.name} or {system_file}",
        found=f"neither {here} nor {system_file}",
        hint="`drorch init DIR` writes one",
    )


def _read_named(path: Path, origin: str) -> bytes:
    try:
        return _read(path)
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read, which {origin} names", found=error.strerror or "") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST_FILE_BYTES + 1)


def _read_here(path: Path) -> tuple[bytes | None, str]:
    """Return the content of the working directory's drorch.yaml, or why it does not count; ``""``: there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"not used: {error.strerror or 'cannot be opened'}; a link is not followed here"
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None, "not used: it is no file"
        reason = _why_unsafe(status) or _why_unsafe(path.parent.stat())
        if reason:
            return None, f"not used: it or its directory {reason}"
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LONGEST_FILE_BYTES + 1), ""
    finally:
        os.close(descriptor)


def _why_unsafe(status: os.stat_result) -> str:
    """Return who else could have written a file or directory; empty when only root and the caller could."""
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to uid {status.st_uid}"
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return f"is writable by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _settings(
    installation: Installation, file: Path | None, environment: Mapping[str, str], why_not_here: str
) -> Settings:
    base = Path.cwd() if file is None else file.parent
    defaults = _default_directories(environment)
    own = installation.directories
    values = {item.name: getattr(installation, item.name) for item in fields(Installation)}
    values["stores"] = {name: _resolved(store, base) for name, store in installation.stores.items()}
    values["keys"] = replace(installation.keys, recipients=tuple(base / path for path in installation.keys.recipients))
    values["people"] = {name: replace(person, key=base / person.key) for name, person in installation.people.items()}
    return Settings(
        **values,
        file=file,
        base_directory=base,
        state_directory=base / (own.state or defaults["state"]),
        cache_directory=base / (own.cache or defaults["cache"]),
        temporary_directory=base / (own.temporary or defaults["temporary"]),
        why_not_here=why_not_here,
        in_force_directory=Path(environment[IN_FORCE_VARIABLE]) if environment.get(IN_FORCE_VARIABLE) else None,
        environment=MappingProxyType(dict(environment)),
    )


def _resolved(store: Store, base: Path) -> Store:
    if isinstance(store, DirectoryStore):
        return replace(store, directory=base / store.directory)
    assert isinstance(store, S3Store)
    return store if store.authority is None else replace(store, authority=base / store.authority)


def _default_directories(environment: Mapping[str, str]) -> dict[str, Path]:
    temporary = Path("/var/tmp")  # noqa: S108  survives a restart; whoever uses the directory makes it 0700
    if os.geteuid() == 0:
        return {"state": Path("/var/lib/drorch"), "cache": Path("/var/cache/drorch"), "temporary": temporary / "drorch"}
    home = _home(environment)
    return {
        "state": _absolute(environment.get("XDG_STATE_HOME"), home / ".local/state") / "drorch",
        "cache": _absolute(environment.get("XDG_CACHE_HOME"), home / ".cache") / "drorch",
        "temporary": temporary / f"drorch-{os.geteuid()}",
    }


def _absolute(named: str | None, otherwise: Path) -> Path:
    return Path(named) if named and named.startswith("/") else otherwise


def _home(environment: Mapping[str, str]) -> Path:
    named = environment.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return Path("/nonexistent")


def _texts(directory: Path, ending: str, problems: list[Problem]) -> Iterator[PolicyText]:
    for path in _entries(directory, lambda name: name.endswith(ending)):
        shown_name = f"{directory.name}/{path.name}"
        try:
            yield PolicyText(file=shown_name, content=_read(path))
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
        reason = _why_unsafe(path.stat()) if path.exists() else "is gone"
        if reason:
            place = _place_of_program(policy.written)
            yield Problem(
                policy.file,
                place.line,
                place.column,
                f"this policy runs programs, but {path} {reason}; it must belong to root or to the account that runs "
                f"drorch: `chmod go-w {path}`",
            )


def _place_of_program(written: Section) -> Place:
    return written.at("hooks" if "hooks" in written.entries else "source")


def _reveal(reference: SecretReference, path: Path | None, environment: Mapping[str, str]) -> Secret:
    if reference.place is SecretPlace.ENVIRONMENT:
        text = environment.get(reference.name, "")
        if not text:
            raise SecretUnavailable(
                f"the secret {reference} is not set", hint=f"set {reference.name} in the environment of drorch"
            )
        return Secret(text.encode("utf-8", "surrogateescape"), str(reference))
    if path is None:
        raise SecretUnavailable(
            f"the secret {reference} is not there",
            expected="CREDENTIALS_DIRECTORY, which systemd sets",
            found="no such variable",
            hint="add `LoadCredential=` to the unit, or name the secret by `file:`",
        )
    content = _read_secret(reference, path)
    if not content:
        raise SecretUnavailable(f"the secret {reference} is empty", found=f"{path} has no bytes")
    return Secret(content, str(reference))


def _read_secret(reference: SecretReference, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        hint = f"write it: install -m 600 /dev/stdin {path}" if isinstance(error, FileNotFoundError) else ""
        raise SecretUnavailable(
            f"the secret {reference} cannot be read", found=f"{path}: {reason}", hint=hint
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretUnavailable(f"the secret {reference} is no file", found=str(path))
        mode = stat.S_IMODE(status.st_mode)
        if mode & _TOO_OPEN:
            raise SecretUnavailable(
                f"the secret {reference} is open to others",
                expected="mode 0640 or tighter",
                found=f"{path} has mode {mode:04o}",
                hint=f"chmod 0640 {path}",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_LONGEST_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LONGEST_SECRET_BYTES:
        raise SecretUnavailable(f"the secret {reference} is too big", found=f"{path} is larger than 1 MiB")
    return content
