"""What a store hides, and what somebody with this host's key adds: seen, shown, told, and gone when it is mended."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

from tests.support.installations import Installation


def alerts(office: Installation) -> list[tuple[str, str]]:
    found = office.drorch("status", "--json")
    return [(one["code"], one["subject"]) for one in found.json()["alerts"] if one["code"] != "schema_changed"]


def test_a_store_that_hides_its_newest_snapshot_is_told_until_it_shows_it(office: Installation) -> None:
    office.drorch("backup", "civil")
    with closing(sqlite3.connect(office.base / "civil.db")) as connection:
        connection.execute("create table hộ_tịch (id integer primary key)")
    office.drorch("backup", "civil")
    (changed,) = office.drorch("status", "--json").json()["alerts"]
    assert (changed["code"], changed["subject"], changed["text"]) == ("schema_changed", "civil", "new: hộ_tịch")
    hidden = [path for path in (office.base / "disk/l").glob("*/m/*") if path.name.startswith("000000000002")]
    assert len(hidden) == 2  # a manifest and its commit
    for path in hidden:
        path.rename(office.base / path.name)
    office.drorch("verify", expect=None).told("FAIL", "hidden or cut")
    shown = office.drorch("status")
    shown.told("HIDDEN", "civil in disk", "it was seen up to 2")
    shown.fits()
    for path in hidden:
        (office.base / path.name).rename(path)
    office.drorch("verify").told("OK")
    assert alerts(office) == []
    for path in hidden:
        path.rename(office.base / path.name)
    office.drorch("backup", "civil", expect=None).told("ERROR", "is shorter than it was")  # the writer sees it as well
    assert ("snapshot_withheld", "civil in disk") in alerts(office)


def test_snapshots_by_this_hosts_key_that_it_did_not_make_are_told_until_somebody_takes_them_as_they_are(
    office: Installation,
) -> None:
    """A thief with a copy of the host; then the host itself, which knows nothing of what he did."""
    office.drorch("backup", "civil")
    state, kept = office.base / "var/state", office.base / "kept"
    shutil.copytree(state, kept)
    office.drorch("backup", "civil")
    shutil.rmtree(state)
    kept.rename(state)
    office.drorch("backup", "civil")
    assert alerts(office) == [("snapshot_foreign", "civil")]
    shown = office.drorch("status")
    shown.told("FOREIGN", "a snapshot by this host's key that it did not make")
    shown.fits()
    office.drorch("catalog", "rebuild")
    assert alerts(office) == []
