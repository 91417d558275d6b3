"""The stores of drorch.yaml, of a URL, and the repository in them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from drorch.clock import Clock
from drorch.errors import DrorchError, SettingsInvalid, StoreError, StoreMissing, StoreUnfit, UsageInvalid
from drorch.policy.installation import DirectoryStore, S3Store
from drorch.policy.url import split_url, without_login
from drorch.wiring.keys import Keys
from drorch.wiring.machine import random_bytes

if TYPE_CHECKING:
    from drorch.policy.bandwidth import Bandwidth
    from drorch.policy.installation import Store
    from drorch.policy.locks import LockRule
    from drorch.repository.opening import Replica, Repository
    from drorch.settings import Settings
    from drorch.storage.interface import Finding as StoreFinding
    from drorch.storage.interface import ObjectStore
    from drorch.storage.s3 import S3Store as S3ObjectStore

ANSWER_TIMEOUT_SECONDS = 30.0
PATIENCE_SECONDS = 300.0
SHORT_PATIENCE_SECONDS = 60.0  # where there are other stores: a run goes on without one that is silent


def nothing_named() -> SettingsInvalid:
    """Return what a bare machine is told by a command that was not told which repository is meant."""
    return SettingsInvalid(
        "there is no drorch.yaml here, and no store is named",
        expected="--store URL --trust DIGEST, as on the recovery sheet; or a drorch.yaml",
        found="neither",
        hint="on a bare machine: docs/OPERATIONS.md, 3 a.m.; on a new one: `drorch init DIR`",
    )


class Stores(Keys):
    """Opens stores and repositories, each once."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        super().__init__(settings, clock)
        self._repositories: dict[tuple[tuple[str, ...], bytes | None], Repository | DrorchError] = {}
        self._silent: dict[str, DrorchError] = {}
        self._spool: Replica | None = None

    def replica(self, name: str) -> Replica:
        """Return the store that drorch.yaml calls ``name``; raise ``UsageInvalid`` when it calls none so."""
        from drorch.repository.opening import Replica

        settings = self.settings.require_store(name)
        rule = settings.object_lock.rule if isinstance(settings, S3Store) and settings.object_lock else None
        return Replica(
            name=name, store=self._kept(self._throttled(self._store(settings), settings.bandwidth)), lock=rule
        )

    def repository(self, names: Sequence[str] = (), *, trust: bytes | None = None) -> Repository:
        """Open the repository in the stores called ``names`` (all of drorch.yaml when empty) and check its trust root.

        ``trust`` takes the place of the trust root in drorch.yaml. A store that is not there is left out (``unusable``) as long as another is good. Opened once for a command, failures
        included: a store that does not answer is waited for once, not for each of four hundred sources.
        """
        stores = {name: store for name, store in self.settings.stores.items() if not _is_spool(store)}
        for name in names:
            if name in self.settings.stores and name not in stores:
                raise UsageInvalid(
                    f"{name} is the spool, and no store for copies", expected=", ".join(stores), found=name
                )
        wanted = tuple(names or stores), trust or self.settings.keys.trust
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

    def spool(self) -> Replica | None:
        """Return the place where snapshots wait while every store is away; ``None`` when drorch.yaml names none, or it is not there."""
        name = next((name for name, store in self.settings.stores.items() if _is_spool(store)), None)
        if self._spool is None and name is not None:
            with suppress(StoreMissing):
                self._spool = self.replica(name)
        return self._spool

    def is_spool(self, name: str) -> bool:
        """Say whether the store called ``name`` is the spool, which counts for no copy."""
        return name in self.settings.stores and _is_spool(self.settings.stores[name])

    def spool_repository(self) -> Repository | None:
        """Open the repository in the spool; ``None`` when there is none, or no store has answered since it was set up."""
        from drorch.repository.opening import open_repository

        spool, trust = self.spool(), self.settings.keys.trust
        try:
            return None if spool is None or trust is None else open_repository([spool], trust)
        except StoreError:
            return None

    def leave_out(self, name: str, reason: DrorchError) -> None:
        """Open no further repository in the store called ``name``, which stopped answering, as long as there is another."""
        self._silent[name] = reason

    def _open_repository(self, names: Sequence[str], trust: bytes | None) -> Repository:
        from drorch.repository.opening import open_repository

        if self.settings.file is None and trust is None:
            raise nothing_named()
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

        parts = split_url(url)
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
            raise UsageInvalid(
                "not a store",
                expected="s3://BUCKET/PREFIX or a directory",
                found=without_login(url),
                hint="the server of the bucket is named by AWS_ENDPOINT_URL" if parts.scheme.startswith("http") else "",
            )
        return Replica(name=url, store=self._kept(store))

    def _store(self, store: Store) -> ObjectStore:
        if isinstance(store, DirectoryStore):
            return self._bounded(self._directory(store.directory), store.spool_bytes)
        assert isinstance(store, S3Store)
        return self._retrying(
            self._bucket(store, lock=store.object_lock.rule if store.object_lock else None),
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
        store = self.settings.require_store(name)
        if not isinstance(store, S3Store):
            raise UsageInvalid(f"{name} is not an S3 store", hint="only a bucket has credentials that can be tried")
        return self._bucket(store)

    def _bucket(self, store: S3Store, lock: LockRule | None = None) -> S3ObjectStore:
        """Return the bucket as it answers, without retries."""
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
            lock=lock,
            clock=self.clock,
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

    def _bounded(self, store: ObjectStore, limit_bytes: int | None) -> ObjectStore:
        if limit_bytes is None:
            return store
        from drorch.storage.bounded import BoundedStore

        return BoundedStore(store, limit_bytes=limit_bytes)

    def _throttled(self, store: ObjectStore, bandwidth: Bandwidth | None) -> ObjectStore:
        """Return the store behind its caps; around the retries, so that waiting for the line is no failure."""
        if bandwidth is None:
            return store
        from drorch.storage.throttled import ThrottledStore

        zone = self.settings.time_zone
        return ThrottledStore(store, bytes_per_second=lambda: bandwidth.at(self.clock.now(), zone), clock=self.clock)

    def _kept(self, store: ObjectStore) -> ObjectStore:
        self._open.callback(store.close)
        return store


def _is_spool(store: Store) -> bool:
    return isinstance(store, DirectoryStore) and store.spool_bytes is not None


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
    lock: LockRule | None = None,
    clock: Clock | None = None,
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
        lock=lock,
        clock=clock,
    )
