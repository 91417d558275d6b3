"""Put everything about a drill or a month into one bundle, with a verifier that needs neither drorch nor the stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from drorch.evidence.bundle import OBJECTS, Bundle
from drorch.evidence.dossier import Dossier, OpenedDossier, open_dossier
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.format import names
from drorch.ids import LaneId
from drorch.operations.proof.verifying import is_month, month_reports, wanted_drills

_ABOUT = (EntryKind.SIGNED, EntryKind.SUPERSEDED, EntryKind.TIME_STAMPED)


def run(dossier: Dossier, wanted: str, further: Mapping[str, bytes]) -> Bundle:
    """Return the bundle of a drill or a month; ``further`` are files beside the evidence: reports, a verifier, words.

    The whole ledger goes along, for one entry proves nothing without those before it. Raises what ``verifying.wanted_drills`` raises.
    """
    opened = open_dossier(dossier, None)
    drills = wanted_drills(opened, wanted)
    files: dict[str, bytes] = dict(further)
    for number, raw in enumerate(dossier.trust_objects):
        files[OBJECTS + names.trust(number)] = raw
    for chain, raws in dossier.segments.items():
        files.update(_segments(chain, raws.values()))
    for entry in (*_entries(opened, drills), *month_reports(opened, wanted)):
        for document in entry.entry.documents:
            content = dossier.document(document.name)
            if content is not None:
                files[OBJECTS + document.name] = content
    subject = wanted if is_month(wanted) else drills[0].entry.subject
    return Bundle(wanted=subject, files=files)


def _segments(chain: LaneId, raws: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield every segment under a number of this bundle; its place in the chain stands inside, and readers go by that."""
    for number, raw in enumerate(raws, start=1):
        yield OBJECTS + names.ledger_segment(chain, number), raw


def _entries(opened: OpenedDossier, drills: list[NumberedEntry]) -> list[NumberedEntry]:
    """Return what must go along: the drills, what was said of them, and all drills of the draws that they belong to."""
    draws = {one.entry.facts["draw"] for one in drills} - {""}
    together = {one.entry.subject: one for one in drills}
    for one in opened.drills():
        if one.entry.facts["draw"] in draws:
            together.setdefault(one.entry.subject, one)
    said = [one for one in opened.entries if one.entry.kind in _ABOUT and one.entry.subject in together]
    return [*together.values(), *said]
