"""What wrote this golden repository: ``python tests/golden/repository-1/generate.py TARGET``.

It was run when format major 1 was fixed. After the first release the objects are never written again: a reader that stops reading them is
wrong, whatever the reason. (HPKE and ML-DSA are randomised, so a second run gives other bytes of the same shape.)
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.support import forge as forging
from tests.support.forge import Forge, RecipientKey, SigningKey, Stream


def parcels(day: int) -> bytes:
    """A land register's table in COPY text; each day changes a few rows."""
    lines = []
    for number in range(1, 300):
        version = day if number % 97 == 0 else 1
        lines.append(f"{number}\tThửa {number}\tTờ {number % 45}\t{number * 7919 % 1000}.{version}\t\\N\n")
    return "".join(lines).encode()


def snapshot(day: int) -> dict[str, Stream]:
    """Every kind of place a stream can have: container, a tree of two levels, none."""
    columns = ["id", "tên", "tờ", "diện_tích", "ghi_chú"]
    return {
        "schema": Stream(content=b'{"sql": "CREATE TABLE public.parcel (id integer)"}\n', kind=1),
        "table/public.parcel": Stream(content=parcels(day), row_format=1, attributes={"columns": columns}),
        "table/public.chủ sử dụng": Stream(content=f"1\tNguyễn Thị {day}\n".encode(), row_format=1),
        "table/public.empty": Stream(content=b"", row_format=1),
        "roles": Stream(content=b'{"sql": "CREATE ROLE land"}\n', kind=4),
    }


def main(target: Path) -> None:
    """Build the repository and the description of what a reader must find in it."""
    forge = Forge(
        target / "repository",
        seed=b"golden repository 1",
        chunk_bytes=2048,
        fanout=2,
        small_bytes=4096,
        delta_depth=2,
        delta_packs=False,
    )
    first_root, second_recipient = forge.roots[0], RecipientKey(b"\x22" * 32)
    forge.trust()
    days: list[dict[str, Stream]] = [snapshot(1), snapshot(2)]
    forge.snapshot(days[0])
    forge.snapshot({}, state=forging.VOID)
    forge.trust(roots=[SigningKey(b"\x11" * 32)], signed_by=[first_root])
    forge.snapshot(days[1])
    opened = forge.snapshots[0]
    forge.reseal(second_recipient, {opened.run: forge.run_keys[opened.run]})
    forge.snapshot({}, state=None)
    states = ["committed", "void", "committed", "undecided"]
    streams: list[dict[str, Stream]] = [days[0], {}, days[1], {}]
    expected = {
        "trust": forge.trust_root,
        "repository": forge.repository.hex(),
        "lane": forge.lane.hex(),
        "recipient_seed": forge.recipient.seed.hex(),
        "later_recipient_seed": second_recipient.seed.hex(),
        "later_recipient_opens": [opened.run_text],
        "snapshots": [
            {
                "id": made.run_text,
                "sequence": made.sequence,
                "manifest": hashlib.sha256(made.manifest).hexdigest(),
                "state": state,
                "streams": {
                    name: {
                        "kind": stream.kind,
                        "size": len(stream.content),
                        "sha256": hashlib.sha256(stream.content).hexdigest(),
                        "attributes": stream.attributes,
                    }
                    for name, stream in content.items()
                },
            }
            for made, state, content in zip(forge.snapshots, states, streams, strict=True)
        ],
    }
    text = json.dumps(expected, ensure_ascii=False, indent=1) + "\n"
    (target / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
