"""A thief copies the whole host after two runs: what lies there is what docs/THREAT_MODEL.md lists, and one thing in it can be read."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePath

import pytest

from drorch.format.keyfile import read_host_key_file
from drorch.format.keys import LaneKeys, lane_for
from drorch.format.record import RecordContext
from drorch.ids import ChunkId, RunId
from drorch.repository.base_cache import BaseCache, CacheKeys
from tests.support.installations import Installation, Town
from tests.test_threat_model import rows

SIGNING, MASTER, BASES = "signing key of the writer", "master of the lane secrets", "base cache"
CONFIGURATION, PUBLIC = "configuration and policies", "trust root's digest, recipients' public keys"
# What may lie on the host -> where the page tells what it is worth; a file that nothing here fits fails the test.
KINDS = {
    "drorch.yaml": CONFIGURATION,
    "policies/*.yaml": CONFIGURATION,
    "secrets/land": CONFIGURATION,
    "secrets/host.key": f"{SIGNING}, {MASTER}",
    "keys/*.pub": PUBLIC,
    "var/cache/*.index*": "index cache and index segments",
    "var/cache/*.anchors*": BASES,
    "var/cache/*.bases/**/*": BASES,
    "var/state/catalog.sqlite*": "catalog",
}
IN_THE_SAFE = ("keys/root.key", "secrets/maintenance.key")  # as `drorch init` and docs/OPERATIONS.md say
PRODUCTION = ("civil.db", "first.db", "disk", "vault")  # the live data and the stores: other machines
CONTENT = ("thửa đất số 123", "sổ mới", "Trần Văn Đổi", "parcel_unit", "00676")


@pytest.fixture
def stolen(town: Town, tmp_path: Path) -> Installation:
    """What the thief carries away: state, cache, configuration."""
    base = tmp_path / "stolen"
    shutil.copytree(
        town.installation.base, base, ignore=lambda _, names: [name for name in names if name in PRODUCTION]
    )
    for name in IN_THE_SAFE:
        (base / name).unlink()
    return Installation(base=base, custodian=town.installation.custodian)


def files(host: Installation) -> list[PurePath]:
    return [path.relative_to(host.base) for path in host.base.rglob("*") if path.is_file()]


def kind_of(path: PurePath) -> str:
    """Return which line of the page tells what this file is worth, or nothing."""
    told = [kind for pattern, kind in KINDS.items() if path.match(pattern) or fits_below(path, pattern)]
    return told[0] if told else ""


def fits_below(path: PurePath, pattern: str) -> bool:
    above, _, below = pattern.partition("/**/")
    return bool(below) and any(parent.match(above) for parent in path.parents)


def test_nothing_lies_there_that_the_page_does_not_list(stolen: Installation) -> None:
    found = {path: kind_of(path) for path in files(stolen)}
    assert [str(path) for path, kind in found.items() if not kind] == []
    listed = [cells[0] for cells in rows("## What a thief of the host gets")]
    for kind in {part for kinds in found.values() for part in ([kinds] if kinds == PUBLIC else kinds.split(", "))}:
        assert any(line.startswith(kind) for line in listed), f"the page does not list: {kind}"
    assert {BASES, "catalog", CONFIGURATION} <= set(found.values()), "two runs leave at least these"


def test_no_content_is_in_clear_and_no_secret_but_those_of_the_secrets(stolen: Installation) -> None:
    for path in files(stolen):
        raw = (stolen.base / path).read_bytes()
        assert [word for word in CONTENT if word.encode() in raw] == [], path


def test_no_key_that_lies_there_opens_a_snapshot(stolen: Installation, town: Town, tmp_path: Path) -> None:
    store = str(town.installation.base / "disk")
    for path in files(stolen):
        if path.parent.name in {"keys", "secrets"}:
            words = (
                "restore",
                "latest:civil",
                "--store",
                store,
                "--trust",
                stolen.trust,
                "--key",
                str(stolen.base / path),
            )
            refused = stolen.drorch(*words, "--to", f"sqlite://{tmp_path}/out.db", expect=None)
            assert refused.code in {43, 44}, f"{path}: {refused.err}"
            assert not (tmp_path / "out.db").exists()


def test_with_the_hosts_key_the_base_cache_can_be_read_and_that_is_all(stolen: Installation) -> None:
    """The page says so: part of the last snapshot, which is the live database on the same disk."""
    host = read_host_key_file((stolen.base / "secrets/host.key").read_text())
    opened, tried = b"", 0
    for source in ("land", "civil"):
        lane, secret = lane_for(host.key.signing_key().key_id, host.key.lane_master, source, 0)
        made, context = LaneKeys.derive(secret), RecordContext(host.origin.repository, lane, RunId(bytes(16)))
        keys = CacheKeys(cache_key=made.cache_key, chunk_id_key=made.chunk_id_key, context=context)
        directory = next((stolen.base / "var/cache").glob(f"{lane}.bases"))
        cache = BaseCache(directory, keys, bytes)
        for path in directory.glob("??/*"):
            tried += 1
            opened += cache.plain(ChunkId(bytes.fromhex(path.name))) or b""
    assert tried
    assert "thửa đất số 123".encode() in opened, "or the page warns of nothing"
