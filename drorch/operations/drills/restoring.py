"""What happens in a sandbox: the snapshot is restored into it, and everything that can be asked of it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome
from drorch.evidence.drill_report import Moment
from drorch.operations.drills.checking import left_out, timed
from drorch.operations.drills.controls import Tried, controls_bite
from drorch.operations.drills.located import Located
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.proving import NewestRecord, Proving, not_carried_out
from drorch.operations.drills.request import DrillRequest, Means
from drorch.operations.interruption import Interruption
from drorch.quantities import counted, format_size
from drorch.sources.interface import Observer, RestoreChoices, RestoreOutcome

RESTORE, CHUNKS, CONTROLS = "restore", "signatures and chunks", "controls bite"
_SHOWN = 20

Told = CheckResult | Moment | NewestRecord


@dataclass(frozen=True, slots=True)
class Restoring:
    """Restores one snapshot into one place and looks at what came of it."""

    request: DrillRequest
    means: Means
    located: Located
    place: DrillPlace

    def run(self) -> Iterator[Told]:
        """Yield the result of every check from the restore to the controls, and the moments between them."""
        restored: list[RestoreOutcome] = []
        result = timed(self.means.clock, Check.RESTORE, RESTORE, lambda: self._restore(restored))
        yield result
        yield self._moment("restored")
        yield self._chunks(is_read=result.outcome is not Outcome.INCONCLUSIVE)
        if restored and result.outcome is not Outcome.FAIL:
            yield from self._proving().run()
        else:
            yield from not_carried_out()
        yield self._moment("verified")
        yield self._controls()

    def _moment(self, name: str) -> Moment:
        return Moment(name=name, at=self.means.clock.now())

    # -- the restore

    def _restore(self, restored: list[RestoreOutcome]) -> CheckResult:
        choices = self._choices()
        lacks = self.place.lacks(self.located.content, choices)
        if lacks:
            return lacking(lacks)
        restored.append(self._bring(choices))
        return self._restored(restored[0])

    def _bring(self, choices: RestoreChoices) -> RestoreOutcome:
        if self.located.reached.bring is not None:
            return self.located.reached.bring(self.place)
        observer = _Stoppable(self.means.stop, self.means.observer)
        return self.place.target.restore(self.located.content, choices, observer)

    def _choices(self) -> RestoreChoices:
        return replace(
            self.located.reached.choices,
            tables=self.request.test.tables,
            create_logins=self.located.engine == "mariadb",
            locale=None,
        )

    def _restored(self, outcome: RestoreOutcome) -> CheckResult:
        tables, things = self.located.counted(self.request.test.tables)
        size = format_size(self.located.size_bytes)
        came = counted(tables, things.removesuffix("s"))
        note = f"{came}, {size}" if tables else size
        return CheckResult(
            check=Check.RESTORE,
            title=RESTORE,
            outcome=Outcome.FINDING if outcome.not_as_before else Outcome.OK,
            expected=came,
            found=note,
            note=note,
            told=tuple(f"not as before: {text}" for text in outcome.not_as_before[:_SHOWN]),
        )

    # -- what it was restored from

    def _chunks(self, *, is_read: bool) -> CheckResult:
        """Every signature was checked when it was opened, every chunk when it was read: tell how many, and copies that were no good."""
        packs, chunks = self.located.reader.fetcher.packs_and_chunks_read
        faults = self.located.reader.faults
        by_others = self.located.reached.bring is not None
        outcome = Outcome.FINDING if faults else Outcome.OK if chunks or by_others else Outcome.INCONCLUSIVE
        return CheckResult(
            check=Check.CHUNKS,
            title=CHUNKS,
            outcome=outcome if is_read else Outcome.INCONCLUSIVE,
            expected="every signature and chunk good",
            found=f"{counted(packs, 'pack')}, {counted(chunks, 'chunk')} good; not good: {counted(len(faults), 'copy')}",
            note="checked by the process that restored"
            if by_others
            else f"{counted(packs, 'pack')}, {counted(chunks, 'chunk')}",
            told=tuple(f"{fault.name} in {fault.store} is no good: {fault.reason}" for fault in faults[:_SHOWN]),
        )

    # -- what it is asked

    def _proving(self) -> Proving:
        only = self.located.chosen(self.request.test.tables)
        return Proving(self.request, self.means, self.located.reader, self.located.content, self.place, only=only)

    def _controls(self) -> CheckResult:
        reason = self.request.test.skip.get(Check.CONTROLS.value)
        if reason is not None:
            return left_out(Check.CONTROLS, CONTROLS, reason)
        reached = self.located.reached
        tried = Tried(
            repository=reached.repository,
            link=reached.snapshot.link,
            recipient=self.located.recipient,
            store=reached.store,
        )
        return timed(
            self.means.clock,
            Check.CONTROLS,
            CONTROLS,
            lambda: controls_bite(tried, random_bytes=self.means.random_bytes, clock=self.means.clock),
        )


@dataclass(frozen=True, slots=True)
class _Stoppable:
    """An observer that ends a restore which nobody waits for any more."""

    stop: Interruption
    observer: Observer

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``Observer``."""
        self.stop.require_none()
        self.observer.advance(label, done, total, unit)


def lacking(lacks: tuple[str, ...]) -> CheckResult:
    """Return the result of a restore that was not tried, for want of a place that could take it."""
    return CheckResult(
        check=Check.RESTORE,
        title=RESTORE,
        outcome=Outcome.INCONCLUSIVE,
        expected="a place that has what the snapshot needs",
        found="; ".join(lacks),
        differences=tuple(Difference(name="the sandbox lacks", expected=one, found="nothing of it") for one in lacks),
        told=tuple(f"the sandbox lacks: {one}" for one in lacks),
    )
