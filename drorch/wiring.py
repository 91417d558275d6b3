"""The composition root: settings -> stores, sources, targets, catalog, keys. The only importer of implementations.

Implementations are imported where they are made, so that a command loads only what it uses (boto3 takes a third of a second).
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from drorch.clock import Clock, SystemClock
from drorch.errors import (
    CatalogError,
    DrorchError,
    KeyWrong,
    SecretUnavailable,
    SettingsInvalid,
    SourceUnsupported,
    StoreError,
    StoreMissing,
    StoreUnfit,
    UsageInvalid,
)
from drorch.ids import grouped
from drorch.operations.room import private_directory
from drorch.policy.installation import DirectoryStore, S3Store
from drorch.policy.model import (
    CommandSource,
    FilesSource,
    MariadbSource,
    PostgresqlSource,
    SourcePromise,
    SqliteSource,
)

if TYPE_CHECKING:
    from drorch.catalog.interface import Catalog, IsAlive, SourceClaim
    from drorch.format.keyfile import HostKeyFile
    from drorch.format.keys import HostKey
    from drorch.format.signing import SigningKey
    from drorch.operations.hooks import Cuts, RunsHook
    from drorch.operations.protect import Machine
    from drorch.operations.show import Part
    from drorch.operations.touched_files import FilePlace
    from drorch.policy.installation import Store
    from drorch.policy.model import Hooks
    from drorch.policy.postgresql_grants import PostgresqlFacts
    from drorch.policy.secret import SecretReference
    from drorch.repository.opening import Replica, Repository
    from drorch.sandbox.interface import ThrowAwayMariadb, ThrowAwayServer, TreeEntry
    from drorch.settings import Settings
    from drorch.sources.interface import Content, DatabaseServer, Finding, ProgramEnd, Source, Target
    from drorch.sources.mariadb.location import MariadbLocation
    from drorch.sources.postgresql.location import PostgresqlLocation
    from drorch.sources.postgresql.source import PostgresqlSource as Postgresql
    from drorch.sources.programs import Surroundings
    from drorch.storage.interface import Finding as StoreFinding
    from drorch.storage.interface import ObjectStore
    from drorch.storage.s3 import S3Store as S3ObjectStore

_CHECKOUT = Path(__file__).resolve().parent.parent
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MACHINE_ID = Path("/etc/machine-id")
ANSWER_TIMEOUT_SECONDS = 30.0
PATIENCE_SECONDS = 300.0
SHORT_PATIENCE_SECONDS = 60.0  # where there are other stores: a run goes on without one that is silent
_HELP_FILES = {
    "README.txt": "docs/help/README.txt",
    "FORMAT.md": "docs/FORMAT.md",
    "recover.py": "tools/recover.py",
    "rebuild.py": "tools/rebuild.py",
    "salvage.py": "tools/salvage.py",
}


def random_bytes(length: int) -> bytes:
    """Return bytes from the operating system's generator."""
    return secrets.token_bytes(length)


def machine_id() -> str:
    """Return what tells this machine from its clones, as far as the system knows; empty when it does not."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def host_name() -> str:
    """Return a name that no two machines share: the host's, and the beginning of its machine id."""
    return f"{socket.gethostname()}-{machine_id()[:8]}".rstrip("-")


class Wiring:
    """Everything that one command uses, made on demand and closed at the end (it is a context manager)."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.random_bytes = random_bytes
        self._open = ExitStack()
        self._catalog: Catalog | None = None
        self._repositories: dict[tuple[tuple[str, ...], bytes | None], Repository | DrorchError] = {}
        self._silent: dict[str, DrorchError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    # -- stores

    def replica(self, name: str) -> Replica:
        """Return the store that drorch.yaml calls ``name``; raise ``UsageInvalid`` when it calls none so."""
        from drorch.repository.opening import Replica

        settings = self.settings.stores.get(name)
        if settings is None:
            raise UsageInvalid(f"no store is called {name}", expected=", ".join(self.settings.stores), found=name)
        return Replica(name=name, store=self._kept(self._store(settings)))

    def repository(self, names: Sequence[str] = (), *, trust: bytes | None = None) -> Repository:
        """Open the repository in the stores called ``names`` (all of drorch.yaml when empty) and check its trust root.

        ``trust`` takes the place of the trust root in drorch.yaml. A store that is not there is left out (``unusable``) as long as another is good. Opened once for a command, failures
        included: a store that does not answer is waited for once, not for each of four hundred sources.
        """
        wanted = tuple(names or self.settings.stores), trust or self.settings.keys.trust
        if wanted not in self._repositories:
            try:
                self._repositories[wanted] = self._open_repository(*wanted)
            except DrorchError as error:
                self._repositories[wanted] = error
        opened = self._repositories[wanted]
        if isinstance(opened, DrorchError):
            raise opened
        answering = tuple(replica for replica in opened.replicas if replica.name not in self._silent)
        if not answering:
            return opened
        silent = {replica.name: self._silent[replica.name] for replica in opened.replicas if replica not in answering}
        return replace(opened, replicas=answering, unusable={**opened.unusable, **silent})

    def leave_out(self, name: str, reason: DrorchError) -> None:
        """Open no further repository in the store called ``name``, which stopped answering, as long as there is another."""
        self._silent[name] = reason

    def _open_repository(self, names: Sequence[str], trust: bytes | None) -> Repository:
        from drorch.repository.opening import open_repository

        if trust is None:
            raise SettingsInvalid(
                "drorch.yaml does not name the trust root",
                expected="`keys: {trust: ...}`, as on the recovery sheet",
                found="none",
                hint="`drorch init` writes it",
            )
        replicas: list[Replica] = []
        missing: dict[str, DrorchError] = {}
        for name in names:
            try:
                replicas.append(self.replica(name))
            except StoreError as error:  # a disk that is not mounted must not keep the others from being used
                missing[name] = error
        if not replicas and missing:
            raise next(iter(missing.values()))
        opened = open_repository(replicas, trust)
        return replace(opened, unusable={**missing, **opened.unusable})

    def store_at(self, url: str) -> Replica:
        """Return the store that a URL means, with credentials from the standard AWS variables; for a bare machine."""
        from drorch.repository.opening import Replica

        parts = urlsplit(url)
        if parts.scheme == "s3":
            environment = self.settings.environment
            store: ObjectStore = self._retrying(
                _s3(
                    bucket=parts.netloc,
                    prefix=parts.path.strip("/"),
                    endpoint=environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
                )
            )
        elif parts.scheme == "":
            store = self._directory(Path(url))  # whole: a directory may be called "a#b"
        elif parts.scheme == "file":
            store = self._directory(Path(unquote(parts.path)))
        else:
            raise UsageInvalid("not a store", expected="s3://BUCKET/PREFIX or a directory", found=url)
        return Replica(name=url, store=self._kept(store))

    def _store(self, store: Store) -> ObjectStore:
        if isinstance(store, DirectoryStore):
            return self._directory(store.directory)
        assert isinstance(store, S3Store)
        return self._retrying(
            _s3(
                bucket=store.bucket,
                prefix=store.prefix,
                endpoint=store.endpoint,
                region=store.region,
                access_key=self._text(store.access_key),
                secret_key=self._text(store.secret_key),
                path_style=store.path_style,
                ca_bundle=store.authority,
                answer_timeout_seconds=store.answer_timeout_seconds,
            ),
            store.patience_seconds or (PATIENCE_SECONDS if len(self.settings.stores) == 1 else SHORT_PATIENCE_SECONDS),
        )

    def validate_store(self, name: str) -> Sequence[StoreFinding]:
        """Try every promise of the store called ``name``; see ``storage.validation``."""
        from drorch.storage.validation import validate

        return validate(self.replica(name).store, now=self.clock.now(), random_bytes=random_bytes)

    def require_fit_for_prune(self, name: str) -> None:
        """Try what a sweep relies on; raise ``StoreUnfit``, or ``StoreDenied`` when the credential is not a maintainer's."""
        from drorch.storage.validation import NEEDED_BY_PRUNE, validate

        store = self.replica(name).store
        findings = validate(store, now=self.clock.now(), random_bytes=random_bytes, only=NEEDED_BY_PRUNE)
        # What a lock keeps cannot be deleted at once, and rightly so: the sweep tells such objects one by one.
        failed = [finding for finding in findings if not finding.passed and finding.name != "delete"]
        if failed:
            raise StoreUnfit(
                f"{name} does not keep what a prune relies on, so nothing is deleted there",
                expected=failed[0].expected,
                found=f"{failed[0].name}: {failed[0].found}",
                hint=f"`drorch store validate {name}` tries everything; the credential must be a maintainer's:"
                " `drorch store bucket-policy maintainer`",
            )

    def validate_as_writer(self, name: str) -> Sequence[StoreFinding]:
        """Try every call that this host's writing credential must not be able to make."""
        from drorch.storage.writer_validation import validate_as_writer

        store = self._raw_s3(name)
        writer = self.host_key().public().key_id.raw[:6].hex()
        return validate_as_writer(store, store.forbidden_calls, writer=writer)

    def _raw_s3(self, name: str) -> S3ObjectStore:
        """Return the S3 store called ``name`` without retries; ``UsageInvalid`` for other kinds."""
        store = self.settings.stores.get(name)
        if not isinstance(store, S3Store):
            raise UsageInvalid(f"{name} is not an S3 store", hint="only a bucket has credentials that can be tried")
        return _s3(
            bucket=store.bucket,
            prefix=store.prefix,
            endpoint=store.endpoint,
            region=store.region,
            access_key=self._text(store.access_key),
            secret_key=self._text(store.secret_key),
            path_style=store.path_style,
            ca_bundle=store.authority,
            answer_timeout_seconds=store.answer_timeout_seconds,
        )

    def _directory(self, directory: Path) -> ObjectStore:
        from drorch.storage.filesystem import FilesystemStore

        if not directory.is_dir():
            raise StoreMissing(
                f"the directory {directory} is not there",
                expected="a directory",
                found="nothing" if not directory.exists() else "something else",
                hint="is the disk mounted? drorch does not make the directory of a store but at `drorch init`",
            )
        return FilesystemStore(directory)

    def _retrying(self, store: ObjectStore, patience_seconds: float = PATIENCE_SECONDS) -> ObjectStore:
        from drorch.storage.retrying import RetryingStore

        random_fraction = secrets.SystemRandom().random
        return RetryingStore(
            store, clock=self.clock, random_fraction=random_fraction, deadline_seconds=patience_seconds
        )

    def _kept(self, store: ObjectStore) -> ObjectStore:
        self._open.callback(store.close)
        return store

    # -- keys

    def writing_key(self) -> HostKey:
        """Return the key by which this host writes; raise ``KeyWrong`` when it is of another repository or role."""
        from drorch.format.trust import Role

        key, trust = self.host_key(), self.settings.keys.trust
        if trust is not None and not key.origin.trust_root.raw.startswith(trust):
            raise KeyWrong(
                "the host key is of another repository",
                expected=f"trust root {grouped(trust[:16])}, as drorch.yaml says",
                found=grouped(key.origin.trust_root.raw[:16]),
                hint="put the key of this repository in place, or name its trust root",
            )
        if key.role is not Role.WRITER:
            raise KeyWrong(
                "the host key may not write snapshots",
                expected="the key of a writer",
                found=f"that of a {key.role.name.lower().replace('_', ' ')}",
                hint="`keys: {host_key: ...}` in drorch.yaml names the file",
            )
        return key.key

    def maintenance_key(self) -> SigningKey:
        """Return the key that signs retire lists; raise ``SecretUnavailable`` where it is not, ``KeyWrong`` when it is another."""
        from drorch.format.keyfile import read_host_key_file
        from drorch.format.trust import Role

        reference, trust = self.settings.keys.maintenance_key, self.settings.keys.trust
        try:
            text = self.settings.reveal(reference).content().decode(errors="replace")
        except SecretUnavailable as error:
            error.hint = (
                "do it on the machine that holds the maintenance key; `keys: {maintenance_key: ...}` says where it lies"
            )
            raise
        key = read_host_key_file(text)
        if key.role is not Role.MAINTAINER or (trust is not None and not key.origin.trust_root.raw.startswith(trust)):
            raise KeyWrong(
                f"{reference} does not hold the maintenance key of this repository",
                expected="the key of a maintainer of this repository",
                found=f"that of a {key.role.name.lower().replace('_', ' ')}, trust root {grouped(key.origin.trust_root.raw[:16])}",
                hint="`drorch init` wrote it to secrets/maintenance.key",
            )
        return key.key.signing_key()

    def host_key(self) -> HostKeyFile:
        """Return what the host's key file holds; raise ``SettingsInvalid``, ``SecretUnavailable`` or ``KeyWrong``."""
        from drorch.format.keyfile import read_host_key_file

        reference = self.settings.keys.host_key
        if reference is None:
            raise SettingsInvalid("drorch.yaml names no host key", expected="`keys: {host_key: file:secrets/host.key}`")
        return read_host_key_file(self.settings.reveal(reference).content().decode(errors="replace"))

    # -- databases

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
            ),
            clock=self.clock,
            random_bytes=random_bytes,
            temporary=self.temporary,
            memory=memory_file(cache, address) if cache is not None and has_key else None,
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
        settings = self.settings
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
        )
        tools = PostgresqlTools(directory=settings.tools.postgresql)
        return Postgresql(self._postgresql_location(described), options, tools, self.clock, self.temporary())

    def _postgresql_location(self, described: PostgresqlSource) -> PostgresqlLocation:
        from drorch.sources.postgresql.location import PostgresqlLocation

        return PostgresqlLocation(
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
            administrator = Postgresql(location, CaptureOptions(), tools, self.clock, self.temporary())
            facts = administrator.account_facts(described.user or USUAL_ACCOUNT)
        known: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in facts.items()}
        return PostgresqlFacts(**known)

    def target(self, url: str, password: Callable[[], str] | None = None) -> Target:
        """Return the place that ``--to`` means: ``postgresql://...`` or ``sqlite:///FILE``; raise ``UsageInvalid``."""
        scheme = urlsplit(url).scheme
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
            found=url if "@" not in url else f"...@{url.rpartition('@')[2]}",  # what stands before it may be a password
            hint=f"did you mean sqlite://{url}?" if url.startswith("/") else "",
        )

    def command_target(self, url: str, promise: SourcePromise) -> Target:
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
        )

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

    def temporary(self) -> Path:
        """Return the directory for temporary files, made with mode 0700; raise ``SettingsInvalid`` unless it is ours alone.

        By default it lies where everybody may make directories, and passwords pass through it.
        """
        return private_directory(self.settings.temporary_directory, "temporary")

    def cache(self) -> Path | None:
        """Return the directory of caches; ``None`` when it cannot be had, or others could write there: then there is none."""
        try:
            return private_directory(self.settings.cache_directory, "cache")
        except SettingsInvalid:
            return None

    # -- catalog

    def catalog(self) -> Catalog:
        """Return the catalog, made or migrated where needed; raise ``CatalogError``."""
        if self._catalog is None:
            self._catalog = self._open_catalog()
            self._open.callback(self._catalog.close)
        return self._catalog

    def _open_catalog(self) -> Catalog:
        configured = self.settings.catalog
        if configured.url is None:
            from drorch.catalog.sqlite import open_sqlite

            try:
                state = private_directory(self.settings.state_directory, "state")
            except SettingsInvalid as error:
                raise CatalogError(
                    f"the catalog has no place: {error.message}",
                    expected=error.expected,
                    found=error.found,
                    hint=error.hint,
                ) from error
            return open_sqlite(state / "catalog.sqlite")
        from drorch.catalog.postgresql import open_postgresql

        return open_postgresql(configured.url, password=self._text(configured.password))

    # -- secrets

    def _text(self, reference: SecretReference | None) -> str | None:
        return None if reference is None else self.settings.reveal(reference).text()

    def _password(self, reference: SecretReference | None) -> Callable[[], str] | None:
        return None if reference is None else lambda: self.settings.reveal(reference).text()

    def _path(self, path: str | None) -> Path | None:
        return None if path is None else self.settings.resolve(path)


def _s3(
    *,
    bucket: str,
    prefix: str,
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    path_style: bool | None = None,
    ca_bundle: Path | None = None,
    answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
) -> S3ObjectStore:
    from drorch.storage.s3 import S3Store as S3ObjectStore

    return S3ObjectStore(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        path_style=path_style,
        ca_bundle=ca_bundle,
        read_timeout_seconds=answer_timeout_seconds,
    )


def fill_sqlite(path: Path, steps: Iterable[tuple[str, Iterable[Any]]]) -> None:
    """Run statements in a throw-away SQLite file; see ``sandbox.sqlite``."""
    from drorch.sandbox.sqlite import execute_steps

    execute_steps(path, steps)


def independent_comparer(arguments: Sequence[str], *, programs: Path) -> tuple[int, str]:
    """Run tools/compare.py and return its exit code (0 equal, 1 different, 2 trouble) and words."""
    from drorch.sandbox.comparer import run_comparer

    packaged = Path(str(resources.files("drorch") / "help" / "compare.py"))
    script = packaged if packaged.is_file() else _CHECKOUT / "tools" / "compare.py"
    return run_comparer(script, arguments, programs)


def bucket_policy(role: str) -> str:
    """Return the text of the bucket policy of a role: writer, maintainer, drill, auditor or bucket."""
    return (resources.files("drorch.storage") / "bucket_policies" / f"{role}.json").read_text(encoding="utf-8")


def help_files() -> Mapping[str, bytes]:
    """Return the files that explain a repository to a stranger; they are put into every store."""
    packaged = resources.files("drorch") / "help"
    if packaged.is_dir():
        return {name: (packaged / name).read_bytes() for name in _HELP_FILES}
    return {name: (_CHECKOUT / path).read_bytes() for name, path in _HELP_FILES.items()}


def this_machine() -> Machine:
    """Return which process this is, on which machine."""
    from drorch.catalog.liveness import process_started
    from drorch.operations.protect import Machine

    pid = os.getpid()
    return Machine(host=host_name(), machine_id=machine_id(), pid=pid, process_started=process_started(pid))


def liveness() -> IsAlive:
    """Return what tells whether a process of this machine still runs."""
    from drorch.catalog.liveness import is_alive

    return is_alive


def claim_lives() -> Callable[[SourceClaim], bool]:
    """Return what tells whether the process behind a claim lives; those of other machines cannot be seen and count as alive."""
    here, is_alive = host_name(), liveness()
    return lambda claim: claim.host != here or is_alive(claim.pid, claim.process_started)


def throw_away_postgresql(parent: Path) -> AbstractContextManager[ThrowAwayServer]:
    """Return a throw-away server below ``parent``, not started yet; see ``sandbox.postgresql``."""
    from drorch.sandbox.postgresql import throw_away_postgresql as server

    return server(parent)


def throw_away_mariadb(parent: Path, clock: Clock) -> AbstractContextManager[ThrowAwayMariadb]:
    """Return a throw-away server below ``parent``, not started yet; see ``sandbox.mariadb``."""
    from drorch.sandbox.mariadb import throw_away_mariadb as server

    return server(parent, clock)


def make_firebird(database: Path, script: bytes, locks: Path) -> None:
    """Make a throw-away Firebird database; see ``sandbox.firebird``."""
    from drorch.sandbox.firebird import make_firebird as make

    make(database, script, locks)


def write_tree(root: Path, entries: Iterable[TreeEntry]) -> None:
    """Write a throw-away tree of files; see ``sandbox.tree``."""
    from drorch.sandbox.tree import write_tree as write

    write(root, entries)


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()
