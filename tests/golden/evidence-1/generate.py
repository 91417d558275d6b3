"""Write the files of this folder; see README.md.

    PYTHONPATH=. .venv/bin/python tests/golden/evidence-1/generate.py

Signatures differ each time, so these files are made once for each version of a form and then only read.
"""

from __future__ import annotations

import json
from pathlib import Path

from drorch.evidence.bundle import Bundle, encode_bundle
from drorch.evidence.dossier import open_dossier
from drorch.evidence.envelope import open_envelope
from drorch.format.keyfile import KeyKind, PublicKey
from drorch.operations.proof import exporting
from tests.support.evidence import TRUSTED, Bench, bench
from tests.support.ledgers import ROOT, WRITER, objects

FOLDER = Path(__file__).parent


def main() -> None:
    """Make one drill that two people signed, and write everything down."""
    made = bench()
    report = made.drill()
    made.both_sign()
    stored = {**objects(made.store, "trust/"), **objects(made.store), **objects(made.store, "evidence/")}
    for name, content in stored.items():
        path = FOLDER / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    envelope = stored[f"evidence/2026/{report.drill.lower()}.dsse"]
    (FOLDER / "statement.json").write_bytes(open_envelope(envelope).payload)
    bundle: Bundle = exporting.run(made.dossier(), report.drill, {"README.txt": b"golden\n"})
    (FOLDER / "bundle.zip").write_bytes(encode_bundle(bundle))
    trusted = TRUSTED.with_key(PublicKey(kind=KeyKind.WRITER, label="backup1", public=WRITER.public))
    (FOLDER / "trusted-signers.txt").write_text(trusted.encode(), encoding="utf-8")
    (FOLDER / "expected.json").write_text(json.dumps(_expected(made), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _expected(made: Bench) -> dict[str, object]:
    opened = open_dossier(made.dossier(), ROOT)
    (chain,) = opened.chains.values()
    return {
        "root": ROOT.hex(),
        "chain": str(chain.identity),
        "head": str(chain.head.digest),
        "segments": [[one.number, str(one.digest), one.first_entry] for one in chain.segments],
        "entries": [json.loads(one.entry.encode()) for one in opened.entries],
    }


if __name__ == "__main__":
    main()
