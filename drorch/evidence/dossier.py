"""Everything that evidence consists of, as bytes from wherever it lies: a store, a bundle, a directory. Nothing of it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drorch.evidence.ledger import Chain, LedgerProblem, NumberedEntry, ProblemKind, build_chain, cut_chains
from drorch.evidence.ledger_entry import DRILL_KINDS, Document, EntryKind
from drorch.format.objects import digest_of
from drorch.format.trust import TrustChain
from drorch.ids import Digest, LaneId

ReadsDocument = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The trust records, the segments of every chain by their digests, and a way to the documents by name (``None``: not there)."""

    trust_objects: tuple[bytes, ...]
    segments: Mapping[LaneId, Mapping[Digest, bytes]]
    document: ReadsDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDossier:
    """A dossier whose trust chain and ledger were checked as far as they go; ``is_rooted``: they hang from a root that the reader knows."""

    dossier: Dossier
    trust: TrustChain
    is_rooted: bool
    chains: Mapping[LaneId, Chain]
    problems: tuple[LedgerProblem, ...]
    entries: tuple[NumberedEntry, ...]

    def drills(self) -> list[NumberedEntry]:
        """Return the entries of drills, by time."""
        return [one for one in self.entries if one.entry.kind in DRILL_KINDS]

    def about(self, subject: str, kind: EntryKind) -> list[NumberedEntry]:
        """Return the entries of a kind about a subject, by time."""
        return [one for one in self.entries if one.entry.kind is kind and one.entry.subject == subject]

    def content(self, document: Document) -> bytes | None:
        """Return a document if it is there and its bytes are those that the ledger names."""
        content = self.dossier.document(document.name)
        return content if content is not None and digest_of(content) == document.digest else None

    @property
    def alarms(self) -> tuple[LedgerProblem, ...]:
        """What is wrong with the ledger."""
        return tuple(one for one in self.problems if one.kind is not ProblemKind.BEHIND)


def open_dossier(dossier: Dossier, root: bytes | None) -> OpenedDossier:
    """Check trust chain and ledger. One that hangs from another root than ``root`` is opened all the same, and is not rooted.

    Raises ``SignatureInvalid``, ``ObjectCorrupt``, ``TrustMismatch`` or ``FormatUnsupported`` for a trust chain that does not even hold by itself.
    """
    trust = TrustChain.verify(dossier.trust_objects, None)
    chains: dict[LaneId, Chain] = {}
    problems: list[LedgerProblem] = []
    for identity in sorted(dossier.segments):
        chain, wrong = build_chain(identity, dossier.segments[identity], trust)
        problems += wrong
        if chain is not None:
            chains[identity] = chain
    problems += cut_chains(chains)
    every = [one for chain in chains.values() for one in chain.entries()]
    return OpenedDossier(
        dossier=dossier,
        trust=trust,
        is_rooted=root is not None and trust.root_digest.raw.startswith(root),
        chains=chains,
        problems=tuple(problems),
        entries=tuple(sorted(every, key=lambda one: one.entry.at)),
    )
