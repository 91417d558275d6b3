"""One run of a capturing program, offered as one stream that is complete or an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import Bug, CaptureFailed, SourceStalled, SourceUnsupported
from drorch.quantities import format_size
from drorch.sources.command.wording import STREAM, stopped
from drorch.sources.interface import Bytes, Json, StreamKind, StreamSpec
from drorch.sources.last_words import last_lines
from drorch.sources.subprocesses import Child

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """How a complete output is known, beside the exit code; ``ends_with`` may be empty."""

    minimum_bytes: int
    ends_with: bytes = b""


class CommandCapture:
    """See ``Capture``. Made by ``CommandSource.capture`` with the program started."""

    def __init__(
        self, child: Child, *, address: str, whole: Whole, restore_point: datetime, facts: Mapping[str, Json]
    ) -> None:
        self._child = child
        self._address = address
        self._whole = whole
        self._restore_point = restore_point
        self._facts = facts
        self._is_open = False
        self._is_aborted = threading.Event()

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        return self._facts

    @property
    def restore_point(self) -> datetime:
        """The host's clock when the program was started: what it wrote is not older."""
        return self._restore_point

    @property
    def parallel(self) -> int:
        """One."""
        return 1

    def streams(self) -> Sequence[StreamSpec]:
        """See ``Capture``: what the program writes."""
        return [StreamSpec(name=STREAM, kind=StreamKind.FILE)]

    @contextmanager
    def open(self, stream: StreamSpec) -> Iterator[Iterator[Bytes]]:
        """See ``Capture``; once."""
        if stream.name != STREAM or self._is_open:
            raise Bug(f"no stream {stream.name} in this capture, or not any more")
        self._is_open = True
        yield self._pieces()

    def ask(self, sql: str) -> str:
        """See ``Capture``: there is nobody to ask."""
        raise SourceUnsupported(
            f"{self._address}: a program answers no probes", found=sql[:80], hint="take `probes:` out of the policy"
        )

    def closing_facts(self) -> Mapping[str, Json]:
        """See ``Capture``: nothing is known only at the end."""
        return {}

    def abort(self) -> None:
        """See ``Capture``."""
        self._is_aborted.set()
        self._child.kill()

    def _pieces(self) -> Iterator[Bytes]:
        size, tail, length = 0, b"", len(self._whole.ends_with)
        with self._telling():
            while piece := self._child.read(_PIECE_BYTES):
                size += len(piece)
                if length:
                    tail = (tail + piece[-length:])[-length:]
                yield piece
            if self._is_aborted.is_set():
                raise stopped(self._address)
            self._child.finish()
        self._require_whole(size, tail)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Add the program's last words to what is said about it."""
        try:
            yield
        except SourceStalled as error:
            error.found = self._with_words("silence")
            error.hint = "`stall_timeout` in the policy's `command:`, if it may think for so long"
            raise
        except CaptureFailed as error:
            if not self._is_aborted.is_set():
                error.found = self._with_words(error.found.partition(": ")[0])
            raise

    def _require_whole(self, size: int, tail: bytes) -> None:
        if size < self._whole.minimum_bytes:
            raise CaptureFailed(
                f"{self._address}: the program ended well and wrote {'nothing' if size == 0 else 'too little'}",
                expected=f"at least {format_size(self._whole.minimum_bytes)} ({self._whole.minimum_bytes:,} bytes), by `minimum_size`",
                found=self._with_words(f"{format_size(size)} ({size:,} bytes)"),
                hint="an empty backup that counts as a good one is how data is lost; look at what the program does",
            )
        if tail != self._whole.ends_with:
            raise CaptureFailed(
                f"{self._address}: the output ends unlike a complete one",
                expected=f"{_text(self._whole.ends_with)}, by `ends_with`",
                found=self._with_words("another end"),  # what it is may be somebody's data
                hint="it was cut short, or the program's last line is another one now",
            )

    def _with_words(self, found: str) -> str:
        return "\n".join([found, *last_lines(self._child.complaint())])


def _text(content: bytes) -> str:
    return repr(content.decode("utf-8", "backslashreplace"))
