"""What a run knows stays out of what a traceback or a log could show of its parts."""

from __future__ import annotations

import dataclasses
from contextlib import closing

from drorch.ids import RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.run_material import RunMaterial
from drorch.repository.writer import RunWriter
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, counting_random


def secrets_of(material: RunMaterial) -> list[bytes]:
    host, keys, lane = Household().host, material.run_keys, material.lane_keys
    return [
        host.signing_seed,
        host.lane_master,
        keys.run_key,
        keys.lane_secret,
        lane.chunk_id_key,
        lane.index_key,
        lane.rows_key,
    ]


def shown(thing: object, depth: int = 4) -> list[str]:
    """Return ``repr`` of a thing and, some levels down, of everything that it holds."""
    texts = [repr(thing)]
    if depth and not isinstance(thing, (bytes, str, int, type)):
        names = getattr(thing, "__dict__", {}) or {
            field.name: None for field in (dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ())
        }
        for name in names:
            part = getattr(thing, name)
            if type(part).__module__.startswith("drorch."):
                texts += shown(part, depth - 1)
    return texts


def test_no_part_of_a_run_shows_its_keys() -> None:
    random_bytes, clock = counting_random(), ManualClock()
    material = begin_run(
        Household().create(MemoryStore(clock)),
        Household().host,
        RunPlace(source="land"),
        run=RunId(random_bytes(16)),
        cache=None,
        clock=clock,
        random_bytes=random_bytes,
    )
    writer = RunWriter(material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)
    with closing(writer):
        text = "\n".join(shown(writer))
    assert "Sealer" in text
    assert "StreamSink" in text
    assert str(material.lane_keys.chunker_seed) not in text
    for secret in secrets_of(material):
        assert repr(secret)[2:-1] not in text
        assert secret.hex() not in text
