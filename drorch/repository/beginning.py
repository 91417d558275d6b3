"""Begin a run: settle the lane, learn what it holds already, announce the run's keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import FormatUnsupported, KeyMissing, KeyWrong, StoreError, StoreMissing
from drorch.format import names
from drorch.format.keys import HostKey, LaneKeys, RunKeys, lane_for, run_record
from drorch.format.objects import MAJOR
from drorch.format.signing import SigningKey
from drorch.format.trust_record import Role
from drorch.ids import RunId, grouped
from drorch.repository.index import LaneIndex
from drorch.repository.lane import LaneWriter
from drorch.repository.learning_lane import learned
from drorch.repository.opening import Replica, Repository
from drorch.repository.replicas import Replicas
from drorch.repository.run_material import RunMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Whose lane the run adds to: a source of this host; ``generation`` counts the lanes that the source has had."""

    source: str
    generation: int = 0


def begin_run(
    repository: Repository,
    host: HostKey,
    place: RunPlace,
    *,
    run: RunId,
    cache: Path | None,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
) -> RunMaterial:
    """Prepare a run in every store of ``repository`` that is not behind.

    ``cache`` is the directory of the local index (``None``: in memory). Raises ``KeyMissing`` when this host may not write here or nobody could
    read, ``FormatUnsupported`` when the repository asks for a newer writer, and store errors when no store is left.
    """
    key = host.signing_key()
    _check_may_write(repository, key)
    lane, lane_secret = lane_for(key.key_id, host.lane_master, place.source, place.generation)
    replicas = Replicas(repository.replicas, repository.unusable)
    for replica in repository.replicas:
        if replica.name in repository.short_of_trust:
            replicas.drop(replica, _short_of_trust(replica, repository))
    writer = LaneWriter(repository.trust, lane, key, clock)
    head = writer.settle(replicas)
    run_keys = RunKeys(random_bytes(32), lane_secret)
    lane_keys = LaneKeys.derive(lane_secret)
    index = LaneIndex(None if cache is None else cache / f"{lane}.index")
    record = run_record(
        repository=repository.trust.repository,
        lane=lane,
        run=run,
        run_keys=run_keys,
        recipients=repository.trust.recipients,
        trust_number=repository.trust.number,
        made_at=clock.now(),
        key=key,
    )
    material = RunMaterial(
        repository=repository,
        run=run,
        lane=writer,
        head=head,
        key=key,
        run_keys=run_keys,
        lane_keys=lane_keys,
        run_record=record,
        replicas=replicas,
        index=index,
    )
    material = learned(material, clock)
    try:
        replicas.put_once(names.run_record(lane, run), record)
    except BaseException:
        material.index.close()
        raise
    return material


def _short_of_trust(replica: Replica, repository: Repository) -> StoreError:
    return StoreMissing(
        f"{replica.name} lacks the last trust records",
        expected=names.trust(repository.trust.number),
        found="an older one as its last",
        hint=f"`drorch copy --to {replica.name}` brings it up",
    )


def _check_may_write(repository: Repository, key: SigningKey) -> None:
    trust = repository.trust
    if trust.min_writer > MAJOR:
        raise FormatUnsupported(
            "the repository asks for a newer writer",
            expected=f"format {trust.min_writer}",
            found=f"format {MAJOR}",
            hint="upgrade drorch on this host",
        )
    if trust.is_revoked(key.key_id):
        raise KeyWrong(
            "this host's key was revoked: nothing that it signs counts any more",
            expected="the key of a writer in force",
            found=f"key {grouped(key.key_id.raw[:8])}, which a trust record revokes",
            hint="make a new one here: `drorch keys generate NAME --role writer`; a holder of a root key adds it",
            still_good="Every snapshot up to the last good one that the revocation names.",
        )
    if not any(signer.public.key_id == key.key_id and signer.role is Role.WRITER for signer in trust.signers):
        raise KeyMissing(
            "this host's key may not write to the repository",
            expected="a writer's key that the trust record names",
            found=f"key {grouped(key.key_id.raw[:8])}",
            hint="a holder of a root key adds its public half: `drorch keys add NAME.pub --root-key FILE`",
        )
    if not trust.recipients:
        raise KeyMissing("the repository names nobody who could read a backup", expected="at least one recipient")
