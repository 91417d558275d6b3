"""Trees of files as a source."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import (
    CaptureFailed,
    SourceError,
    SourceMissing,
    SourceRightsMissing,
    SourceUnsupported,
    UsageInvalid,
)
from drorch.sources.files.capture import FilesCapture, Scope
from drorch.sources.files.consolidation import given_up
from drorch.sources.files.lines import CONTENT_PREFIX
from drorch.sources.files.memory import Memory
from drorch.sources.files.names import below, shown
from drorch.sources.files.own_cache import require_outside
from drorch.sources.files.patterns import Patterns
from drorch.sources.files.survey import CONTENT_BYTES
from drorch.sources.files.walking import reason, sorted_names
from drorch.sources.interface import Earlier, Finding, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesChoices:
    """What a policy says of its trees. ``reread_within`` is in how many runs every unchanged file is read again."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    one_file_system: bool = True
    immutable: bool = False
    reread_within: int = 30
    content_bytes: int = CONTENT_BYTES
    stall_timeout_seconds: float = 900


class FilesSource:
    """See ``Source`` and ``RemembersStreams``. Nothing is written to the trees; access times stay where the account may say so."""

    def __init__(
        self,
        choices: FilesChoices,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        temporary: Callable[[], Path],
        memory: Path | None = None,
        memory_key: bytes = b"",
        cache: Path | None = None,
    ) -> None:
        """``memory`` is the file of what was read before (``None``: everything is read each time), its names hidden by ``memory_key``.

        ``cache`` is the directory of drorch's own cache, which must not be among what is backed up.
        """
        self._choices = choices
        self._clock = clock
        self._random_bytes = random_bytes
        self._temporary = temporary
        self._memory = memory
        self._memory_key = memory_key
        self._cache = cache

    @property
    def address(self) -> str:
        """See ``Source``."""
        first, *others = self._choices.paths
        return f"files://{first}" + (f" and {len(others)} more" if others else "")

    @contextmanager
    def capture(self) -> Iterator[FilesCapture]:
        """See ``Source``: everything is read."""
        with self._capture(lambda _: False) as capture:
            yield capture

    @contextmanager
    def capture_since(self, earlier: Earlier) -> Iterator[FilesCapture]:
        """See ``RemembersStreams``."""
        with self._capture(lambda name: earlier.holds(CONTENT_PREFIX + name)) as capture:
            yield capture

    def examine(self) -> Sequence[Finding]:
        """See ``Source``."""
        findings = []
        try:
            Patterns(self._choices.exclude)
        except UsageInvalid as error:
            findings.append(Finding(level=Level.FAIL, text=f"exclude: {error.message}", remedy=error.expected))
        else:
            findings += self._about_cache()
        for path in self._choices.paths:
            try:
                root = _root(path)
                _look_inside(root)
            except SourceError as error:
                findings.append(Finding(level=Level.FAIL, text=error.message, remedy=error.hint))
            else:
                findings.append(Finding(level=Level.OK, text=f"{path} can be read"))
        if os.geteuid() != 0:
            findings.append(
                Finding(
                    level=Level.NOTE,
                    text="this account is not root: what it may not read makes a partial snapshot, and is listed",
                    remedy="let the trees be readable to it, or give it CAP_DAC_READ_SEARCH",
                )
            )
        return findings

    def _about_cache(self) -> Iterator[Finding]:
        if self._cache is not None:
            try:
                require_outside(self._cache, self._choices.paths, self._choices.exclude)
            except SourceUnsupported as error:
                yield Finding(level=Level.FAIL, text=f"{error.message}: {error.found}", remedy=error.hint)

    @contextmanager
    def _capture(self, held: Callable[[str], bool]) -> Iterator[FilesCapture]:
        if self._cache is not None:
            require_outside(self._cache, self._choices.paths, self._choices.exclude)
        scope = scope_of(self._choices)
        memory, dropped = self._remembered(scope)
        with closing(memory):
            try:
                capture = FilesCapture(
                    scope,
                    memory=memory,
                    held=_once(lambda name: name not in dropped and held(name)),
                    temporary=self._temporary(),
                    clock=self._clock,
                    token=self._random_bytes(4).hex(),
                    stall_timeout_seconds=self._choices.stall_timeout_seconds,
                )
            except OSError as error:
                raise _failure(scope.base, error) from error
            with closing(capture):
                yield capture

    def _remembered(self, scope: Scope) -> tuple[Memory, frozenset[str]]:
        """Return the memory and what of it is to be given up; one that is damaged has been thrown away and begins anew."""
        try:
            memory = Memory(self._memory, self._memory_key, with_paths=scope.immutable)
            return memory, given_up(memory.contents())
        except CaptureFailed:
            return Memory(self._memory, self._memory_key, with_paths=scope.immutable), frozenset()


def scope_of(choices: FilesChoices) -> Scope:
    """Return what to walk; raises ``SourceMissing``, ``SourceRightsMissing`` or ``SourceUnsupported`` for a path that is none."""
    roots = sorted({_root(path) for path in choices.paths})
    kept: list[bytes] = []
    for root in roots:
        inside = [other for other in kept if below(other, root)]
        if inside and (not choices.one_file_system or _device(root) == _device(inside[-1])):
            continue
        kept.append(root)
    base = kept[0] if len(kept) == 1 else os.path.commonpath(kept)
    if not stat.S_ISDIR(os.lstat(base).st_mode):
        base = os.path.dirname(base)  # noqa: PTH120 - names are bytes, which pathlib does not take
    Patterns(choices.exclude)
    return Scope(
        base=base,
        roots=tuple(os.path.relpath(root, base) if root != base else b"" for root in kept),
        exclude=choices.exclude,
        one_file_system=choices.one_file_system,
        immutable=choices.immutable,
        reread_within=choices.reread_within,
        content_bytes=choices.content_bytes,
    )


def _root(path: str) -> bytes:
    """Return a path of the policy with the links above it resolved; it must be there and be no link itself."""
    raw = os.path.normpath(os.fsencode(path))
    above, name = os.path.split(raw)
    try:
        root = os.path.join(os.path.realpath(above, strict=True), name) if name else b"/"  # noqa: PTH118 - bytes
        mode = os.lstat(root).st_mode
    except OSError as error:
        raise _failure(raw, error) from error
    if stat.S_ISLNK(mode):
        raise SourceUnsupported(
            f"{shown(raw)} is a symbolic link, and links are not followed",
            expected="a directory or file",
            found=f"a link to {shown(os.readlink(root))}",  # noqa: PTH115 - bytes
            hint="name the directory itself in `paths:`",
        )
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SourceUnsupported(f"{shown(raw)} is neither a directory nor a file", expected="a directory or file")
    return root


def _failure(path: bytes, error: OSError) -> SourceError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceMissing(
            f"{shown(path)} is not there", expected="a directory or file", found="nothing", hint="is the disk mounted?"
        )
    if error.errno == errno.ELOOP:
        return SourceMissing(
            f"{shown(path)} leads through symbolic links that go in circles",
            expected="a directory or file",
            hint="mend the links, or name the real path in `paths:`",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceRightsMissing(
            f"{shown(path)} may not be read by this account", found=reason(error), hint="give it the right to read it"
        )
    return CaptureFailed(f"{shown(path)} cannot be read", found=reason(error))


def _look_inside(root: bytes) -> None:
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                sorted_names(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(root, error) from error


def _device(path: bytes) -> int:
    return os.lstat(path).st_dev


def _once(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return ``ask`` with its answers kept: it is asked for every file and knows a few hundred names."""
    answers: dict[str, bool] = {}

    def kept(name: str) -> bool:
        if name not in answers:
            answers[name] = ask(name)
        return answers[name]

    return kept
