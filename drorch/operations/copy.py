"""Bring one store up with the others, and tell the catalog what it holds now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from drorch.catalog.interface import Catalog, CopyRecord, CopyState, LaneHead
from drorch.clock import Clock
from drorch.errors import DrorchError, StoreMissing, UsageInvalid
from drorch.format.signing import SigningKey
from drorch.ids import LaneId, RunId
from drorch.operations import contacts
from drorch.operations.proof.carrying import carry_ledger
from drorch.repository.copier import catch_up
from drorch.repository.copy_report import CopiedSnapshot, CopyReport
from drorch.repository.lane import Head
from drorch.repository.opening import Replica, Repository, require_empty


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """``to`` is the store that lacks something; ``source`` the one to read from, ``None`` for every other one.

    ``new`` is the store itself when it is said to be empty and to become a copy, which also gets ``help_objects``: an empty
    directory may as well be a disk that is not mounted. ``repair`` reads all that it has and puts anew what is damaged.
    """

    to: str
    source: str | None = None
    new: Replica | None = None
    repair: bool = False
    help_objects: Mapping[str, bytes] = field(default_factory=dict)


def run(
    repository: Repository,
    request: CopyRequest,
    catalog: Catalog,
    *,
    clock: Clock,
    progress: Callable[[int], None],
    key: SigningKey | None = None,
) -> CopyReport:
    """Copy what is missing, as ciphertext; snapshots that the catalog does not know as complete are looked at again.

    ``key`` is the maintainer's: without it a store that is filled does not learn which snapshots were given up.

    Raises ``UsageInvalid`` when a store is not known or both are the same, what was wrong with a store that cannot be used, and what
    a store raises that does not answer.
    """
    if request.source == request.to:
        raise UsageInvalid("a store is not copied to itself", expected="two stores", found=request.to)
    sources, target = _places(repository, request)
    if request.new is not None:
        for name, content in request.help_objects.items():
            request.new.store.put_if_absent(name, content)
    contacts.note(
        catalog,
        clock,
        answered=[replica.name for replica in repository.replicas],
        failed=repository.unusable,
    )
    known_snapshots = {record.snapshot for record in catalog.snapshots()}
    complete = {one.snapshot for one in catalog.copies(store=request.to) if one.state is CopyState.COMPLETE}
    doubtful = [RunId.parse(snapshot) for snapshot in known_snapshots - complete]
    report = catch_up(
        sources,
        target,
        repository.trust,
        doubtful=doubtful,
        repair=request.repair,
        progress=progress,
        key=key,
        clock=clock,
    )
    for copied in report.snapshots:
        if str(copied.link.manifest.run) in known_snapshots:  # another host's are for its own catalog
            _record(catalog, request.to, copied, clock)
    for link in report.swept:
        if str(link.manifest.run) in known_snapshots:
            catalog.record_copy(
                CopyRecord(
                    snapshot=str(link.manifest.run),
                    store=request.to,
                    state=CopyState.ABSENT,
                    stored_at=None,
                    size_bytes=0,
                )
            )
    for lane, head in report.heads.items():
        _remember(catalog, request.to, lane, head)
    carried = carry_ledger(sources, target, repository.trust)
    return replace(report, ledger_segments=carried.segments, problems=(*report.problems, *carried.problems))


def _places(repository: Repository, request: CopyRequest) -> tuple[list[Replica], Replica]:
    """Return the stores to read from, and the one to fill."""
    known = {replica.name: replica for replica in repository.replicas}
    if request.new is not None and request.to not in known:  # else it was begun before: go on
        require_empty(request.new)
        known[request.to] = request.new
    for name in (request.to, *([request.source] if request.source else [])):
        if name not in known and name in repository.unusable:
            raise _with_hint(repository.unusable[name], name, request)
    target = known.pop(request.to, None)
    sources = [replica for name, replica in known.items() if request.source in (None, name)]
    if target is None or not sources:
        raise UsageInvalid(
            "nothing to copy from" if target else f"no store is called {request.to}",
            expected="two stores of drorch.yaml that can be used",
            found=", ".join(replica.name for replica in repository.replicas),
        )
    return sources, target


def _with_hint(error: DrorchError, name: str, request: CopyRequest) -> DrorchError:
    if isinstance(error, StoreMissing) and name == request.to:
        error.hint = f"if it is a new and empty store: `drorch copy --to {name} --new`"
    return error


def _record(catalog: Catalog, store: str, copied: CopiedSnapshot, clock: Clock) -> None:
    manifest = copied.link.manifest
    catalog.record_copy(
        CopyRecord(
            snapshot=str(manifest.run),
            store=store,
            state=CopyState.COMPLETE if copied.is_whole else CopyState.DAMAGED,
            stored_at=clock.now(),
            size_bytes=manifest.bytes_stored,
        )
    )


def _remember(catalog: Catalog, store: str, lane: LaneId, head: Head) -> None:
    known = catalog.heads(store=store, lane=str(lane))
    if known and known[0].sequence > head.sequence:
        return  # a backup went on meanwhile
    catalog.remember_head(
        LaneHead(store=store, lane=str(lane), sequence=head.sequence, manifest_digest=str(head.digest))
    )
