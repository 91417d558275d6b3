"""What ``drorch doctor`` looks at: files and their modes, disks, keys, stores. Looks, changes nothing, raises only faults of ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drorch.errors import (
    DrorchError,
    KeyWrong,
    SecretUnavailable,
    SettingsInvalid,
    SourceError,
    StoreUnavailable,
)
from drorch.format.keyfile import HostKeyFile, KeyFile, KeyKind, read_key_file
from drorch.format.trust_record import Role
from drorch.ids import grouped
from drorch.operations.explain_stores import HelpState, look
from drorch.operations.room import existing_part
from drorch.policy.secret import SecretReference
from drorch.quantities import format_duration, format_size
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.sources.interface import Finding, Level, Source

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_LONGEST_KEY_FILE_BYTES = 64 * 1024
_LATE_SECONDS = 60
_REFUSED_SECONDS = 15 * 60  # S3 refuses a request whose date is further off (RequestTimeTooSkewed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One line of a doctor's list. ``code`` is the exit code of what a ``FAIL`` would lead to, 0 for other levels."""

    finding: Finding
    code: int = 0


def ok(text: str) -> Examined:
    """Return a finding that something is as it must be."""
    return Examined(finding=Finding(level=Level.OK, text=text))


def note(text: str, remedy: str = "") -> Examined:
    """Return a finding that somebody should know."""
    return Examined(finding=Finding(level=Level.NOTE, text=text, remedy=remedy))


def failed(text: str, remedy: str, error: type[DrorchError]) -> Examined:
    """Return a finding that a backup or a restore will stumble over."""
    return Examined(finding=Finding(level=Level.FAIL, text=text, remedy=remedy), code=error.exit_code)


def of_error(error: DrorchError, subject: str = "") -> Examined:
    """Return an error as a finding."""
    text = (f"{subject}: " if subject else "") + error.message.removeprefix(f"{subject}: ")
    if error.found:
        text += f"; found {' '.join(error.found.split())}"
    return failed(text, error.hint, type(error))


def examine_settings_file(file: Path) -> Examined:
    """Say whether somebody else could have written drorch.yaml."""
    status = file.stat()
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return failed(f"{file} is writable by others ({_mode(status)})", f"chmod go-w {file}", SettingsInvalid)
    if status.st_uid not in {0, os.geteuid()}:
        return failed(f"{file} belongs to uid {status.st_uid}", "give it to root or to this account", SettingsInvalid)
    return ok(f"{file}: nobody else may write it")


def examine_secrets(
    references: Iterable[SecretReference], reveal: Callable[[SecretReference], object], folder: Path
) -> Iterator[Examined]:
    """Yield what is wrong with secrets that are named, and with files of ``folder`` that are open to others."""
    good, bad = 0, 0
    for reference in sorted(set(references), key=str):
        try:
            reveal(reference)
        except SecretUnavailable as error:
            bad += 1
            yield of_error(error)
        else:
            good += 1
    for path in _files(folder):
        status = path.stat()
        if status.st_mode & 0o137:
            bad += 1
            yield failed(f"{path} is open to others ({_mode(status)})", f"chmod 0640 {path}", SecretUnavailable)
    if good and not bad:
        yield ok(f"{good} secret{'s' if good > 1 else ''} can be read, and by nobody else")


def examine_directory(path: Path, label: str, keep_free_percent: int) -> Iterator[Examined]:
    """Yield whether a directory of ours is private and writable and its disk has room; it is made when first used."""
    shown = f"{label}: {path}"
    try:
        existing = existing_part(path)
    except OSError as error:
        yield failed(
            f"{shown} cannot be looked at: {error.strerror}",
            f"name another in `directories: {{{label}: ...}}`",
            SettingsInvalid,
        )
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        yield failed(
            f"{shown} cannot be written by this account",
            f"chown it, or name another in `directories: {{{label}: ...}}`",
            SettingsInvalid,
        )
        return
    if existing == path and path.stat().st_mode & 0o077:
        yield failed(f"{shown} is open to others ({_mode(path.stat())})", f"chmod 0700 {path}", SettingsInvalid)
        return
    disk = os.statvfs(existing)
    free, total = disk.f_bavail * disk.f_frsize, max(1, disk.f_blocks * disk.f_frsize)
    room = f"{format_size(free)} of {format_size(total)} free"
    if free * 100 < total * keep_free_percent:
        yield note(f"{shown}: only {room}", f"`keep_free` asks for {keep_free_percent} %: make room")
        return
    yield ok(f"{shown}, {room}" + ("" if existing == path else "; made when first used"))


def examine_host_key(path: Path | None, key: HostKeyFile, trust: bytes | None) -> Examined:
    """Say whether the host's key is private and belongs to the repository that drorch.yaml names."""
    if path is not None and path.stat().st_mode & 0o077:
        return failed(
            f"the host key {path} is open to others ({_mode(path.stat())})", f"chmod 0600 {path}", SecretUnavailable
        )
    if trust is not None and not key.origin.trust_root.raw.startswith(trust):
        return failed(
            f"the host key is of another repository, {grouped(key.origin.trust_root.raw[:16])}",
            f"drorch.yaml names {grouped(trust[:16])}; put the key of that one in place",
            KeyWrong,
        )
    return ok(f"host key {key.label}: of this repository, readable by this account only")


def examine_private_keys(folders: Iterable[Path]) -> Iterator[Examined]:
    """Yield every private key that lies open on this host: a recipient's is a failure, a root's belongs into the safe."""
    found = [(path, key) for folder in folders for path in _files(folder) if (key := _private_key(path)) is not None]
    for path, key in found:
        if key.kind is KeyKind.RECIPIENT:
            yield failed(
                f"{path} is the private key of {key.label}: whoever takes this host and its passphrase reads every backup",
                "keep it on the custodian's machine; only the .pub file belongs here",
                SettingsInvalid,
            )
        elif key.kind is KeyKind.ROOT:
            yield note(f"{path} is the root key: it says who may read and write", "move it to the safe")
    if not any(key.kind is KeyKind.RECIPIENT for _, key in found):
        yield ok("no recipient's private key lies beside drorch.yaml")


def examine_store(replica: Replica, trust: bytes | None) -> tuple[Repository | None, Examined]:
    """Return the repository of one store, ``None`` when it is not good, and what is to be said about the store."""
    try:
        repository = open_repository([replica], trust)
    except DrorchError as error:
        return None, of_error(error, replica.name)
    text = f"{replica.name}: {replica.store.address}, trust root {grouped(repository.trust.root_digest.raw[:16])}"
    return repository, ok(text)


def examine_clock(replica: Replica, now: datetime) -> Examined:
    """Say how far the store's clock and this host's are apart."""
    try:
        offset = abs((replica.store.server_time() - now).total_seconds())
    except DrorchError as error:
        return of_error(error, replica.name)
    shown = f"{replica.name}: its clock and this host's are {format_duration(offset)} apart"
    if offset > _REFUSED_SECONDS:
        return failed(
            shown, "set the clocks (chrony, systemd-timesyncd); a store refuses such requests", StoreUnavailable
        )
    return note(shown, "set the clocks (chrony, systemd-timesyncd)") if offset > _LATE_SECONDS else ok(shown)


def examine_pages(replica: Replica, help_objects: Mapping[str, bytes]) -> Iterator[Examined]:
    """Yield a note when the store does not explain itself in the words of this version; nothing where that cannot be seen."""
    if look(replica, help_objects) is HelpState.MISSING:
        yield note(
            f"{replica.name}: its pages (help/) are not of this version",
            "drorch catalog upgrade, on a machine with the role maintenance",
        )


def examine_membership(repositories: Sequence[tuple[str, Repository]], key: HostKeyFile | None) -> Iterator[Examined]:
    """Yield whether the stores agree on who may read and write, and whether this host may write."""
    if not repositories:
        return
    name, newest = max(repositories, key=lambda pair: pair[1].trust.number)
    for other, repository in repositories:
        if repository.trust.number < newest.trust.number:
            yield note(
                f"{other} has trust record {repository.trust.number}, {name} has {newest.trust.number}",
                f"drorch copy --to {other}, which brings it up",
            )
    readers = ", ".join(recipient.label or "without a name" for recipient in newest.trust.recipients)
    yield ok(f"can read what is written from now on: {readers}")
    if key is None:
        return
    own = key.public().key_id
    writers = {signer.public.key_id for signer in newest.trust.signers if signer.role is Role.WRITER}
    if own in writers and not newest.trust.is_revoked(own):
        yield ok(f"this host may write, as {key.label}")
    else:
        yield failed(
            f"this host's key {key.label} may not write here",
            "drorch keys add NAME.pub, by who holds a root key, or use the host's own key",
            KeyWrong,
        )


def examine_source(address: str, source: Source) -> Iterator[Examined]:
    """Log in to a database and yield what stands in the way of a capture."""
    yield ok(f"{address}: {source.address}")
    try:
        findings = source.examine()
    except DrorchError as error:
        yield of_error(error, address)
        return
    yield from examine_findings(findings)


def examine_findings(findings: Iterable[Finding]) -> Iterator[Examined]:
    """Yield what a source, or what stands around it, found by itself."""
    for finding in findings:
        code = SourceError.exit_code if finding.level in (Level.FAIL, Level.STOP) else 0
        yield Examined(finding=finding, code=code)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    except OSError:
        return []


def _private_key(path: Path) -> KeyFile | None:
    try:
        if path.stat().st_size > _LONGEST_KEY_FILE_BYTES:
            return None
        return read_key_file(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DrorchError):
        return None


def _mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"
