"""What a snapshot, a policy and a store say of themselves, by the real command line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import drorch
from drorch.errors import OutputLost
from tests.support.installations import (
    COMMAND,
    Custodian,
    Installation,
    Town,
    new_installation,
    run,
)

VERSION = drorch.__version__


def test_a_snapshot_shows_its_tables_to_whoever_has_the_key(town: Town) -> None:
    taken = town.second["land"]
    answer = town.installation.drorch("snapshots", "show", taken["snapshot"][:8], *town.installation.custodian.opens)
    answer.fits()
    answer.told(
        f"snapshot {taken['snapshot']}",
        "source land (postgresql)",
        "result complete",
        "in 4 tables",
        "stores disk, vault",
        "server version 15.",
    )
    rows = {line.split()[0]: line.split()[1] for line in answer.out.splitlines() if line.startswith("public.")}
    assert rows["public.unit"] == "3"
    assert rows["public.parcel"] == "2,999"
    document = town.installation.drorch(
        "snapshots", "show", "latest:land", "--json", *town.installation.custodian.opens
    ).json()
    assert document["snapshot"] == taken["snapshot"]
    tables = [part for part in document["parts"] if part["kind"] == "table"]
    assert len(tables) == document["tables"] == 4
    assert sum(part["rows"] for part in tables) == document["rows"]
    assert 'public.sổ "cũ" 🏞' in {part["name"] for part in tables}


def test_without_a_key_no_name_of_a_table_is_shown(town: Town) -> None:
    answer = town.installation.drorch("snapshots", "show", "latest:land")
    answer.fits()
    answer.told("in 4 tables", "its tables are sealed: --key FILE shows them")
    assert "parcel" not in answer.out


def test_a_bare_machine_shows_it_too(town: Town) -> None:
    where = ("--store", str(town.installation.base / "disk"), "--trust", town.installation.trust)
    answer = run([*COMMAND, "snapshots", "show", "latest:civil", *where, *town.installation.custodian.opens])
    answer.told("birth 500", "marriage 1", "source civil (sqlite)")


def test_so_many_and_no_more(town: Town) -> None:
    words = ("snapshots", "show", "latest:land", "--limit", "1", *town.installation.custodian.opens)
    town.installation.drorch(*words).told("more; --limit shows them")
    document = town.installation.drorch(*words, "--json").json()
    assert len(document["parts"]) == 1
    assert document["parts_left_out"] >= 4


def test_what_is_not_there_is_said_so(town: Town) -> None:
    town.installation.drorch("snapshots", "show", "zzzzzzzz", expect=48).told("no snapshot fits")


def test_a_file_tree_shows_its_paths(custodian: Custodian, tmp_path: Path) -> None:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    scans = tmp_path / "scans"
    (scans / "Đức Trọng").mkdir(parents=True)
    (scans / "Đức Trọng/hồ sơ 1.pdf").write_bytes(b"x" * 1500)
    (scans / "Đức Trọng/evil\x1b[2J.pdf").write_bytes(b"y")
    (scans / "link").symlink_to("Đức Trọng")
    installation.policy("scans", f'name: scans\nsource:\n  files:\n    paths: ["{scans}"]\nschedule: "0 3 * * *"\n')
    installation.drorch("backup", "scans")
    answer = installation.drorch("snapshots", "show", "latest:scans", *custodian.opens)
    answer.told("in 2 files", "hồ sơ 1.pdf 1.5 kB", "link (symlink)")
    assert "\x1b" not in answer.out


def test_a_text_in_force_is_found_again_by_time_and_hash(copied: Installation) -> None:
    shown = copied.drorch("snapshots", "show", "latest:civil", "--json").json()
    told = copied.drorch("policy", "show", "civil", "--at", shown["restore_point"], "--json").json()
    assert told["sha256"] == shown["policy_sha256"]
    assert "civil.db" in told["text"]


def test_a_rebuilt_catalog_knows_the_hash_and_the_text_that_is_still_so(copied: Installation) -> None:
    copied.drorch("backup", "civil")
    before = copied.drorch("snapshots", "show", "latest:civil", "--json").json()
    text = copied.drorch("policy", "show", "civil", "--at", "2100-01-01 00:00").out
    shutil.rmtree(copied.base / "var/state")
    copied.drorch("catalog", "rebuild")
    told = copied.drorch("policy", "show", "civil", "--at", "2100-01-01 00:00", "--json").json()
    assert told["sha256"] == before["policy_sha256"]
    assert copied.drorch("policy", "show", "civil", "--at", "2100-01-01 00:00").out == text
    path = copied.base / "policies/civil.yaml"
    path.write_text(path.read_text().replace("0 2 * * *", "0 4 * * *"))
    answer = copied.drorch("policy", "show", "civil", "--at", "2100-01-01 00:00", expect=14)
    answer.fits()
    answer.told(before["policy_sha256"], "the text itself is in no store")
    copied.drorch("policy", "show", "civil", "--at", "2000-01-01 00:00", expect=14).told(
        "a time after its first backup"
    )


def test_after_an_upgrade_the_stores_explain_themselves_in_its_words_too(copied: Installation) -> None:
    pages = {name: copied.base / name / "help" / VERSION for name in ("disk", "vault")}
    for name, folder in pages.items():  # as an older version left it
        folder.rename(folder.with_name("0.0.9"))
        copied.drorch("doctor").told(f"{name}: its pages (help/) are not of this version", "drorch catalog upgrade")
    (copied.base / "vault").rename(copied.base / "unplugged")
    answer = copied.drorch("catalog", "upgrade")
    answer.fits()
    answer.told(f"disk now explains itself as of drorch {VERSION}", f"note vault has no help/{VERSION}/ yet")
    assert {path.name for path in pages["disk"].iterdir()} == {
        path.name for path in (copied.base / "disk/help/0.0.9").iterdir()
    }
    (copied.base / "unplugged").rename(copied.base / "vault")
    copied.drorch("catalog", "upgrade").told("vault now explains itself")
    assert copied.drorch("catalog", "upgrade", "--json").json()["stores"] == [
        {"store": "disk", "help": "there"},
        {"store": "vault", "help": "there"},
    ]
    assert "explain" not in copied.drorch("catalog", "upgrade").out
    assert "its pages" not in copied.drorch("doctor").out
    copied.drorch("verify")


def test_a_machine_that_only_backs_up_leaves_the_pages_to_the_one_that_maintains(copied: Installation) -> None:
    shutil.rmtree(copied.base / "disk/help")
    settings = copied.settings.read_text()
    copied.settings.write_text(settings.replace("version: 1\n", "version: 1\nroles: [backup]\n", 1))
    assert copied.drorch("catalog", "upgrade", "--json").json()["stores"] == []
    assert not (copied.base / "disk/help").exists()


def test_the_doctor_says_whether_there_is_room(copied: Installation) -> None:
    answer = copied.drorch("doctor", "land")
    answer.fits()
    answer.told(
        "room and time",
        "land: ",
        "more each day (2 backups)",
        "in a year",
        "its cache: about",
        "of 20 GB for all",
        "a restore takes about",
        "promised 8:00:00",
        "OK nothing stands in the way",
    )
    settings = copied.settings.read_text()
    copied.settings.write_text(settings + "limits: {keep_free: 99%}\n")
    answer = copied.drorch("doctor", "land")
    answer.fits()
    answer.told(
        "note state: ",
        "`keep_free` asks for 99 %",
        "note disk: only",
        "disk has 0 B beyond `keep_free`",
        "order a larger disk",
    )
    copied.drorch("backup", "land", expect=4).told("nearly full, so nothing was started")
    copied.restore("latest:civil", f"sqlite://{copied.base / 'back.db'}")


def test_before_the_first_backup_the_doctor_knows_no_size(office: Installation) -> None:
    office.drorch("doctor", "civil").told("civil: no size is known before the first backup")


@pytest.mark.parametrize("words", [("--help",), ("snapshots",), ("snapshots", "--json")], ids=" ".join)
def test_an_answer_that_cannot_be_written_is_not_called_a_fault_of_ours(town: Town, words: tuple[str, ...]) -> None:
    where = [] if words[0] == "--help" else ["--config", str(town.installation.settings)]
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*COMMAND, *words, *where], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert told.returncode == OutputLost.exit_code
    assert told.stderr.startswith("ERROR  the answer could not be written: No space left on device")
    assert "Traceback" not in told.stderr
