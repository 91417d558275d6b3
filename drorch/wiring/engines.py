"""Sources by engine: what a policy's `source:` means, the servers behind it, its hooks, and the files in a stored tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from drorch.errors import SourceUnsupported
from drorch.policy.model import (
    CommandSource,
    FilesSource,
    MariadbSource,
    PostgresqlSource,
    SourcePromise,
    SqliteSource,
)
from drorch.wiring.keys import Keys
from drorch.wiring.machine import random_bytes

if TYPE_CHECKING:
    from drorch.operations.hooks import RunsHook
    from drorch.operations.show import Part
    from drorch.operations.touched_files import FilePlace
    from drorch.policy.model import Hooks
    from drorch.policy.postgresql_grants import PostgresqlFacts
    from drorch.policy.secret import SecretReference
    from drorch.sources.interface import Content, Cuts, DatabaseServer, Finding, ProgramEnd, Source
    from drorch.sources.mariadb.location import MariadbLocation
    from drorch.sources.postgresql.location import PostgresqlLocation
    from drorch.sources.postgresql.source import PostgresqlSource as Postgresql
    from drorch.sources.programs import Surroundings

_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Engines(Keys):
    """Makes the source of every engine."""

    def source(self, promise: SourcePromise) -> Source:
        """Return the database that a policy's source means; raise ``SourceUnsupported`` for engines that come later."""
        described = promise.source
        if isinstance(described, SqliteSource):
            from drorch.sources.sqlite.source import SqliteSource as Sqlite

            return Sqlite(
                self.settings.resolve(described.file),
                clock=self.clock,
                busy_timeout_seconds=described.lock_timeout_seconds,
                exclude_data=described.exclude_data,
            )
        if isinstance(described, PostgresqlSource):
            return self._postgresql(described)
        if isinstance(described, MariadbSource):
            return self._mariadb(described)
        if isinstance(described, FilesSource):
            return self._files(described, promise.address)
        if isinstance(described, CommandSource):
            return self._command(described, promise.address)
        raise SourceUnsupported(
            f"{promise.address}: this version does not capture {described.engine}",
            expected="postgresql, mariadb, sqlite, files or command",
            found=described.engine,
        )

    def _mariadb(self, described: MariadbSource) -> Source:
        from drorch.sources.mariadb.options import CaptureOptions, NonTransactional, RolesChoice
        from drorch.sources.mariadb.source import MariadbSource as Mariadb

        limits = self.settings.limits
        options = CaptureOptions(
            lock_timeout_seconds=described.lock_timeout_seconds,
            connect_timeout_seconds=limits.connect_timeout_seconds,
            stall_timeout_seconds=limits.stall_timeout_seconds,
            max_snapshot_age_seconds=described.max_snapshot_age_seconds,
            exclude_data=described.exclude_data,
            roles=RolesChoice(described.roles),
            non_transactional=NonTransactional(described.non_transactional),
            max_active_sessions=described.source_load.max_active_sessions if described.source_load else None,
            max_lag_seconds=described.max_lag_seconds,
        )
        return Mariadb(self._mariadb_location(described), options, self.clock)

    def _mariadb_location(self, described: MariadbSource) -> MariadbLocation:
        from drorch.sources.mariadb.location import MariadbLocation

        return MariadbLocation(
            database=described.database or "",
            host=described.host,
            port=described.port,
            socket=described.socket,
            user=described.user,
            password=self._password(described.password),
            option_file=self._path(described.option_file),
            tls=described.tls,
            tls_authority=self._path(described.tls_authority),
        )

    def _files(self, described: FilesSource, address: str) -> Source:
        from drorch.format.derivation import derive
        from drorch.sources.files.memory import memory_file
        from drorch.sources.files.source import FilesChoices
        from drorch.sources.files.source import FilesSource as Files

        cache, has_key = self.cache(), self.settings.keys.host_key is not None
        return Files(
            FilesChoices(
                paths=described.paths,
                exclude=described.exclude,
                one_file_system=described.one_file_system,
                immutable=described.immutable,
                reread_within=described.reread_within,
                stall_timeout_seconds=self.settings.limits.stall_timeout_seconds,
            ),
            clock=self.clock,
            random_bytes=random_bytes,
            temporary=self.temporary,
            memory=memory_file(cache, address) if cache is not None and has_key else None,
            cache=cache,
            memory_key=derive(self.host_key().key.lane_master, b"drorch files memory") if has_key else b"",
        )

    def _command(self, described: CommandSource, address: str) -> Source:
        from drorch.sources.command.capture import Whole
        from drorch.sources.command.source import CommandSource as Command

        return Command(
            capture=described.capture,
            restore=described.restore,
            verify=described.verify,
            product=described.product,
            whole=Whole(minimum_bytes=described.minimum_size_bytes, ends_with=described.ends_with.encode()),
            surroundings=lambda: self._surroundings(described.environment, address),
            stall_seconds=described.stall_timeout_seconds or self.settings.limits.stall_timeout_seconds,
            clock=self.clock,
        )

    def _surroundings(
        self, environment: Mapping[str, SecretReference], address: str, words: Mapping[str, str] | None = None
    ) -> Surroundings:
        """Return what a policy's program is started with: little of ours, and the variables that the policy names."""
        from drorch.sources.programs import Surroundings

        ours = self.settings.environment
        search_path = ours.get("PATH") or _USUAL_PATH
        kept = {name: ours[name] for name in ("HOME", "TMPDIR", "TZ") if name in ours}
        named = {name: self.settings.reveal(reference).text() for name, reference in environment.items()}
        return Surroundings(
            search_path=search_path,
            variables={
                **kept,
                "PATH": search_path,
                "LC_ALL": "C.UTF-8",
                "DRORCH_SOURCE": address,
                **(words or {}),
                **named,
            },
            secret_texts=tuple(named.values()),
        )

    def examine_hooks(self, hooks: Hooks) -> Sequence[Finding]:
        """Say whether the programs of a policy's hooks are there, and nobody else could have written them; starts none."""
        from drorch.sources.programs import look_at

        search_path = self.settings.environment.get("PATH") or _USUAL_PATH
        pairs = (("hook before", hooks.before), ("hook after", hooks.after))
        return [look_at(what, arguments, search_path) for what, arguments in pairs if arguments]

    def hook_runner(self, hooks: Hooks, address: str) -> RunsHook:
        """Return what runs the hooks of a policy around the capture of the source at ``address``."""

        def run(which: str, words: Mapping[str, str], cuts: Cuts | None) -> ProgramEnd:
            from drorch.sources.programs import trusted
            from drorch.sources.subprocesses import run_to_end

            surroundings = self._surroundings(hooks.environment, address, words)
            arguments = hooks.before if which == "before" else hooks.after
            return run_to_end(
                trusted(arguments, surroundings.search_path),
                environment=surroundings.variables,
                timeout_seconds=hooks.timeout_seconds,
                secret_texts=surroundings.secret_texts,
                cuts=cuts,
            )

        return run

    def _postgresql(self, described: PostgresqlSource) -> Postgresql:
        from drorch.sources.postgresql.options import CaptureOptions, RolesChoice
        from drorch.sources.postgresql.source import PostgresqlSource as Postgresql
        from drorch.sources.postgresql.tools import PostgresqlTools

        roles = {
            "none": RolesChoice.NONE,
            "without": RolesChoice.WITHOUT_PASSWORDS,
            "with_passwords": RolesChoice.WITH_PASSWORDS,
        }
        settings, load = self.settings, described.source_load
        options = CaptureOptions(
            jobs=described.jobs,
            lock_timeout_seconds=described.lock_timeout_seconds,
            connect_timeout_seconds=settings.limits.connect_timeout_seconds,
            stall_timeout_seconds=settings.limits.stall_timeout_seconds,
            max_snapshot_age_seconds=described.max_snapshot_age_seconds,
            max_lag_seconds=described.max_lag_seconds,
            split_size_bytes=described.split_size_bytes,
            exclude_data=described.exclude_data,
            roles=roles[described.roles],
            max_active_sessions=load.max_active_sessions if load else None,
            max_replication_lag_seconds=load.max_replication_lag_seconds if load else None,
        )
        tools = PostgresqlTools(directory=settings.tools.postgresql)
        return Postgresql(self._postgresql_location(described), options, tools, self.clock)

    def _postgresql_location(self, described: PostgresqlSource) -> PostgresqlLocation:
        from drorch.sources.postgresql.location import VARIABLES, PostgresqlLocation

        ours = self.settings.environment
        return PostgresqlLocation(
            variables={name: ours[name] for name in VARIABLES if name in ours},
            database=described.database or "",
            host=described.host,
            port=described.port,
            user=described.user,
            password=self._password(described.password),
            tls=described.tls,
            tls_authority=self._path(described.tls_authority),
            tls_certificate=self._path(described.tls_certificate),
            tls_key=self._path(described.tls_key),
            service=described.service,
            password_file=self._path(described.password_file),
        )

    def server(self, promise: SourcePromise) -> DatabaseServer:
        """Return the server that a promise which needs discovery asks; raise ``SourceUnsupported`` for other engines."""
        described = promise.source
        if isinstance(described, PostgresqlSource):
            from drorch.sources.postgresql.options import CaptureOptions
            from drorch.sources.postgresql.server import PostgresqlServer

            options = CaptureOptions(connect_timeout_seconds=self.settings.limits.connect_timeout_seconds)
            return PostgresqlServer(self._postgresql_location(described), options, self.clock)
        if isinstance(described, MariadbSource):
            from drorch.sources.mariadb.server import MariadbServer

            return MariadbServer(
                self._mariadb_location(described),
                connect_timeout_seconds=self.settings.limits.connect_timeout_seconds,
            )
        raise SourceUnsupported(
            f"{promise.address}: this version does not look for databases of {described.engine}",
            expected="postgresql or mariadb",
            found=described.engine,
        )

    def postgresql_facts(
        self, promise: SourcePromise, url: str | None = None, password: Callable[[], str] | None = None
    ) -> PostgresqlFacts | None:
        """Ask a PostgreSQL server what ``policy grants`` must cover; ``None`` for other engines. Raises a ``SourceError``.

        The login is the policy's own, or with ``url`` an administrator's, who sees more and needs no account yet.
        """
        from drorch.policy.postgresql_grants import USUAL_ACCOUNT, PostgresqlFacts

        described = promise.source
        if not isinstance(described, PostgresqlSource):
            return None
        if url is None:
            facts: Mapping[str, Any] = self._postgresql(described).account_facts()
        else:
            from drorch.sources.postgresql.location import parse_location
            from drorch.sources.postgresql.options import CaptureOptions
            from drorch.sources.postgresql.source import PostgresqlSource as Postgresql
            from drorch.sources.postgresql.tools import PostgresqlTools

            location = parse_location(url, password=password)
            tools = PostgresqlTools(directory=self.settings.tools.postgresql)
            administrator = Postgresql(location, CaptureOptions(), tools, self.clock)
            facts = administrator.account_facts(described.user or USUAL_ACCOUNT)
        known: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in facts.items()}
        return PostgresqlFacts(**known)

    def paths_of(self, content: Content) -> Iterator[Part]:
        """Yield every name of a stored file tree; raises ``ObjectCorrupt``."""
        from drorch.operations.show import Part
        from drorch.sources.files.listing import StoredListing
        from drorch.sources.files.names import shown

        with closing(StoredListing(content, self.temporary())) as listing:
            for _, line in listing.lines():
                kind = line.kind.value if line.same_as is None else "hard link"
                yield Part(name=shown(line.path) or ".", kind=kind, size_bytes=line.size)

    def file_places(self, content: Content) -> Iterator[FilePlace]:
        """Yield where the bytes of each file of a stored tree lie; raises ``ObjectCorrupt``."""
        from drorch.operations.touched_files import FilePlace
        from drorch.sources.files.lines import CONTENT_PREFIX
        from drorch.sources.files.listing import StoredListing
        from drorch.sources.files.names import shown

        with closing(StoredListing(content, self.temporary())) as listing:
            for _, line in listing.lines():
                if line.place is not None:
                    yield FilePlace(
                        path=shown(line.path),
                        stream=CONTENT_PREFIX + line.place.content,
                        offset=line.place.offset,
                        size_bytes=line.size,
                    )
