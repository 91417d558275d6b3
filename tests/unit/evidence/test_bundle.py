"""A bundle comes from strangers: whatever is in it, one of our errors says so."""

from __future__ import annotations

import io
import zipfile

import pytest

from drorch.errors import EvidenceBroken
from drorch.evidence.bundle import CONTENTS, SCHEMA, Bundle, encode_bundle, read_bundle


def archive(*files: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in files:
            made.writestr(name, content)
    return buffer.getvalue()


def contents(wanted: str) -> tuple[str, bytes]:
    return CONTENTS, f'{{"schema":"{SCHEMA}","wanted":{wanted},"files":{{}}}}'.encode()


@pytest.mark.parametrize(
    "raw",
    [
        archive(),
        archive(contents(r'"\ud800"')),
        archive(contents("NaN")),
        archive(contents("[" * 50_000)),
        archive(contents('"x"'), ("../../escaped", b"x")),
        archive(contents('"x"'), ("/escaped", b"x")),
        archive(contents('"x"'), ("a", bytes(2**20)), compression=zipfile.ZIP_DEFLATED),
        archive(contents('"x"')),  # a date that is not ours
        b"PK\x05\x06" + b"\xff" * 18,
    ],
    ids=["empty", "surrogate", "no number", "deep", "dots", "absolute", "compressed", "not ours", "no entries"],
)
def test_what_is_no_bundle_of_ours_is_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceBroken):
        read_bundle(raw)


def test_a_bundle_comes_back() -> None:
    bundle = Bundle(wanted="01KB3W0T", files={"objects/trust/0": b"root"})
    assert read_bundle(encode_bundle(bundle)) == bundle
