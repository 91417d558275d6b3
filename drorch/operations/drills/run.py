"""One drill, from the word that something is lost to the wiped sandbox; every step timed, every check told."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta

from drorch.errors import DrorchError, KeyMissing, KeyWrong, SourceUnsupported
from drorch.evidence.drill_checks import Check, CheckResult, Difference, Outcome
from drorch.evidence.drill_report import (
    DrillReport,
    Measured,
    Moment,
    PolicyUsed,
    SandboxUsed,
    Scenario,
    SnapshotUsed,
    TestUsed,
)
from drorch.format.keys import RecipientKey
from drorch.ids import grouped
from drorch.operations.content import SnapshotContent
from drorch.operations.drills.checking import ENDS_A_DRILL, failed_by, left_out, timed
from drorch.operations.drills.controls import Tried, controls_bite
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.proving import Proving, not_carried_out
from drorch.operations.drills.request import DrillRequest, Means
from drorch.operations.drills.scenarios.reached import Reached
from drorch.operations.drills.verdict import is_usable, summary_of, verdict_of
from drorch.operations.protect import digest_of_text
from drorch.quantities import format_size
from drorch.repository.reader import SnapshotReader
from drorch.sandbox.interface import SandboxLimits
from drorch.sources.interface import RestoreChoices, RestoreOutcome

REPORT_VERSION = 1
FETCH_THREADS = 2
_KEY, _RESTORE, _CHUNKS = "locate and release key", "restore", "signatures and chunks"
_CONTROLS, _WIPED = "controls bite", "sandbox wiped"
_ENDS_A_DRILL = (*ENDS_A_DRILL, KeyMissing, KeyWrong)


def run(request: DrillRequest, means: Means) -> DrillReport:
    """Drill, and return the report whatever was found.

    Raises ``KeyMissing`` or ``KeyWrong`` before a sandbox is started, ``Interrupted``, ``Terminated`` and ``Bug``: then there is no verdict.
    """
    return _Drill(request, means).run()


@dataclass(slots=True)
class _Drill:
    request: DrillRequest
    means: Means
    checks: list[CheckResult] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    reached: Reached | None = None
    reader: SnapshotReader | None = None
    recipient: RecipientKey | None = None
    content: SnapshotContent | None = None
    sandbox: SandboxUsed | None = None
    newest_record: str | None = None

    def run(self) -> DrillReport:
        self._moment("declared")
        if self._located():
            assert self.reader is not None
            with closing(self.reader):
                self._restored_and_looked_at()
        else:
            self._tell_rest(Check.RESTORE, Check.CHUNKS)
        self._complete()
        return self._report()

    # -- the steps

    def _located(self) -> bool:
        """Find the snapshot and open it; a key that is missing or wrong ends the drill before anything is started."""
        started = self.means.clock.monotonic_seconds()
        try:
            self.recipient = self.means.recipient()
            self._moment("key_released")
            self.reached = self.means.reach(self.request)
            self._moment("located")
            self.reader = self._open(self.reached, self.recipient)
            self.content = SnapshotContent(self.reader)
        except _ENDS_A_DRILL:
            raise
        except DrorchError as error:
            self._add(self._taking(failed_by(Check.KEY, _KEY, error), started))
            return False
        self.means.heard.reached(self.reached)
        told = self.reached.told
        found = f"{self.reached.snapshot.short_id} in {self.reached.store}"
        outcome = Outcome.FINDING if any("would be lost" in one or "not in" in one for one in told) else Outcome.OK
        result = CheckResult(
            check=Check.KEY, title=_KEY, outcome=outcome, expected="one snapshot, opened", found=found, told=told
        )
        self._add(self._taking(result, started))
        return True

    def _open(self, reached: Reached, recipient: RecipientKey) -> SnapshotReader:
        return SnapshotReader(
            reached.repository, reached.snapshot.link, [recipient], threads=FETCH_THREADS, stores=(reached.store,)
        )

    def _restored_and_looked_at(self) -> None:
        assert self.content is not None
        limits = SandboxLimits(seconds=float(self.request.timeout_seconds))
        try:
            with self.means.place(self.content.facts, limits, self.request.promise) as place:
                self._moment("sandbox_ready")
                self.means.heard.opened(place.sandbox.description)
                self._in_sandbox(place)
        except _ENDS_A_DRILL:
            raise
        except DrorchError as error:
            self._without_sandbox(error)

    def _in_sandbox(self, place: DrillPlace) -> None:
        outcome = self._restore(place)
        self._add(self._chunks())
        if outcome is None:
            self._add(*not_carried_out())
        else:
            self._prove(place)
        if place.sandbox.is_out_of_time:
            self._tell_timeout()
        self._moment("verified")
        self._add(self._controls())
        self._wipe(place)
        self._moment("cleaned")

    def _restore(self, place: DrillPlace) -> RestoreOutcome | None:
        """Restore; ``None`` when nothing came of it, which the check tells."""
        assert self.content is not None
        assert self.reached is not None
        choices = self._choices()
        restored: list[RestoreOutcome] = []

        def restore() -> CheckResult:
            assert self.content is not None
            lacks = place.lacks(self.content, choices)
            if lacks:
                return _lacking(lacks)
            restored.append(self._bring(place, choices))
            return self._restore_result(restored[0])

        self._add(timed(self.means.clock, Check.RESTORE, _RESTORE, restore))
        self._moment("restored")
        return restored[0] if restored and self.checks[-1].outcome is not Outcome.FAIL else None

    def _bring(self, place: DrillPlace, choices: RestoreChoices) -> RestoreOutcome:
        assert self.content is not None
        assert self.reached is not None
        if self.reached.bring is not None:
            return self.reached.bring(place)
        return place.target.restore(self.content, choices, self.means.observer)

    def _choices(self) -> RestoreChoices:
        assert self.content is not None
        assert self.reached is not None
        with_logins = self.content.facts.get("engine") == "mariadb"
        return replace(self.reached.choices, tables=self.request.test.tables, create_logins=with_logins, locale=None)

    def _restore_result(self, outcome: RestoreOutcome) -> CheckResult:
        assert self.content is not None
        size = sum(stream.size_bytes for stream in self.content.streams())
        tables, things = self._counted()
        note = f"{tables:,} {things}, {format_size(size)}" if tables else format_size(size)
        return CheckResult(
            check=Check.RESTORE,
            title=_RESTORE,
            outcome=Outcome.FINDING if outcome.not_as_before else Outcome.OK,
            expected=f"{tables:,} {things}",
            found=note,
            note=note,
            told=tuple(f"not as before: {text}" for text in outcome.not_as_before[:20]),
        )

    def _counted(self) -> tuple[int, str]:
        assert self.reached is not None
        assert self.content is not None
        if self.content.facts.get("engine") == "files":
            files = self.content.facts.get("files")
            return (files if isinstance(files, int) else 0), "files"
        chosen = len(self.request.test.tables)
        return chosen or self.reached.snapshot.link.manifest.tables, "tables"

    def _chunks(self) -> CheckResult:
        """Every signature was checked when it was opened, every chunk when it was read: tell how many, and copies that were no good."""
        assert self.reader is not None
        packs, chunks = self.reader.fetcher.packs_and_chunks_read
        faults = self.reader.faults
        told = tuple(f"{fault.name} in {fault.store} is no good: {fault.reason}" for fault in faults[:20])
        restore = next(one for one in self.checks if one.check is Check.RESTORE)
        is_read = restore.outcome is not Outcome.INCONCLUSIVE
        by_others = self.reached is not None and self.reached.bring is not None
        outcome = Outcome.FINDING if faults else Outcome.OK if chunks or by_others else Outcome.INCONCLUSIVE
        note = f"{packs:,} packs, {chunks:,} chunks" if not by_others else "checked by the process that restored"
        return CheckResult(
            check=Check.CHUNKS,
            title=_CHUNKS,
            outcome=outcome if is_read else Outcome.INCONCLUSIVE,
            expected="every signature and chunk good",
            found=f"{packs:,} packs, {chunks:,} chunks good; {len(faults)} copies were not",
            note=note,
            told=told,
        )

    def _prove(self, place: DrillPlace) -> None:
        assert self.reader is not None
        assert self.content is not None
        proving = Proving(self.request, self.means, self.reader, self.content, place, only=self._only())
        for result in proving.run():
            self._add(result)
        self.newest_record = proving.newest_record

    def _only(self) -> tuple[str, ...]:
        """Return the tables that were restored alone, as streams call them: without a schema where the engine has none."""
        assert self.content is not None
        names = {stream.spec.name.removeprefix("table/").partition("#")[0] for stream in self.content.streams()}
        return tuple(table if table in names else table.rpartition(".")[2] for table in self.request.test.tables)

    def _controls(self) -> CheckResult:
        reason = self.request.test.skip.get(Check.CONTROLS.value)
        if reason is not None:
            return left_out(Check.CONTROLS, _CONTROLS, reason)
        assert self.reached is not None
        assert self.recipient is not None
        tried = Tried(
            repository=self.reached.repository,
            link=self.reached.snapshot.link,
            recipient=self.recipient,
            store=self.reached.store,
        )
        return timed(
            self.means.clock,
            Check.CONTROLS,
            _CONTROLS,
            lambda: controls_bite(tried, random_bytes=self.means.random_bytes, clock=self.means.clock),
        )

    def _wipe(self, place: DrillPlace) -> None:
        isolation = place.sandbox.isolation

        def wipe() -> CheckResult:
            proof = place.sandbox.wipe()
            counted = f"{proof.processes} processes ended, {proof.files:,} files ({format_size(proof.bytes)}) deleted"
            self.sandbox = replace(self._sandbox(place), wiped=(counted, *proof.left))
            return CheckResult(
                check=Check.WIPED,
                title=_WIPED,
                outcome=Outcome.OK if proof.is_clean else Outcome.FAIL,
                expected="nothing left",
                found="nothing left" if proof.is_clean else f"left: {', '.join(proof.left[:5])}",
                differences=tuple(Difference(name=one, expected="gone", found="there") for one in proof.left[:20]),
                told=tuple(f"left over: {one}" for one in proof.left[:20]),
            )

        self.sandbox = self._sandbox(place)
        self._add(timed(self.means.clock, Check.WIPED, _WIPED, wipe))
        if not isolation.has_no_network and isolation.account and self.checks[-1].outcome is Outcome.OK:
            told = ("the sandbox was not cut off from every network",)
            self.checks[-1] = replace(self.checks[-1], outcome=Outcome.FINDING, told=told)

    def _sandbox(self, place: DrillPlace) -> SandboxUsed:
        isolation = place.sandbox.isolation
        account = f"runs as {isolation.account}" if isolation.account else "no program of its own"
        network = "no network" if isolation.has_no_network else "not cut off from the network"
        return SandboxUsed(
            kind=place.sandbox.description.partition(",")[0],
            engine_version=str(self.content.facts.get("server_version", "")) if self.content else "",
            is_throw_away=True,
            isolation=(network, account, *isolation.means),
            wiped=(),
        )

    # -- what could not be done

    def _without_sandbox(self, error: DrorchError) -> None:
        """A sandbox that does not open is no fault of the backup, and proves nothing of it."""
        done = {check.check for check in self.checks}
        if Check.RESTORE not in done:
            found = failed_by(Check.RESTORE, _RESTORE, error)
            is_lack = isinstance(error, SourceUnsupported)
            told = found.told if is_lack else (f"no sandbox: {found.found}",)
            self._add(replace(found, outcome=Outcome.INCONCLUSIVE, told=told))
            return
        if Check.WIPED not in done:
            self._add(replace(failed_by(Check.WIPED, _WIPED, error), outcome=Outcome.FAIL))

    def _tell_timeout(self) -> None:
        told = f"the drill was stopped after {self.request.timeout_seconds} s, its time-out"
        worst = self.checks[-1]
        self.checks[-1] = replace(worst, outcome=Outcome.FAIL, told=(*worst.told, told))

    def _tell_rest(self, *checks: Check) -> None:
        for check in checks:
            self._add(_not_tried(check))

    def _complete(self) -> None:
        """Tell every check that was not come to; order them as reports show them."""
        done = {check.check for check in self.checks}
        for result in not_carried_out():
            if result.check not in done:
                self._add(result)
        for check in (Check.RESTORE, Check.CHUNKS, Check.CONTROLS, Check.WIPED):
            if check not in {one.check for one in self.checks}:
                self._add(_not_tried(check))
        self.checks.sort(key=lambda one: list(Check).index(one.check))

    # -- keeping

    def _moment(self, name: str) -> None:
        self.timeline.append(Moment(name=name, at=self.means.clock.now()))

    def _add(self, *results: CheckResult) -> None:
        for result in results:
            self.checks.append(result)
            self.means.heard.checked(result)

    def _taking(self, result: CheckResult, started: float) -> CheckResult:
        return replace(result, duration_ms=round((self.means.clock.monotonic_seconds() - started) * 1_000))

    # -- the report

    def _report(self) -> DrillReport:
        request = self.request
        rto, rpo = self._rto(), self._rpo()
        verdict = verdict_of(self.checks)
        before = request.before
        if before is not None:
            told = {text for check in self.checks for text in check.told}
            before = replace(before, same_findings=tuple(text for text in before.same_findings if text in told))
        return DrillReport(
            version=REPORT_VERSION,
            drill=request.drill,
            scenario=Scenario(request.test.scenario.value),
            verdict=verdict,
            summary=summary_of(verdict, self.checks, rto, self._what()),
            source=request.promise.address,
            system_name=request.policy.description or request.policy.name,
            policy=_policy_used(request),
            test=_test_used(request),
            people=request.people,
            snapshot=self._snapshot(),
            sandbox=self.sandbox,
            machine=self.means.machine,
            timeline=tuple(self.timeline),
            checks=tuple(self.checks),
            rto=rto,
            rpo=rpo,
            newest_record=self.newest_record,
            before=before,
            coverage=None,
        )

    def _what(self) -> str:
        if self.reached is None or self.content is None:
            return "nothing"
        number, things = self._counted()
        return f"all {number:,} {things}" if number else "what the command wrote"

    def _at(self, name: str) -> Moment | None:
        return next((moment for moment in self.timeline if moment.name == name), None)

    def _rto(self) -> Measured:
        verified = self._at("verified")
        target = self.request.rto_seconds * 1_000
        if verified is None or not is_usable(self.checks):
            return Measured(target_ms=target, actual_ms=None, not_measured="not reached: the data is not usable")
        return Measured(target_ms=target, actual_ms=_milliseconds(verified.at - self.timeline[0].at))

    def _rpo(self) -> Measured:
        target = self.request.rpo_seconds * 1_000
        if self.reached is None or not is_usable(self.checks):
            return Measured(target_ms=target, actual_ms=None, not_measured="not measured")
        restore_point = self.reached.snapshot.link.manifest.restore_point
        return Measured(target_ms=target, actual_ms=max(0, _milliseconds(self.timeline[0].at - restore_point)))

    def _snapshot(self) -> SnapshotUsed | None:
        reached, reader, content = self.reached, self.reader, self.content
        if reached is None or reader is None or content is None or self.recipient is None:
            return None
        manifest = reached.snapshot.link.manifest
        site = self.request.sites.get(reached.store)
        lock = site.lock_seconds if site is not None else None
        packs, chunks = reader.fetcher.packs_and_chunks_read
        tables, things = self._counted()
        return SnapshotUsed(
            id=str(manifest.run),
            source=manifest.source,
            selection=reached.selection,
            draw=self.request.draw,
            restore_point=manifest.restore_point,
            taken_at=manifest.ended,
            manifest_digest=str(manifest.digest) if manifest.digest is not None else "",
            engine=str(content.facts.get("engine", "")),
            engine_version=str(content.facts.get("server_version", content.facts.get("library_version", ""))),
            tables=tables,
            rows=manifest.rows,
            size_bytes=sum(stream.size_bytes for stream in content.streams()),
            things=things,
            store=reached.store,
            site=site.name if site is not None else None,
            immutable_until=None if lock is None else manifest.ended + timedelta(seconds=lock),
            packs=packs,
            chunks=chunks,
            read_bytes=manifest.bytes_read,
            recipient_key=str(self.recipient.public().recipient_id),
            trust_root=grouped(reached.repository.trust.root_digest.raw[:16]),
        )


def _lacking(lacks: tuple[str, ...]) -> CheckResult:
    return CheckResult(
        check=Check.RESTORE,
        title=_RESTORE,
        outcome=Outcome.INCONCLUSIVE,
        expected="a place that has what the snapshot needs",
        found="; ".join(lacks),
        differences=tuple(Difference(name="the sandbox lacks", expected=one, found="nothing of it") for one in lacks),
        told=tuple(f"the sandbox lacks: {one}" for one in lacks),
    )


def _not_tried(check: Check) -> CheckResult:
    titles = {
        Check.KEY: _KEY,
        Check.RESTORE: _RESTORE,
        Check.CHUNKS: _CHUNKS,
        Check.CONTROLS: _CONTROLS,
        Check.WIPED: _WIPED,
    }
    is_nothing_to_wipe = check is Check.WIPED
    return CheckResult(
        check=check,
        title=titles[check],
        outcome=Outcome.OK if is_nothing_to_wipe else Outcome.INCONCLUSIVE,
        expected="nothing left" if is_nothing_to_wipe else "carried out",
        found="there was none" if is_nothing_to_wipe else "not carried out: the drill ended before",
        note="there was none" if is_nothing_to_wipe else "not carried out",
    )


def nothing_tried(why: str) -> tuple[CheckResult, ...]:
    """Return every check as one that was not carried out."""
    steps = (Check.KEY, Check.RESTORE, Check.CHUNKS, Check.CONTROLS, Check.WIPED)
    told = [replace(_not_tried(check), outcome=Outcome.INCONCLUSIVE, found=why) for check in steps]
    return tuple(sorted((*told, *not_carried_out(why)), key=lambda one: list(Check).index(one.check)))


def _policy_used(request: DrillRequest) -> PolicyUsed:
    policy, promise = request.policy, request.promise
    return PolicyUsed(
        name=policy.name,
        text_digest=request.policy_digest,
        description=policy.description,
        security_level=policy.security_level,
        owner=str(promise.owner),
        custodian=None if promise.custodian is None else str(promise.custodian),
        successors=tuple(map(str, promise.successors)),
        legal_basis=policy.legal_basis,
        classification=policy.classification,
    )


def _test_used(request: DrillRequest) -> TestUsed:
    test = request.test
    return TestUsed(
        name=test.name,
        text_digest=str(digest_of_text(test.text)),
        schedule=None if test.schedule is None else str(test.schedule),
        trigger=request.trigger,
        scheduled_for=request.scheduled_for,
        left_out=dict(test.skip),
    )


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1_000)
