"""Everything that is asked of a restored database, tree or product: one result for each check, none left out in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from drorch.errors import DrorchError, SourceUnsupported
from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.operations.content import SnapshotContent
from drorch.operations.drills import asking, definitions, traps, trees
from drorch.operations.drills.checking import left_out, timed
from drorch.operations.drills.content import TITLE as CONTENT
from drorch.operations.drills.content import Restored, compare_content
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.reference import reference
from drorch.operations.drills.request import DrillRequest, Means
from drorch.quantities import counted
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import Capture

NOT_RESTORED = "nothing was restored, so there was nothing to look at"
TITLES = {
    Check.CONTENT: CONTENT,
    Check.PROBES: asking.PROBES,
    Check.SCHEMA: definitions.TITLE,
    Check.CONSTRAINTS: asking.CONSTRAINTS,
    Check.ENCODING: traps.TITLE,
    Check.QUERIES: asking.QUERIES,
    Check.FILES: trees.FILES,
}
_NO_DATABASE = "it is no database"


@dataclass(frozen=True, slots=True)
class NewestRecord:
    """What the probe of that name answered inside the snapshot."""

    text: str


@dataclass(slots=True)
class Proving:
    """Carries out the checks of one restored snapshot, in order."""

    request: DrillRequest
    means: Means
    reader: SnapshotReader
    content: SnapshotContent
    place: DrillPlace
    only: tuple[str, ...] = ()
    _results: dict[Check, CheckResult] = field(default_factory=dict)

    def run(self) -> Iterator[CheckResult | NewestRecord]:
        """Yield the result of every check, in the order in which reports show them, and the newest record if the snapshot has it.

        Raises nothing that a check met.
        """
        engine = self.content.facts.get("engine")
        steps = {"files": self._tree, "command": self._command}.get(str(engine), self._database)
        yield from steps()
        newest = self._newest_record()
        if newest is not None:
            yield NewestRecord(newest)

    # -- databases

    def _database(self) -> Iterator[CheckResult]:
        with ExitStack() as opened:
            try:
                capture = self._opened(opened)
            except DrorchError as error:  # what cannot even be read is not equal
                yield from self._not_readable(error)
                return
            proof = self.means.proof(str(self.content.facts.get("engine")))
            restored = Restored(
                backup=self.reader,
                rows_key=self.reader.lane_keys.rows_key,
                facts=self.content.facts,
                capture=capture,
                proof=proof,
                traps=traps.TrapsSeen(proof),
                only=self.only,
                reference=lambda: reference(self.content, self.place),
            )
            sequences = len(self.content.streams())
            yield self._check(Check.CONTENT, lambda: compare_content(restored))
            yield self._check(Check.PROBES, lambda: self._probes(capture))
            yield self._check(Check.SCHEMA, lambda: definitions.compare_definitions(restored))
            yield self._check(
                Check.CONSTRAINTS,
                lambda: asking.find_orphans(capture, proof, sequences, content_is_equal=self._content_is_equal),
            )
            yield self._check(Check.ENCODING, restored.traps.result)
            yield self._check(Check.QUERIES, lambda: asking.ask_questions(capture, self.request.test.queries))
            yield self._nothing_of_it(Check.FILES, "it is no tree of files")

    def _opened(self, stack: ExitStack) -> Capture:
        assert self.place.read_back is not None
        capture = stack.enter_context(self.place.read_back.capture())
        stack.enter_context(self.means.stop.cuts(capture.abort))
        return capture

    def _not_readable(self, error: DrorchError) -> Iterator[CheckResult]:
        for check, title in TITLES.items():

            def fail() -> CheckResult:
                raise error

            result = timed(self.means.clock, check, title, fail)
            is_damage = check is Check.CONTENT and not isinstance(error, SourceUnsupported)  # a tool that is missing
            yield replace(result, outcome=Outcome.FAIL if is_damage else Outcome.INCONCLUSIVE)

    def _probes(self, capture: Capture) -> CheckResult:
        probes = {} if self.only else self.request.policy.probes
        return asking.ask_probes_again(capture, probes, {} if self.only else self._answered_then())

    def _answered_then(self) -> dict[str, str]:
        answered = self.reader.body.closing_facts.get("probes")
        return {str(name): str(text) for name, text in answered.items()} if isinstance(answered, dict) else {}

    def _newest_record(self) -> str | None:
        then = self._answered_then()
        return next((then[name] for name in sorted(then) if name.startswith("newest")), None)

    @property
    def _content_is_equal(self) -> bool:
        result = self._results.get(Check.CONTENT)
        return result is not None and result.outcome in (Outcome.OK, Outcome.FINDING)

    # -- trees and commands

    def _tree(self) -> Iterator[CheckResult]:
        url = self.place.sandbox.url
        yield self._check(Check.CONTENT, lambda: trees.compare_tree(self.content, url, self.means.tree))
        yield from (self._nothing_of_it(check) for check in (Check.PROBES, Check.SCHEMA, Check.CONSTRAINTS))
        yield self._check(Check.ENCODING, lambda: traps.look_at_names(self.means.tree.names(self.content)))
        yield self._nothing_of_it(Check.QUERIES)
        opener = self.means.opener
        yield self._check(Check.FILES, lambda: trees.open_files(url, opener, content_is_equal=self._content_is_equal))

    def _command(self) -> Iterator[CheckResult]:
        url = self.place.sandbox.url
        yield self._check(Check.CONTENT, lambda: self._compare_command(url))
        others = (Check.PROBES, Check.SCHEMA, Check.CONSTRAINTS, Check.ENCODING, Check.QUERIES, Check.FILES)
        yield from (self._nothing_of_it(check, "only its own product can look inside") for check in others)

    def _compare_command(self, url: str) -> CheckResult:
        if url.startswith("file:"):  # no restore command was there: its bytes are what came back
            return trees.compare_file(self.content, Path(url.removeprefix("file:")))
        return trees.compare_command(self.content, self.means.verify(url, self.request.promise))

    def _nothing_of_it(self, check: Check, why: str = _NO_DATABASE) -> CheckResult:
        return self._check(check, lambda: self._no_database(check, why))

    def _no_database(self, check: Check, why: str) -> CheckResult:
        if check is Check.QUERIES and self.request.test.queries:
            return CheckResult(
                check=check,
                title=TITLES[check],
                outcome=Outcome.INCONCLUSIVE,
                expected=f"{counted(len(self.request.test.queries), 'question')} asked",
                found=f"not asked: {why}",
                told=(f"the questions of the restore test were not asked: {why}",),
            )
        return trees.does_not_apply(check, TITLES[check], why)

    def _check(self, check: Check, carry_out: Callable[[], CheckResult]) -> CheckResult:
        reason = self.request.test.skip.get(check.value)
        if reason is not None:
            result = left_out(check, TITLES[check], reason)
        else:
            result = timed(self.means.clock, check, TITLES[check], carry_out)
        self._results[check] = result
        return result


def not_carried_out(why: str = NOT_RESTORED) -> Iterator[CheckResult]:
    """Yield every check as one that could not be carried out."""
    for check, title in TITLES.items():
        yield CheckResult(
            check=check,
            title=title,
            outcome=Outcome.INCONCLUSIVE,
            expected="carried out",
            found=f"not carried out: {why}",
            note="not carried out",
        )
