"""What an operator meets every day: status, doctor, history, silence, pipes, a store that is away, a catalog that is lost."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.installations import (
    BARE,
    Custodian,
    Installation,
    Town,
    civil_policy,
    equal,
    land_policy,
    new_installation,
    on_terminal,
    run,
)

HEAVY = ("alembic", "boto3", "botocore", "cryptography", "drorch.format", "drorch.repository", "psycopg", "rich")


def test_status_when_all_is_well(town: Town) -> None:
    answer = town.installation.drorch("status", "--check")
    answer.fits()
    answer.told("2 of 2 sources are inside their RPO", "no daemon: nothing runs on schedule")
    lines = answer.out.splitlines()
    assert lines[0].startswith("drorch ")
    assert "PROBLEMS" not in answer.out
    (land,) = [line for line in lines if line.startswith("land ")]
    assert "24h ok" in land
    assert "2 of 2" in land
    assert len(lines) <= 24


def test_status_of_one_source(town: Town) -> None:
    answer = town.installation.drorch("status", "civil")
    answer.told(town.second["civil"]["snapshot"][:8], "complete")
    assert "land" not in answer.out.replace("Lâm Đồng", "")


def test_status_tells_problems_first_and_what_to_try(town: Town, copied: Installation) -> None:
    copied.policy("fresh", civil_policy(copied.base / "civil.db", "fresh"))
    copied.secret("land", "wrong")
    copied.drorch("backup", "land", expect=21)
    copied.policy("civil", "")
    (copied.base / "policies/civil.yaml").unlink()
    answer = copied.drorch("status", "--check", expect=3)
    answer.fits()
    answer.told(
        "LATE fresh no good snapshot yet, promised 24h",
        "try: drorch backup fresh",
        "FAILED land the last run failed",
        "rejected the password",
        "try: drorch doctor land",
        "OPEN civil no policy protects it any more",
        "1 of 2 sources are inside their RPO",
    )
    assert answer.out.index("PROBLEMS") < answer.out.index("POLICY")
    states = {one["source"]: one["state"] for one in copied.drorch("status", "--json").json()["sources"]}
    assert states == {"fresh": "never", "land": "failed", "civil": "open"}


def test_many_policies_stay_on_one_screen(office: Installation) -> None:
    for number in range(40):
        name = f"a-rather-long-name-of-a-district-{number:02d}"
        office.policy(name, civil_policy(office.base / "civil.db", name))
    answer = office.drorch("status")
    answer.fits()
    answer.told("more: drorch status --all")
    assert len(answer.out.splitlines()) <= 23  # and the prompt
    assert len(office.drorch("status", "--all").out.splitlines()) > 120


def test_a_store_that_is_away_makes_a_partial_copy(copied: Installation, tmp_path: Path) -> None:
    (copied.base / "vault").rename(copied.base / "away")
    answer = copied.drorch("backup", "civil", expect=3)
    answer.told("civil PARTIAL", "copies=1/2")
    copied.drorch("status", "--check", expect=3).told("COPIES civil", "is in 1 of 2 stores, not in vault")
    assert copied.snapshots("civil")[0]["stores"] == ["disk"]
    copied.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}")
    (copied.base / "away").rename(copied.base / "vault")
    copied.drorch("doctor").told("disk:", "vault:")


def test_only_what_failed_is_tried_again(town: Town, copied: Installation) -> None:
    copied.secret("land", "wrong")
    answer = copied.drorch("backup", "land", "civil", expect=3)
    answer.told("PARTIAL 1 of 2 sources have a new snapshot; 1 has none", "password rejected", "land", "--failed")
    copied.secret("land", (town.installation.base / "secrets/land").read_text())
    again = copied.drorch("backup", "--failed")
    again.told("land ok")
    assert "civil" not in again.out
    history = copied.drorch("history", "--failed")
    history.told("source-login")
    history.fits()


def test_a_lost_catalog_is_made_again(copied: Installation, tmp_path: Path) -> None:
    before = copied.drorch("snapshots", "--json").out
    shutil.rmtree(copied.base / "var/state")
    copied.drorch("catalog", "rebuild").told("OK 4 snapshots listed, 0 drills")
    assert json.loads(copied.drorch("snapshots", "--json").out) == json.loads(before)
    copied.drorch("backup", "civil")
    assert len(copied.snapshots("civil")) == 3
    assert copied.snapshots("civil")[0]["sequence"] == 3


def test_a_lost_cache_costs_nothing_but_time(copied: Installation) -> None:
    shutil.rmtree(copied.base / "var/cache")
    again = copied.drorch("backup", "civil", "--json").json()["snapshots"][0]
    assert again["chunks"]["new"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "civil"),
        ("backup", "land", "civil"),
        ("verify",),
        ("doctor",),
        ("status",),
        ("policy", "validate"),
        ("catalog", "rebuild"),
        ("catalog", "upgrade"),
        ("store", "validate", "disk"),
    ],
    ids=" ".join,
)
def test_quiet_means_silence_on_success(copied: Installation, words: tuple[str, ...]) -> None:
    answer = copied.drorch(*words, "--quiet")
    assert (answer.out, answer.err) == ("", "")


def test_quiet_is_no_reason_to_hide_a_failure(town: Town, copied: Installation, tmp_path: Path) -> None:
    copied.secret("land", "wrong")
    assert "rejected the password" in copied.drorch("backup", "land", "--quiet", expect=21).err
    copied.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}", "--quiet")
    equal("sqlite", str(town.civil), str(tmp_path / "back.db"))


def test_a_reader_that_has_enough_ends_a_command_silently(town: Town) -> None:
    line = " ".join(town.installation.command("snapshots", "--json", "--limit", "1000"))
    script = f"{line} | exec true; echo ${{PIPESTATUS[0]}}"
    for _ in range(3):
        answer = run(["/bin/bash", "-c", script])
        assert (answer.out, answer.err) == ("0\n", "")
    assert run(["/bin/bash", "-c", f"{line} | head -1"]).out == "{\n"


def test_without_a_terminal_there_is_one_line_and_no_progress(copied: Installation) -> None:
    answer = copied.drorch("backup", "land")
    assert answer.err == ""
    assert len(answer.out.splitlines()) == 1
    assert answer.out.startswith("land ok ")


def test_on_a_terminal_there_is_progress_and_a_report(town: Town, copied: Installation) -> None:
    code, text = on_terminal(copied.command("backup", "land"))
    assert code == 0
    assert "land  postgresql://127.0.0.1" in text
    assert "rows" in text
    assert "OK  snapshot " in text
    assert "restore point" in text


def test_doctor_finds_what_is_wrong(town: Town, copied: Installation, custodian: Custodian, tmp_path: Path) -> None:
    copied.drorch("doctor", "land").told(
        "nobody else may write it",
        "of this repository",
        "one machine holds all roles",
        "root.key is the root key",
        "this host may write",
        "PostgreSQL 15",
        "the account can read everything",
        "OK nothing stands in the way",
    )
    shutil.copy(custodian.key, copied.base / "keys/custodian.key")
    copied.drorch("doctor", expect=11).told(
        "FAIL", "is the private key of custodian", "only the .pub file belongs here"
    )
    (copied.base / "keys/custodian.key").unlink()
    copied.settings.chmod(0o666)
    copied.drorch("doctor", expect=11).told("is writable by others", "chmod go-w")
    copied.settings.chmod(0o600)
    (copied.base / "secrets/host.key").chmod(0o640)
    copied.drorch("doctor", expect=12).told("the host key", "is open to others", "chmod 0600")
    other = new_installation(tmp_path / "other", custodian, "disk=disk")
    shutil.copy(other.base / "secrets/host.key", copied.base / "secrets/host.key")
    copied.drorch("doctor", expect=44).told("the host key is of another repository")


def test_doctor_tells_what_the_account_cannot_read(town: Town, copied: Installation) -> None:
    town.server.run("create role blind login password 'blind'")
    copied.secret("blind", "blind")
    changes = {"user": "blind", "password": "file:secrets/blind"}
    copied.policy("land", land_policy(town.server, town.database, **changes))
    answer = copied.drorch("doctor", "land", expect=20)
    answer.told("FAIL", "the account cannot read", "public.parcel", "drorch policy grants")
    answer.fits()
    copied.drorch("backup", "land", expect=23).told("ERROR land", "public.parcel", "drorch policy grants")


def test_what_people_set_for_psql_reaches_no_session_of_ours(copied: Installation) -> None:
    """Each of these alone keeps a session from beginning."""
    variables = {
        "PGOPTIONS": "-c role=nobody",
        "PGTZ": "Nowhere",
        "PGCLIENTENCODING": "X",
        "PGTARGETSESSIONATTRS": "standby",
    }
    copied.drorch("backup", "land", env=BARE | variables)


def test_quick_commands_load_nothing_that_they_do_not_need(town: Town) -> None:
    base = town.installation.command("policy", "validate")[3:]
    for words in (["--help"], base, town.installation.command("status")[3:]):
        told = run([sys.executable, "-X", "importtime", "-m", "drorch", *words]).err
        loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
        assert "drorch.cli.main" in loaded
        assert [name for name in HEAVY if name in loaded] == []
        assert ("sqlalchemy" in loaded) == ("status" in words)


def test_twenty_policies_are_checked_in_a_moment(office: Installation) -> None:
    for number in range(20):
        office.policy(f"p{number}", land_policy_of(number))
    spent = []
    for _ in range(3):
        before = os.times()
        office.drorch("policy", "validate").told("OK 21 policies, no problem")
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 1.5, "0.3 s on an idle machine; two programs on one core take the processor from each other"


def land_policy_of(number: int) -> str:
    return f"""\
name: p{number}
source:
  postgresql:
    host: db{number}.lamdong.example
    database: land
    user: drorch_backup
    password: file:secrets/p{number}
schedule: "30 1 * * *"
objectives: {{rpo: 24h, rto: 4h}}
"""


def test_two_sources_of_one_policy_by_a_list(office: Installation) -> None:
    for name in ("d1", "d2"):
        shutil.copy(office.base / "civil.db", office.base / f"{name}.db")
    (office.base / "policies/districts.csv").write_text(f"id,path\nd1,{office.base}/d1.db\nd2,{office.base}/d2.db\n")
    text = 'name: many\nfor_each: districts.csv\nsource: {sqlite: {file: "{path}"}}\nschedule: "0 2 * * *"\n'
    office.policy("many", text)
    office.drorch("backup", "many").told("many/d1 ok", "many/d2 ok")
    office.drorch("backup", "many/d2").told("many/d2 ok")
    (office.base / "d1.db").unlink()
    answer = office.drorch("backup", "many", expect=3)
    answer.told("1 of 2 sources have a new snapshot", "many/d1", "try again: drorch backup")
    status = office.drorch("status", "--check", expect=3)
    status.told("FAILED many/d1", "try: drorch doctor many/d1")
    assert office.drorch("status", "many", "--json").json()["sources"][0]["source"] == "many/d1"


def test_a_machine_without_the_role_is_refused(office: Installation) -> None:
    with office.settings.open("a") as settings:
        settings.write("\nroles: [drill]\n")
    office.drorch("backup", "civil", expect=13).told("this machine may not back up", "drill", "roles:")
