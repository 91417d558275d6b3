"""Was a source drawn by lot as it is claimed, and was every source that was drawn also drilled?"""

from __future__ import annotations

from collections.abc import Iterator

from drorch.errors import DrorchError, EvidenceBroken
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.drill_report import DrillReport, Selection
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.lots import Lot, commitment_of, draw, list_digest_of, lots_document
from drorch.evidence.steps import Step, StepOutcome


def draw_steps(opened: OpenedDossier, entry: NumberedEntry, report: DrillReport) -> Iterator[Step]:
    """Yield what there is to say of the draw by which this drill's source was chosen; nothing when it was not drawn."""
    subject = entry.entry.facts["draw"]
    claims = report.snapshot is not None and report.snapshot.draw is not None
    if not subject:
        if claims or (report.snapshot is not None and report.snapshot.selection is Selection.RANDOM):
            yield Step("draw", StepOutcome.FAIL, "it claims to be drawn by lot, and names no draw in the ledger")
        return
    draws = opened.about(subject, EntryKind.DRAWN)
    if not draws:
        yield Step("draw", StepOutcome.FAIL, f"the ledger has no draw {subject}")
        return
    steps = list(verify_draw(opened, draws[0]))
    if report.source not in draws[0].entry.facts["drawn"]:
        steps.append(Step("draw", StepOutcome.FAIL, f"{report.source} is not among those that were drawn"))
    yield from steps


def verify_draw(opened: OpenedDossier, drawn: NumberedEntry) -> Iterator[Step]:
    """Yield what a draw shows when it is drawn again, and which of its sources were not drilled."""
    subject, facts = drawn.entry.subject, drawn.entry.facts
    try:
        _require_drawn_as_committed(opened, drawn)
    except (DrorchError, ValueError, TypeError, AttributeError) as error:
        words = error.message if isinstance(error, DrorchError) else "its list or seed cannot be read"
        yield Step("draw", StepOutcome.FAIL, f"{subject}: {words}")
        return
    drilled = {one.entry.facts["source"] for one in opened.drills() if one.entry.facts["draw"] == subject}
    missing = [source for source in facts["drawn"] if source not in drilled]
    if missing:
        yield Step("draw", StepOutcome.FAIL, f"{subject}: drawn and not drilled: {', '.join(missing)}")
    else:
        words = (
            f"{subject}: {len(facts['drawn'])} of {len(facts['list'])} drawn from a seed that was committed to before"
        )
        yield Step("draw", StepOutcome.OK, f"{words}; all were drilled")


def _require_drawn_as_committed(opened: OpenedDossier, drawn: NumberedEntry) -> None:
    facts = drawn.entry.facts
    lots = [Lot(*pair) for pair in facts["list"]]
    seed = bytes.fromhex(facts["seed"])
    committed = [
        one
        for one in opened.about(drawn.entry.subject, EntryKind.SEED_COMMITTED)
        if one.chain == drawn.chain and one.number < drawn.number
    ]
    if not committed:
        raise EvidenceBroken("no seed was committed to before the draw")
    draws = opened.about(drawn.entry.subject, EntryKind.DRAWN)
    if any(dict(one.entry.facts) != dict(same[0].entry.facts) for same in (committed, draws) for one in same):
        raise EvidenceBroken("it was drawn or committed to more than once, and not the same")  # the same is a retry
    promised = committed[0].entry.facts
    if commitment_of(seed) != promised["commitment"]:
        raise EvidenceBroken("the seed is not the one that was committed to")
    if list_digest_of(lots, facts["excluded"]) != promised["list_digest"] or lots_document(lots) != facts["list"]:
        raise EvidenceBroken("the list is not the one that was committed to")
    if facts["count"] != promised["count"] or list(draw(seed, lots, facts["count"])) != facts["drawn"]:
        raise EvidenceBroken("the seed draws others")
