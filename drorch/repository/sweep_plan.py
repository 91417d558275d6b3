"""What of a lane no snapshot needs any more. Pure: what the store holds in, what to delete out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drorch.format import names
from drorch.format.manifest import bitmap_of
from drorch.format.packsets import ordinals, united, within, without
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.chain import ChainLink, LinkState
from drorch.repository.lane_contents import LEAST_WHOLE_RUN, LaneContents, UnlistedPack

MARGIN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What to delete in one store.

    ``given_up`` are the snapshots that are retired, ``newly`` those of them that no retire list names yet, ``announced`` packs that one does name, ``packs`` maps each run to the packs of its list, ``unlisted`` are packs of runs that were
    broken off before they had one, ``segments`` the index of runs of which nothing is left.
    """

    lane: LaneId
    given_up: frozenset[RunId]
    newly: frozenset[RunId] = frozenset()
    packs: Mapping[RunId, bytes]
    names: Mapping[RunId, Mapping[int, str]] = field(repr=False)
    unlisted: tuple[UnlistedPack, ...]
    segments: Mapping[RunId, tuple[str, ...]]
    announced: Mapping[RunId, bytes] = field(default_factory=dict, repr=False)
    alternates: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    shared: Mapping[str, tuple[tuple[RunId, int], ...]] = field(default_factory=dict, repr=False)
    locked: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, nor to announce."""
        return not (self.newly or unsaid(self) or candidates(self))

    @property
    def object_names(self) -> list[str]:
        """The objects that are to be deleted: those that the store ``locked`` are not."""
        return [one.name for one in candidates(self)]


def plan(contents: LaneContents, give_up: Iterable[RunId], *, now: datetime, margin: timedelta = MARGIN) -> SweepPlan:
    """Return what no snapshot needs once those of ``give_up`` and of earlier retire lists are retired. ``now`` is the store's clock.

    What runs left that never came to a manifest is spared for ``margin``: they may be under way.
    """
    already = frozenset(contents.retirement.retired)
    given_up = already.union(give_up)
    committed = {link.manifest.run for link in contents.links if link.state is LinkState.COMMITTED}
    needed = needed_packs(contents.links, given_up)
    with_manifest = {link.manifest.run for link in contents.links}
    packs: dict[RunId, bytes] = {}
    pack_names: dict[RunId, dict[int, str]] = {}
    good_lists, named = _good_lists(contents)
    of_needed = {
        good_lists[run][at]
        for run, bitmap in needed.items()
        for at in ordinals(within(bitmap, len(good_lists.get(run, ()))))
    }
    is_every_list_good = needed.keys() <= good_lists.keys()
    for run, digests in good_lists.items():
        if run not in with_manifest and contents.listed_at[run] > now - margin:
            continue
        # A list that no manifest names may be a forger's, and name packs of a run whose own list is not known.
        if run not in named and not is_every_list_good:
            continue
        wanted = within(needed.get(run, b""), len(digests))
        mine = set(ordinals(wanted))
        there = {
            at: names.pack(contents.lane, one)
            for at, one in enumerate(digests)
            if one in contents.present and (one not in of_needed or at in mine)
        }
        unneeded = without(bitmap_of(there, len(digests)), wanted)
        chosen = {ordinal: there[ordinal] for ordinal in ordinals(unneeded)}
        if chosen:
            packs[run], pack_names[run] = unneeded, chosen
    unlisted = tuple(
        one
        for one in contents.unlisted
        if one.stored_at <= now - margin and one.run not in contents.unknown_runs and one.run not in needed
    )
    return SweepPlan(
        lane=contents.lane,
        given_up=given_up,
        newly=(given_up - already) & committed,
        packs=packs,
        names=pack_names,
        shared=_shared(good_lists, pack_names, contents.lane),
        unlisted=unlisted,
        segments=_dead_segments(contents, packs, needed, now - margin),
        announced=contents.retirement.packs,
        alternates=contents.alternates,
    )


def _good_lists(contents: LaneContents) -> tuple[dict[RunId, tuple[Digest, ...]], set[RunId]]:
    """Return the pack lists that are what the manifests say, with those that no manifest names; and the runs that manifests name."""
    digests: dict[RunId, set[Digest]] = {}
    for link in contents.links:
        for need in link.manifest.needs:
            digests.setdefault(need.run, set()).add(need.pack_list_digest)
    good = {
        run: packs
        for run, packs in contents.pack_lists.items()
        if run not in digests or contents.list_digests.get(run) in digests[run]
    }
    return good, set(digests)


def _shared(
    lists: Mapping[RunId, tuple[Digest, ...]], doomed: Mapping[RunId, Mapping[int, str]], lane: LaneId
) -> dict[str, tuple[tuple[RunId, int], ...]]:
    """Return every place of the packs that are to go, where they stand in more lists than one: no writer does that."""
    wanted = {lists[run][at] for run, every in doomed.items() for at in every}
    found: dict[Digest, tuple[tuple[RunId, int], ...]] = {}
    for run, digests in lists.items():
        for at, digest in enumerate(digests):
            if digest in wanted:
                found[digest] = (*found.get(digest, ()), (run, at))
    return {names.pack(lane, digest): places for digest, places in found.items() if len(places) > 1}


def needed_packs(links: Iterable[ChainLink], given_up: frozenset[RunId]) -> dict[RunId, bytes]:
    """Return, by run, the packs that a committed or undecided manifest needs, those of ``given_up`` left out."""
    needed: dict[RunId, bytes] = {}
    for link in links:
        if link.state is LinkState.VOID or (link.state is LinkState.COMMITTED and link.manifest.run in given_up):
            continue
        for need in link.manifest.needs:
            needed[need.run] = united(needed.get(need.run, b""), need.bitmap)
    return needed


def _dead_segments(
    contents: LaneContents, packs: Mapping[RunId, bytes], needed: Mapping[RunId, bytes], before: datetime
) -> dict[RunId, tuple[str, ...]]:
    """Return the index segments of runs of which no pack stays."""
    dead: dict[RunId, tuple[str, ...]] = {}
    for stat in contents.segments:
        run, _ = names.parse_index_segment(stat.name)
        listed = contents.pack_lists.get(run, ())
        stays = {at for at, digest in enumerate(listed) if digest in contents.present} - set(
            ordinals(packs.get(run, b""))
        )
        if not stays and run not in needed and run not in contents.unknown_runs and stat.stored_at <= before:
            dead[run] = (*dead.get(run, ()), stat.name)
    return dead


@dataclass(frozen=True, slots=True)
class DoomedObject:
    """An object to delete; ``ordinal`` is ``None`` when any need of its run keeps it."""

    name: str
    run: RunId
    ordinal: int | None
    others: tuple[tuple[RunId, int], ...] = ()

    def is_needed(self, needed: Mapping[RunId, bytes]) -> bool:
        """Whether a snapshot needs it, by any of its places; ``needed`` are the packs that snapshots need, by run."""
        places = ((self.run, self.ordinal), *self.others)
        return any(_needs(needed.get(run), ordinal) for run, ordinal in places)


def _needs(bitmap: bytes | None, ordinal: int | None) -> bool:
    if bitmap is None:
        return False
    if ordinal is None:
        return any(bitmap)
    return ordinal // 8 < len(bitmap) and bool(bitmap[ordinal // 8] & 0x80 >> ordinal % 8)


def candidates(sweep: SweepPlan) -> Sequence[DoomedObject]:
    """Return what is to be deleted, in order; what the store has locked is left out."""
    # The index first: no run that begins from now on learns of what is going to be deleted.
    segments = [DoomedObject(name, run, None) for run, every in sweep.segments.items() for name in every]
    packs = [
        DoomedObject(copy, run, at, sweep.shared.get(name, ()))
        for run, every in sweep.names.items()
        for at, name in every.items()
        for copy in (
            *sweep.alternates.get(name, ()),
            name,
        )  # the pack last: it is by the pack that the rest is found again
    ]
    unlisted = (DoomedObject(one.name, one.run, None) for one in sweep.unlisted)
    return [one for one in (*segments, *packs, *unlisted) if one.name not in sweep.locked]


def unsaid(sweep: SweepPlan) -> dict[RunId, bytes]:
    """Return the packs that no list names yet."""
    retired = dict(sweep.packs)
    for run, count in _unlisted_counts(sweep).items():
        retired[run] = united(retired.get(run, b""), b"\xff" * (max(LEAST_WHOLE_RUN, 4 * count) // 8))
    found = {run: without(bitmap, sweep.announced.get(run, b"")) for run, bitmap in retired.items()}
    return {run: bitmap for run, bitmap in found.items() if any(bitmap)}


def _unlisted_counts(sweep: SweepPlan) -> Mapping[RunId, int]:
    counts: dict[RunId, int] = {}
    for one in sweep.unlisted:
        counts[one.run] = counts.get(one.run, 0) + 1
    return counts
