"""A program as a target: what was captured is written to its standard input, and it puts it where it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from drorch.errors import DecisionNeeded, DrorchError, UsageInvalid
from drorch.policy.literals import why_literal_secret, why_secret_argument
from drorch.quantities import format_size
from drorch.sources.command.wording import ENGINE, TARGET, name_of, output_of, restored_by, shown, unfit
from drorch.sources.interface import Content, Cuts, Finding, Level, Observer, RestoreChoices, RestoreOutcome
from drorch.sources.programs import Surroundings, trusted
from drorch.sources.subprocesses import feeding


def parse_location(url: str) -> str:
    """Return what stands behind ``command:``; raise ``UsageInvalid`` when it holds a password: arguments are seen by all."""
    place = url.removeprefix(f"{ENGINE}:")
    found = why_secret_argument(["", place]) or why_literal_secret(place)
    if found:
        raise UsageInvalid(
            "a password in the address of a restore",
            expected="an address without one",
            hint="name it in `environment:` of the policy: what is given to a program is shown by `ps`",
        )
    return place


class CommandTarget:
    """See ``Target``. ``restore`` is the argument list of this machine's policy; one of the snapshot is never run.

    ``cuts`` is told how to end the program from another thread. Whether what is at the place is kept or overwritten is the program's business, and said so before.
    """

    def __init__(
        self,
        place: str,
        *,
        restore: Sequence[str],
        verify: Sequence[str],
        surroundings: Callable[[], Surroundings],
        stall_seconds: float | None,
        cuts: Cuts | None = None,
    ) -> None:
        self._place = place
        self._restore = tuple(restore)
        self._verify = tuple(verify)
        self._surroundings = surroundings
        self._stall_seconds = stall_seconds
        self._cuts = cuts

    @property
    def address(self) -> str:
        """See ``Target``."""
        return f"{ENGINE}:{self._place}"

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``."""
        findings = unfit(content, choices)
        if choices.replace:
            text = "--replace cannot be kept: whether the old one stays is up to the program"
            findings.append(Finding(level=Level.STOP, text=text, remedy="leave it out, and name a place that is free"))
        findings += self._findings_about_place()
        findings.append(self._finding_about_program())
        stream = output_of(content)
        if stream is not None:
            size = format_size(stream.size_bytes)
            text = f"{name_of(self._restore[0])} will read {size}; whether it overwrites what is at {self._place or 'its place'} is up to it"
            findings.append(Finding(level=Level.NOTE, text=text))
            findings += self._finding_about_change(content)
        return findings

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``; the program sees the end of its input only when every byte was found to be as at backup."""
        bad = [finding for finding in self.preflight(content, choices) if finding.level in {Level.STOP, Level.FAIL}]
        stream = output_of(content)
        if bad or stream is None:
            raise DecisionNeeded(
                f"{self.address}: {'; '.join(finding.text for finding in bad)}",
                hint="; ".join(finding.remedy for finding in bad if finding.remedy),
                still_good="nothing was changed",
            )
        surroundings = self._surroundings()
        arguments = trusted(self._filled(self._restore), surroundings.search_path)
        done = 0
        with (
            feeding(
                arguments,
                environment=surroundings.variables,
                stall_seconds=self._stall_seconds,
                secret_texts=surroundings.secret_texts,
            ) as fed,
            self._cuts(fed.kill) if self._cuts is not None else contextlib.nullcontext(),
        ):
            for piece in content.open(stream):
                fed.write(piece)
                done += len(piece)
                observer.advance(stream.spec.name, done, stream.size_bytes, "bytes")
            fed.finish()
        check = ("check it:", f"  {shown(self._filled(self._verify))}") if self._verify else ()
        return RestoreOutcome(place=self.address, tables=0, rows=0, statements=0, lines=check)

    def _filled(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(argument.replace(TARGET, self._place) for argument in arguments)

    def _findings_about_place(self) -> list[Finding]:
        takes = any(TARGET in argument for argument in self._restore)
        if takes and not self._place:
            text, remedy = "the restore command needs a place to restore to", f"--to {ENGINE}:PLACE"
        elif not takes and self._place:
            text, remedy = "the restore command of the policy takes no {target}", f"--to {ENGINE}: (nothing behind it)"
        elif self._place.startswith("-") and TARGET in self._restore:
            text, remedy = f"{self._place} would be taken for an option of the program", "name a place"
        else:
            return []
        return [Finding(level=Level.STOP, text=text, remedy=remedy)]

    def _finding_about_program(self) -> Finding:
        try:
            program = trusted(self._filled(self._restore), self._surroundings().search_path)[0]
        except DrorchError as error:
            text = error.message + (f": {error.found}" if error.found else "")
            return Finding(level=Level.FAIL, text=text, remedy=error.hint)
        return Finding(level=Level.OK, text=f"{program}: nobody else could have written it")

    def _finding_about_change(self, content: Content) -> list[Finding]:
        then = restored_by(content)
        if then == self._restore:
            return []
        text = f"at backup the policy restored by: {shown(then)}"
        return [Finding(level=Level.NOTE, text=text, remedy=f"now it restores by: {shown(self._restore)}")]
