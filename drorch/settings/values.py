"""One installation, as drorch.yaml and the environment say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from drorch.errors import RoleRefused, UsageInvalid
from drorch.policy.assembly import SettingsFacts
from drorch.policy.installation import Installation, Role, Store
from drorch.policy.secret import Secret, SecretPlace, SecretReference
from drorch.settings.finding import SYSTEM_FILE
from drorch.settings.secret_files import reveal


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
        return reveal(reference, self.secret_file(reference), self.environment)

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

    def require_store(self, name: str) -> Store:
        """Return the store that drorch.yaml calls ``name``; raise ``UsageInvalid`` when it calls none so."""
        store = self.stores.get(name)
        if store is None:
            raise UsageInvalid(
                f"no store is called {name}",
                expected=", ".join(self.stores) or "a store in `stores:`",
                found=name,
                hint="`stores:` in drorch.yaml names them",
            )
        return store

    def facts(self) -> SettingsFacts:
        """Return what policies need to know."""
        return SettingsFacts(zone=self.time_zone, stores=tuple(self.stores), notifications=tuple(self.notifications))
