"""The places that `--to` means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from drorch.errors import UsageInvalid
from drorch.policy.model import CommandSource, SourcePromise
from drorch.policy.url import split_url, without_login
from drorch.wiring.engines import Engines

if TYPE_CHECKING:
    from drorch.sources.interface import Cuts, Target


class Targets(Engines):
    """Makes the target of every engine."""

    def target(self, url: str, password: Callable[[], str] | None = None) -> Target:
        """Return the place that ``--to`` means: ``postgresql://...`` or ``sqlite:///FILE``; raise ``UsageInvalid``."""
        scheme = split_url(url).scheme
        if scheme in ("postgresql", "postgres"):
            from drorch.sources.postgresql.location import parse_location
            from drorch.sources.postgresql.target import PostgresqlTarget

            return PostgresqlTarget(parse_location(url, password=password), self.clock)
        if scheme in ("mariadb", "mysql"):
            from drorch.sources.mariadb.location import parse_location as parse_mariadb
            from drorch.sources.mariadb.target import MariadbTarget

            return MariadbTarget(parse_mariadb(url, password=password), self.clock)
        if scheme == "sqlite":
            from drorch.sources.sqlite.database_file import parse_location as parse_sqlite
            from drorch.sources.sqlite.target import SqliteTarget

            return SqliteTarget(parse_sqlite(url), clock=self.clock)
        if scheme == "files":
            from drorch.sources.files.target import FilesTarget
            from drorch.sources.files.target import parse_location as parse_files

            return FilesTarget(parse_files(url), clock=self.clock, temporary=self.temporary)
        if scheme == "file":
            from drorch.sources.command.file_target import FileTarget
            from drorch.sources.command.file_target import parse_location as parse_file

            return FileTarget(parse_file(url), clock=self.clock)
        raise UsageInvalid(
            "not a restore target",
            expected="postgresql://USER@HOST/DATABASE, mariadb://USER@HOST/DATABASE, sqlite:///FILE, files:///DIRECTORY, command:PLACE or file:PATH",
            found=without_login(url),
            hint=f"did you mean sqlite://{url}?" if url.startswith("/") else "",
        )

    def command_target(self, url: str, promise: SourcePromise, cuts: Cuts | None = None) -> Target:
        """Return the place behind ``command:PLACE``, reached by the restore command of a policy of this machine.

        Raises ``UsageInvalid`` where the policy is of an engine that drorch restores itself.
        """
        from drorch.sources.command.target import CommandTarget, parse_location

        described = promise.source
        if not isinstance(described, CommandSource):
            raise UsageInvalid(
                f"{promise.address} is not restored by a command",
                expected="a policy with `source: {command: {restore: ...}}`",
                found=f"`source: {{{described.engine}: ...}}`",
                hint=f"--to {described.engine}...",
            )
        return CommandTarget(
            parse_location(url),
            restore=described.restore,
            verify=described.verify,
            surroundings=lambda: self._surroundings(described.environment, promise.address),
            stall_seconds=described.stall_timeout_seconds or self.settings.limits.stall_timeout_seconds,
            cuts=cuts,
        )
