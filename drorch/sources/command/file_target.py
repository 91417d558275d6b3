"""A plain file as a target for what a program wrote: so that the bytes come out on a machine that knows nothing else."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DecisionNeeded, TargetError, TargetFull, TargetRefused, UsageInvalid
from drorch.quantities import format_size
from drorch.sources.command.wording import output_of, restored_by, shown, unfit
from drorch.sources.interface import Content, Finding, Level, Observer, RestoreChoices, RestoreOutcome, StoredStream

SCHEME = "file"


def parse_location(url: str) -> Path:
    """Return the path behind ``file:``; raise ``UsageInvalid`` when there is none."""
    path = url.removeprefix(f"{SCHEME}:").removeprefix("//")
    if not path or path.endswith("/"):
        raise UsageInvalid("not a file", expected="file:PATH", found=url)
    return Path(path).absolute()


class FileTarget:
    """See ``Target``. The file gets its name when its last byte was found to be as at backup; it is its owner's alone."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``Target``."""
        return f"{SCHEME}:{self._path}"

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``."""
        stream = output_of(content)
        findings = unfit(content, choices)
        if stream is not None:
            findings += [*self._findings_about_place(stream, choices), _how_to_go_on(content)]
        return findings

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``; written beside it, synced, then named."""
        bad = [finding for finding in self.preflight(content, choices) if finding.level is Level.STOP]
        stream = output_of(content)
        if bad or stream is None:
            raise DecisionNeeded(
                f"{self.address}: {'; '.join(finding.text for finding in bad)}",
                hint="; ".join(finding.remedy for finding in bad if finding.remedy),
                still_good="nothing was changed",
            )
        beside = self._path.with_name(f"{self._path.name}__drorch_{content.short_id}")
        with _writing(self._path), _removed_at_the_end(beside):
            _write(beside, content, stream, observer)
            lines = self._put(beside, choices)
        following = ("the policy brought such a file back by:", f"  {shown(restored_by(content))}")
        return RestoreOutcome(place=str(self._path), tables=0, rows=0, statements=0, lines=(*lines, *following))

    def _put(self, beside: Path, choices: RestoreChoices) -> tuple[str, ...]:
        """Give the finished file its name; an old one stays under another."""
        lines: tuple[str, ...] = ()
        if choices.replace and self._path.exists():
            moment = choices.started_at or self._clock.now()
            kept = self._path.with_name(f"{self._path.name}__before_{moment:%Y%m%d_%H%M%S}")
            os.link(self._path, kept)
            beside.rename(self._path)
            lines = (f"the old file is {kept}; to go back:", f"  mv {kept.name} {self._path.name}")
        else:
            try:
                os.link(beside, self._path)  # unlike rename, never over somebody's file
            except FileExistsError as error:
                raise DecisionNeeded(f"{self._path} has appeared", hint="--replace keeps it aside") from error
        _sync(self._path.parent)
        return lines

    def _findings_about_place(self, stream: StoredStream, choices: RestoreChoices) -> list[Finding]:
        path, folder = self._path, self._path.parent
        if not folder.is_dir():
            return [Finding(level=Level.STOP, text=f"there is no directory {folder}", remedy=f"mkdir -p {folder}")]
        if not os.access(folder, os.W_OK | os.X_OK):
            text = f"this account may not write to {folder}"
            return [Finding(level=Level.STOP, text=text, remedy="run as its owner")]
        free = shutil.disk_usage(folder).free
        if stream.size_bytes > free:
            text = f"{format_size(free)} free in {folder}, {format_size(stream.size_bytes)} needed"
            return [Finding(level=Level.STOP, text=text, remedy="make room, or restore somewhere else")]
        if os.path.lexists(path) and not path.is_file():
            return [Finding(level=Level.STOP, text=f"{path} is not a regular file", remedy="name another")]
        if path.exists() and not choices.replace:
            text = f"{path} exists"
            return [Finding(level=Level.STOP, text=text, remedy="--replace puts it aside under another name")]
        size = format_size(stream.size_bytes)
        return [Finding(level=Level.OK, text=f"{folder} can be written; {size} of {format_size(free)} free")]


def _how_to_go_on(content: Content) -> Finding:
    """Say what read the bytes at backup: told, not run."""
    product = shown([str(content.facts.get("product") or "the program")])
    words = shown(restored_by(content)) or "?"
    return Finding(level=Level.NOTE, text=f"bring it into {product}; the policy did it by: {words}")


def _write(beside: Path, content: Content, stream: StoredStream, observer: Observer) -> None:
    beside.unlink(missing_ok=True)  # of a run that was killed
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in content.open(stream):
            file.write(piece)
            observer.advance(stream.spec.name, file.tell(), stream.size_bytes, "bytes")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _removed_at_the_end(beside: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind: type[TargetError] = TargetFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else TargetRefused
        raise kind(f"{path}: the file system refused it", found=error.strerror or "") from error
