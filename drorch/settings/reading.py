"""The drorch.yaml that counts, as values: read whole, or refused with all its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from drorch.errors import SettingsInvalid
from drorch.policy.document import read_yaml
from drorch.policy.installation import DirectoryStore, Installation, S3Store, Store
from drorch.policy.installation_fields import INSTALLATION
from drorch.policy.kinds import INVALID
from drorch.policy.nodes import built_in
from drorch.policy.problems import Problems, render_problems, summarise
from drorch.settings.directories import default_directories
from drorch.settings.finding import SYSTEM_FILE, find, none_found, read_named, working_directory
from drorch.settings.values import Settings

IN_FORCE_VARIABLE = "DRORCH_IN_FORCE"


def load_settings(path: Path | None, environment: Mapping[str, str], *, system_file: Path = SYSTEM_FILE) -> Settings:
    """Return the settings of the drorch.yaml that counts; raise ``SettingsInvalid`` with all its problems."""
    found_file = find(path, environment, system_file)
    file, content = found_file.file, found_file.content
    if content is None:
        raise none_found(system_file, found_file.why_not_here)
    in_force = environment.get(IN_FORCE_VARIABLE, "")
    if in_force:
        content = read_named(Path(in_force) / SYSTEM_FILE.name, IN_FORCE_VARIABLE)
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
    return _settings(installation, file, environment, found_file.why_not_here)


def default_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a bare machine, without any drorch.yaml."""
    installation = INSTALLATION.read(built_in({"version": "1"}), "drorch.yaml", Problems())
    return _settings(installation, None, environment, "")


def _settings(
    installation: Installation, file: Path | None, environment: Mapping[str, str], why_not_here: str
) -> Settings:
    base = working_directory() if file is None else file.parent
    defaults = default_directories(environment)
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
