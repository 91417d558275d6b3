"""Sandboxes with the target and the reader that fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drorch.errors import UsageInvalid
from drorch.policy.installation import DirectoryStore, S3Store
from drorch.wiring.machine import liveness, this_machine
from drorch.wiring.targets import Targets

if TYPE_CHECKING:
    from drorch.operations.drills.place import DrillPlace
    from drorch.operations.drills.scenarios.cold_start import StoreBelongings
    from drorch.policy.model import SourcePromise
    from drorch.sandbox.ground import Ground
    from drorch.sandbox.interface import RunsAfresh, Sandbox, SandboxLimits, SandboxNeeds
    from drorch.sandbox.scratch_server import ScratchLogin
    from drorch.sources.interface import Cuts, Json, Source, Target


AUTO = "auto"
_ASKING_SECONDS = 60


class Sandboxes(Targets):
    """Opens disposable places to restore into."""

    @contextmanager
    def sandbox(
        self,
        facts: Mapping[str, Json],
        limits: SandboxLimits,
        promise: SourcePromise | None = None,
        *,
        named: str = AUTO,
        cuts: Cuts | None = None,
    ) -> Iterator[DrillPlace]:
        """Open a throw-away place for the snapshot with these facts, wiped at the end; nothing of production is used.

        ``named`` is ``auto`` or the name of a scratch server in `sandboxes:`. ``cuts`` is told how to end a restore command.
        ``promise`` says by which command a command's source is restored; without one its bytes go into a file. Raises
        ``SourceUnsupported`` where nothing fits, ``TargetUnreachable`` when a server does not start.
        """
        from drorch.operations.drills.place import DrillPlace, needs_of

        needs = needs_of(facts)
        if needs.engine == "command" and promise is None:
            needs = replace(needs, engine="file")
        with self._opened(needs, limits, named) as sandbox:
            if needs.engine == "command" and promise is not None:
                target = self.command_target(sandbox.url, promise, cuts)
            else:
                target = self.target(sandbox.url, sandbox.password)
            read_back = self._read_back(sandbox.url, sandbox.password)
            yield DrillPlace(sandbox=sandbox, target=target, read_back=read_back, reference=self._reference(sandbox))

    def _reference(self, sandbox: Sandbox) -> tuple[Target, Source] | None:
        if not sandbox.reference_url:
            return None
        read_back = self._read_back(sandbox.reference_url, sandbox.password)
        return None if read_back is None else (self.target(sandbox.reference_url, sandbox.password), read_back)

    def run_afresh(self) -> RunsAfresh:
        """Return what runs drorch in a process and a home that know nothing of this installation."""
        from drorch.sandbox.fresh_process import run_afresh

        return run_afresh

    def store_belongings(self, name: str) -> StoreBelongings:
        """Return what somebody needs on another machine to read the store that drorch.yaml calls ``name``; raise ``UsageInvalid``.

        Its credentials go into a file, never into arguments or the environment.
        """
        from drorch.operations.drills.scenarios.cold_start import StoreBelongings

        store = self.settings.require_store(name)
        if isinstance(store, DirectoryStore):
            return StoreBelongings(address=str(store.directory))
        assert isinstance(store, S3Store)
        access, secret = (
            None if one is None else self.settings.reveal(one).text() for one in (store.access_key, store.secret_key)
        )
        credentials = f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        found = {
            "AWS_ENDPOINT_URL_S3": store.endpoint,
            "AWS_REGION": store.region,
            "AWS_CA_BUNDLE": None if store.authority is None else str(store.authority),
        }
        return StoreBelongings(
            address=store.address,
            files={".aws/credentials": credentials} if access and secret else {},
            variables={name: value for name, value in found.items() if value},
        )

    def _opened(self, needs: SandboxNeeds, limits: SandboxLimits, named: str) -> AbstractContextManager[Sandbox]:
        from drorch.sandbox.opening import open_sandbox, open_scratch_server

        if named == AUTO:
            return open_sandbox(self._ground(), needs, limits)
        return open_scratch_server(self._ground(), self._scratch_login(named, needs.engine), needs, limits)

    def _scratch_login(self, name: str, engine: str) -> ScratchLogin:
        """Return how to use a scratch server; raise ``UsageInvalid`` for a name or an engine that drorch.yaml does not give it."""
        from drorch.sandbox.scratch_server import ScratchLogin, server_url
        from drorch.sandbox.scratch_words import MARIADB, POSTGRESQL

        found = self.settings.sandboxes.get(name)
        if found is None or found.engine != engine:
            raise UsageInvalid(
                f"`sandboxes:` has no server {name} for {engine}",
                expected=", ".join(one.name for one in self.settings.sandboxes.values() if one.engine == engine)
                or "one of that engine, or `sandbox: auto`",
                found="none" if found is None else found.engine,
            )
        password = self._password(found.password)

        def url_of(database: str) -> str:
            return server_url(found.engine, found.user, found.host, found.port, database)

        ask = self._ask_postgresql if engine == "postgresql" else self._ask_mariadb
        return ScratchLogin(
            name=name,
            product="PostgreSQL" if engine == "postgresql" else "MariaDB",
            words=POSTGRESQL if engine == "postgresql" else MARIADB,
            ask=partial(ask, url_of("postgres" if engine == "postgresql" else ""), password),
            url_of=url_of,
            password=password,
        )

    def _ask_postgresql(self, url: str, password: Callable[[], str] | None, sql: str, /) -> list[list[str]]:
        from drorch.sources.postgresql.border import mapped_target
        from drorch.sources.postgresql.connecting import connect
        from drorch.sources.postgresql.lifeline import Lifeline
        from drorch.sources.postgresql.location import parse_location

        with mapped_target("asking the scratch server"):
            session = connect(
                parse_location(url, password=password),
                application="drorch",
                connect_timeout_seconds=self.settings.limits.connect_timeout_seconds,
                clock=self.clock,
                lifeline=Lifeline(),
            )
            with closing(session):
                return [[value or "" for value in row] for row in session.run(sql)]

    def _ask_mariadb(self, url: str, password: Callable[[], str] | None, sql: str, /) -> list[list[str]]:
        from drorch.sources.mariadb.failures import mapped_target
        from drorch.sources.mariadb.location import parse_location
        from drorch.sources.mariadb.options import reading_settings
        from drorch.sources.mariadb.session import connect

        with mapped_target("asking the scratch server"):
            session = connect(
                parse_location(url, password=password),
                settings=reading_settings(_ASKING_SECONDS),
                connect_timeout_seconds=self.settings.limits.connect_timeout_seconds,
                stall_timeout_seconds=_ASKING_SECONDS,
            )
            with closing(session):
                return session.texts(sql)

    def _ground(self) -> Ground:
        from drorch.sandbox.ground import Ground
        from drorch.sandbox.housing import Owner

        us = this_machine()
        return Ground(
            temporary=self.temporary(),
            owner=Owner(us.pid, us.process_started),
            is_alive=liveness(),
            clock=self.clock,
            postgresql=self.settings.tools.postgresql,
        )

    def _read_back(self, url: str, password: Callable[[], str] | None) -> Source | None:
        """Return what captures a restored database; nothing is shared with the capture of the original, no cache either."""
        scheme = urlsplit(url).scheme
        if scheme == "postgresql":
            from drorch.sources.postgresql.location import parse_location
            from drorch.sources.postgresql.options import CaptureOptions
            from drorch.sources.postgresql.source import PostgresqlSource as Postgresql
            from drorch.sources.postgresql.tools import PostgresqlTools

            tools = PostgresqlTools(directory=self.settings.tools.postgresql)
            location = parse_location(url, password=password)
            return Postgresql(location, CaptureOptions(jobs=2), tools, self.clock)
        if scheme == "mariadb":
            from drorch.sources.mariadb.location import parse_location as parse_mariadb
            from drorch.sources.mariadb.options import CaptureOptions as MariadbOptions
            from drorch.sources.mariadb.options import NonTransactional, RolesChoice
            from drorch.sources.mariadb.source import MariadbSource as Mariadb

            # Nobody else is there; and hashes are compared where the snapshot keeps some.
            options = MariadbOptions(non_transactional=NonTransactional.LOCK, roles=RolesChoice.WITH_PASSWORDS)
            return Mariadb(parse_mariadb(url, password=password), options, self.clock)
        if scheme == "sqlite":
            from drorch.sources.sqlite.database_file import parse_location as parse_sqlite
            from drorch.sources.sqlite.source import SqliteSource as Sqlite

            return Sqlite(parse_sqlite(url), clock=self.clock)
        return None
