"""What was written once is read for ever: see tests/golden/vectors/README.md."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import ObjectCorrupt
from drorch.format import names
from drorch.format.compression import decompress
from drorch.format.entries import parse_entries
from drorch.format.fields import Fields
from drorch.format.index import IndexSegment
from drorch.format.keyfile import read_host_key_file, read_key_file, read_public
from drorch.format.keys import RunRecord
from drorch.format.manifest import Manifest, SealedBody
from drorch.format.objects import digest_of
from drorch.format.record import decode_content, open_record
from drorch.format.tree import Reference, decode_node
from drorch.format.trust import TrustChain
from tests.support import format_values as values
from tests.support.format_values import fixed

FOLDER = Path(__file__).parents[2] / "golden" / "vectors"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("golden_vectors_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cut_points", "derived", "key_files", "records", "rows", "structures"])
def test_what_has_one_form_is_made_alike(generate, name):
    assert json.loads(json.dumps(generate.EVERY[name]())) == load(name)


def test_stored_frames_decode_through_a_chain_of_four_bases():
    base = None
    steps = load("deltas")
    assert [step["codec"] for step in steps] == ["1", "2", "2", "2", "2"]
    for step in steps:
        plain = bytes.fromhex(step["plain"])
        assert decompress(bytes.fromhex(step["frame"]), len(plain), base) == plain
        base = plain
    with pytest.raises(ObjectCorrupt):
        decompress(bytes.fromhex(steps[2]["frame"]), len(bytes.fromhex(steps[2]["plain"])), b"another base" * 500)


def test_stored_records_open():
    for stored in load("records"):
        header, content = open_record(values.RUN_KEYS.run_key, values.CONTEXT, bytes.fromhex(stored["record"]))
        assert (header.kind, str(header.chunk_id)) == (stored["kind"], stored["chunk_id"])
        assert decode_content(header, content, None, values.LANE_KEYS.chunk_id_key).hex() == stored["plain"]


def test_stored_structures_are_read():
    stored = {name: bytes.fromhex(text) for name, text in load("structures").items()}
    assert Fields.parse(stored["fields"], what="it", known=(1, 2), repeated=(2,)).many(2) == (b"", b"two")
    assert Reference.decode(stored["reference"]) == values.reference()
    assert [entry.plain_bytes for entry in decode_node(stored["leaf"]).entries] == [77, 78]
    assert [entry.name for entry in parse_entries([stored["entries"]])] == ["table/public.thửa_đất", "schema"]


def test_stored_objects_are_read():
    stored = {name: bytes.fromhex(text) for name, text in load("objects").items()}
    root = stored[names.trust(0)]
    assert TrustChain.verify([root], digest_of(root).raw).last == values.trust_record()
    place: dict[str, Any] = {"repository": values.REPOSITORY, "lane": values.LANE, "allowed": values.WRITERS}
    record = RunRecord.verify(stored["run record"], run=values.RUN, **place)
    assert record.open([values.DRILL_HOST]) == values.RUN_KEYS
    manifest = Manifest.verify(stored["manifest"], sequence=1, **place)
    assert (manifest.source, manifest.restore_point, manifest.needs) == (
        "land/hanoi",
        values.AT,
        values.some_manifest().needs,
    )
    body = SealedBody.open(values.RUN_KEYS.run_key, values.CONTEXT, manifest.sealed_body)
    assert (body.facts["tên"], body.entries, body.entries_size) == ("Đất đai", values.reference(), 900)
    segment = IndexSegment.open(values.LANE_KEYS.index_key, stored["index"], context=values.CONTEXT, number=3)
    assert segment.entries[0].plain_length == 99


def test_stored_key_files_open():
    stored = load("key_files")
    assert read_key_file(stored["private"]).open("Mật khẩu") == fixed("custodian")
    assert read_public(stored["public"]).public == values.CUSTODIAN.public()
    assert read_host_key_file(stored["host"]).key.signing_key().key_id == values.WRITER.key_id
