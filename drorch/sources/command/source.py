"""A program as a source: what it writes to standard output is the backup, if it ends well and is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.quantities import format_size
from drorch.sources.command.capture import CommandCapture, Whole
from drorch.sources.command.wording import ENGINE, address_of
from drorch.sources.interface import Finding, Json, Level
from drorch.sources.programs import Surroundings, look_at, trusted
from drorch.sources.subprocesses import running


class CommandSource:
    """See ``Source``. The program is started when the capture begins; its clock is this host's.

    *Repeatable bytes* are the program's business: one that writes the time into its output costs a little storage. So is
    *one point in time*: gbak reads one transaction, a script of one's own may not.
    """

    def __init__(
        self,
        *,
        capture: Sequence[str],
        restore: Sequence[str],
        verify: Sequence[str],
        product: str,
        whole: Whole,
        surroundings: Callable[[], Surroundings],
        stall_seconds: float | None,
        clock: Clock,
    ) -> None:
        self._capture = tuple(capture)
        self._restore = tuple(restore)
        self._verify = tuple(verify)
        self._product = product
        self._whole = whole
        self._surroundings = surroundings
        self._stall_seconds = stall_seconds
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``Source``."""
        return address_of(self._capture)

    @contextmanager
    def capture(self) -> Iterator[CommandCapture]:
        """See ``Source``; raises ``ProgramUnsafe`` before anything was started."""
        surroundings = self._surroundings()
        arguments = trusted(self._capture, surroundings.search_path)
        moment = self._clock.now()
        with running(
            arguments,
            environment=surroundings.variables,
            stall_seconds=self._stall_seconds,
            secret_texts=surroundings.secret_texts,
        ) as child:
            yield CommandCapture(
                child, address=self.address, whole=self._whole, restore_point=moment, facts=self._facts(arguments[0])
            )

    def examine(self) -> Sequence[Finding]:
        """See ``Source``: looks at the programs and starts none of them."""
        try:
            surroundings = self._surroundings()
        except DrorchError as error:
            return [Finding(level=Level.FAIL, text=error.message, remedy=error.hint)]
        findings = [
            look_at(what, arguments, surroundings.search_path)
            for what, arguments in (("capture", self._capture), ("restore", self._restore), ("verify", self._verify))
            if arguments
        ]
        if not self._whole.ends_with:
            text = f"a backup cut short after {format_size(self._whole.minimum_bytes)} is known only by the program's exit code"
            findings.append(Finding(level=Level.NOTE, text=text, remedy="`ends_with:`, if its output has a last line"))
        return findings

    def _facts(self, program: str) -> dict[str, Json]:
        """Return what a restorer needs to know years later. The argument lists are told, never run: a policy says what runs."""
        return {
            "engine": ENGINE,
            "product": self._product,
            "program": program,
            "capture": list(self._capture),
            "restore": list(self._restore),
            "verify": list(self._verify),
            "tables": 0,
        }
