"""How long it takes to verify a ledger of 100,000 entries that lies in a directory: ``python -m benchmarks.ledger``.

    .venv/bin/python -m benchmarks.ledger                       # 1, 10 and 1,000 entries in a segment
    .venv/bin/python -m benchmarks.ledger --entries 10000 --per-segment 1

``log`` is what ``evidence log`` does before it prints, ``verify`` what ``evidence verify`` does before it looks at a drill: read every segment,
follow every link, check the head's signature. Segments below the head carry noise of a signature's size instead of one, for no reader looks
at those; making 100,000 real ones takes minutes and changes nothing that is measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from drorch.evidence.dossier import open_dossier
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.ledger_segment import Segment, chain_of, read_segment, sign_segment
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey
from drorch.format.trust_record import NO_PREVIOUS, Role, RootKey, Signer, TrustRecord
from drorch.ids import RepositoryId
from drorch.operations.proof.gathering import gather
from drorch.operations.proof.reading import read_ledger
from drorch.repository.opening import Replica, Repository, create_repository, open_repository
from drorch.storage.filesystem import FilesystemStore
from tests.support.repositories import Household

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
REPOSITORY = RepositoryId(bytes(range(16)))
SIGNATURE_BYTES = 64 + 4_627


class _Noise:
    """Signs with noise, in the name of a real key."""

    def __init__(self, key: SigningKey) -> None:
        self.key_id = key.key_id

    def sign(self, message: bytes) -> bytes:
        return self.key_id.raw + os.urandom(SIGNATURE_BYTES) if message else b""


def main() -> int:
    """Make a ledger of each kind, read it, print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--directory", default="/var/tmp", help="where the ledger is made")
    parser.add_argument("--per-segment", default="1,10,1000", help="how many entries a segment holds")
    options = parser.parse_args()
    print("per segment  segments       log: wall    processor    verify: wall    processor")
    for each in map(int, options.per_segment.split(",")):
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            opened = _repository(Path(directory), options.entries, each)
            log = _timed(lambda: len(read_ledger(opened).entries()))  # noqa: B023 - called at once
            verify = _timed(lambda: len(open_dossier(gather(opened), None).entries))  # noqa: B023 - likewise
        if {log[0], verify[0]} != {options.entries}:
            raise SystemExit(f"{log[0]} and {verify[0]} entries were read, {options.entries} written")
        print(
            f"{each:>11,}  {options.entries // each:>8,}  {log[1]:>12.1f} s  {log[2]:>9.1f} s"
            f"  {verify[1]:>12.1f} s  {verify[2]:>9.1f} s",
            flush=True,
        )
    return 0


def _repository(directory: Path, entries: int, per_segment: int) -> Repository:
    household = Household()
    key = household.host.signing_key()
    record = TrustRecord(
        number=0,
        previous=NO_PREVIOUS,
        repository=REPOSITORY,
        roots=(RootKey(household.root.public, "root"),),
        threshold=1,
        recipients=(household.custodian.public(),),
        signers=(Signer(key.public, Role.WRITER, "backup1"),),
    ).sign([household.root], BEGIN)
    replica = Replica(name="here", store=FilesystemStore(directory))
    create_repository(replica, record)
    chain = chain_of(key.key_id)
    for number, raw in enumerate(_segments(key, entries, per_segment), start=1):
        path = directory / names.ledger_segment(chain, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return open_repository([replica], digest_of(record).raw)


def _segments(key: SigningKey, entries: int, per_segment: int) -> Iterator[bytes]:
    noise = cast("SigningKey", _Noise(key))
    after: Segment | None = None
    for first in range(0, entries, per_segment):
        raw = sign_segment(
            [_drill(number) for number in range(first, first + per_segment)],
            after=after,
            seen={},
            repository=REPOSITORY,
            made_at=BEGIN + timedelta(minutes=first),
            key=key if first + per_segment >= entries else noise,
        )
        after = read_segment(raw, chain_of(key.key_id))
        yield raw


def _drill(number: int) -> Entry:
    drill = f"01KB3W0T{number:018d}"
    facts = {"test": "land", "source": "land", "snapshot": "7kq2m9xd", "verdict": "pass", "draw": ""}
    return Entry(
        kind=EntryKind.DRILL,
        subject=drill,
        at=BEGIN + timedelta(minutes=number),
        facts=facts,
        documents=(Document(f"evidence/2026/{drill.lower()}.dsse", digest_of(drill.encode())),),
    )


def _timed(work: Callable[[], int]) -> tuple[int, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    count = work()
    return count, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    raise SystemExit(main())
