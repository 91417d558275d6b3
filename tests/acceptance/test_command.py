"""The command source from end to end: a Firebird ledger by gbak, judged by isql; and programs that lie, hang, leak or are not ours."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.test_secrets import Watch
from tests.support.firebird import Firebird
from tests.support.installations import (
    BARE,
    COMMAND,
    Answer,
    Custodian,
    Installation,
    end,
    new_installation,
    programs_that_name,
    run,
)

SAMPLE = Path(__file__).resolve().parents[2] / "policies/tckh-kttc-huyen.yaml"
CANARY = "canary-masterkey-2f6d"
LEDGER = "tckh-kttc-huyen"


@dataclass(frozen=True, kw_only=True)
class Office:
    """An installation whose policy is our own sample, with other paths; its ledger is backed up once."""

    installation: Installation
    firebird: Firebird
    taken: Path  # the ledger as it was at backup

    @property
    def environment(self) -> dict[str, str]:
        return BARE | {"LOCKS": str(self.firebird.folder)}

    def drorch(self, *words: str, expect: int | None = 0) -> Answer:
        return self.installation.drorch(*words, expect=expect, env=self.environment)

    def restore(self, to: str, *words: str, expect: int | None = 0) -> Answer:
        opens = self.installation.custodian.opens
        return self.drorch("restore", f"latest:{LEDGER}", "--to", to, *opens, *words, expect=expect)


def ledger_policy(database: Path) -> str:
    text = SAMPLE.read_text(encoding="utf-8")
    for old, new in (
        ("localhost:/srv/kttc/kttc.fdb", str(database)),
        ("minimum_size: 1MB", "minimum_size: 50kB"),
        ("    environment:", "    environment:\n      FIREBIRD_LOCK: env:LOCKS\n      FIREBIRD_TMP: env:LOCKS"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def ledger(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("ledger")
    firebird = Firebird(folder=folder)
    firebird.make(folder / "kttc.fdb")
    installation = new_installation(folder / "etc", custodian, "disk=disk")
    installation.policy(LEDGER, ledger_policy(folder / "kttc.fdb"))
    installation.secret("kttc.user", "SYSDBA\n")
    installation.secret("kttc.password", CANARY)
    office = Office(installation=installation, firebird=firebird, taken=folder / "taken.fdb")
    office.drorch("backup", LEDGER)
    shutil.copy(folder / "kttc.fdb", office.taken)
    firebird.isql(folder / "kttc.fdb", b"UPDATE VOUCHER SET AMOUNT = 0; DELETE FROM VOUCHER WHERE ID > 9; COMMIT;")
    return office


def test_a_firebird_ledger_comes_back_equal(ledger: Office, tmp_path: Path) -> None:
    back = tmp_path / "back.fdb"
    answer = ledger.restore(f"command:{back}")
    answer.told("every byte as at backup", "check it:", "gfix -v -full")
    answer.fits()
    assert ledger.firebird.differences(ledger.taken, back) == []
    ledger.restore(f"command:{back}", expect=72).told("gbak failed", "already exists")
    assert ledger.firebird.differences(ledger.taken, back) == []


def test_the_judge_of_ledgers_sees_what_differs(ledger: Office, tmp_path: Path) -> None:
    other = tmp_path / "other.fdb"
    for change, where in (
        (b"UPDATE VOUCHER SET AMOUNT = AMOUNT + 0.01 WHERE ID = 77", "VOUCHER"),
        (b"UPDATE VOUCHER SET SCAN = x'00FF0D0A1B' WHERE ID = 2", "VOUCHER"),
        (b"DROP INDEX VOUCHER_BOOKED", "definitions"),
    ):
        shutil.copy(ledger.taken, other)
        ledger.firebird.isql(other, change + b"; COMMIT;")
        assert ledger.firebird.differences(ledger.taken, other) == [where]


def test_a_bare_machine_gets_the_bytes_and_gbak_takes_them(ledger: Office, tmp_path: Path) -> None:
    at = ("--store", str(ledger.installation.base / "disk"), "--trust", ledger.installation.trust)
    words = (*COMMAND, "restore", f"latest:{LEDGER}", *at, *ledger.installation.custodian.opens, "--to")
    run([*words, "command:/x.fdb"], expect=2, cwd=tmp_path).told("no policy here", "--to file:PATH")
    answer = run([*words, "file:ledger.fbk"], cwd=tmp_path)
    answer.told("the policy brought such a file back by:", "gbak -c stdin {target}")
    answer.fits()
    reader = [sys.executable, str(SAMPLE.parents[1] / "tools/recover.py"), str(ledger.installation.base / "disk")]
    opens = ["--trust", ledger.installation.trust, *ledger.installation.custodian.opens]
    run([*reader, *opens, "restore", f"latest:{LEDGER}", "--to", str(tmp_path / "recovered")], env=dict(os.environ))
    assert (tmp_path / "recovered/00000-output").read_bytes() == (tmp_path / "ledger.fbk").read_bytes()
    gbak = ["gbak", "-c", str(tmp_path / "ledger.fbk"), str(tmp_path / "back.fdb")]
    run(gbak, env=ledger.firebird.environment)
    assert ledger.firebird.differences(ledger.taken, tmp_path / "back.fdb") == []


def test_a_plan_starts_nothing_and_says_what_would_run(ledger: Office, tmp_path: Path) -> None:
    place = f"command:{tmp_path}/back.fdb"
    answer = ledger.restore(place, "--plan")
    answer.told("Nothing stands in the way", "gbak: nobody else could have written it", "up to it")
    answer.fits()
    ledger.restore(place, "--plan", "--replace", "--table", "public.x", expect=70).told("--replace cannot be kept")
    assert list(tmp_path.iterdir()) == []


def test_a_restore_needs_the_command_of_a_policy_of_this_machine(ledger: Office, tmp_path: Path) -> None:
    """What stands in the snapshot is told and never run: whoever writes snapshots must not choose what runs at a restore."""
    installation = ledger.installation.copy(tmp_path / "etc")
    elsewhere = Office(installation=installation, firebird=ledger.firebird, taken=ledger.taken)
    path = installation.base / f"policies/{LEDGER}.yaml"
    text = path.read_text()
    path.unlink()
    elsewhere.restore("command:/x.fdb", expect=14).told("no policy", "--to file:PATH")
    installation.policy(
        LEDGER, f'name: {LEDGER}\nsource: {{sqlite: {{file: /x.db}}}}\nschedule: "0 1 * * *"\nstores: [disk]\n'
    )
    elsewhere.restore("command:/x.fdb", expect=2).told("is not restored by a command")
    installation.policy(LEDGER, text.replace("restore: [gbak, -c,", "restore: [gbak, -c, -v,"))
    answer = elsewhere.restore(f"command:{tmp_path}/back.fdb", "--plan")
    answer.told("at backup the policy restored by: gbak -c stdin {target}")


def test_doctor_and_show_say_what_will_run(ledger: Office) -> None:
    answer = ledger.drorch("doctor", LEDGER, expect=None)
    answer.told("capture: gbak is /usr/bin/gbak", "restore: gbak is /usr/bin/gbak", "verify: gfix is /usr/bin/gfix")
    shown = ledger.drorch("policy", "show", LEDGER)
    shown.told("what the program gbak writes (Firebird): less than 50 kB is a failure", "checked by gfix")
    assert "*" not in [line.split()[-1] for line in shown.out.splitlines() if "command." in line]


# -- programs that are not as good as gbak


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An installation with one command policy that each test writes."""

    installation: Installation

    @property
    def program(self) -> Path:
        return self.installation.base / "dump"

    def dumps_by(self, code: str, **more: str) -> None:
        self.program.write_text(
            f"#!{sys.executable} -I\nimport os, sys, time, signal\nout = sys.stdout.buffer\n{code}\n"
        )
        self.program.chmod(0o755)
        lines = "".join(f"    {key}: {value}\n" for key, value in ({"minimum_size": "1kB"} | more).items())
        self.installation.policy(
            "books",
            f'name: books\nschedule: "0 1 * * *"\nsource:\n  command:\n    capture: ["{self.program}"]\n'
            f'    restore: [cp, /dev/stdin, "{{target}}"]\n    environment: {{BOOKS_PASSWORD: file:secrets/books}}\n{lines}',
        )

    def snapshots(self) -> int:
        return len(self.installation.snapshots())


@pytest.fixture(scope="module")
def blank(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = new_installation(tmp_path_factory.mktemp("blank") / "etc", custodian, "disk=disk")
    installation.secret("books", CANARY)
    return installation


@pytest.fixture
def desk(blank: Installation, tmp_path: Path) -> Desk:
    return Desk(installation=blank.copy(tmp_path / "etc"))


@pytest.mark.parametrize(
    ("code", "more", "exit_code", "words"),
    [
        ("pass", {}, 20, "ended well and wrote nothing"),
        ("out.write(b'x' * 5000)", {"ends_with": "end"}, 20, "ends unlike a complete one"),
        ("out.write(b'x' * 5000); sys.exit('table locked')", {}, 20, "table locked"),
        ("out.write(b'x' * 5000); out.flush(); time.sleep(60)", {"stall_timeout": "1s"}, 25, "sent nothing for 1 s"),
    ],
    ids=["writes nothing", "cut", "fails", "hangs"],
)
def test_a_program_that_is_not_to_be_trusted_leaves_no_snapshot(
    desk: Desk, code: str, more: dict[str, str], exit_code: int, words: str
) -> None:
    desk.dumps_by(code, **more)
    answer = desk.installation.drorch("backup", "books", expect=exit_code)
    answer.told("books: ", words, "Nothing was stored")
    answer.fits()
    assert desk.snapshots() == 0
    assert programs_that_name(str(desk.program)) == []


@pytest.mark.parametrize("where", ["dump", "."])
def test_a_program_that_others_may_write_is_not_started(desk: Desk, where: str) -> None:
    desk.dumps_by(f"open({str(desk.installation.base / 'ran')!r}, 'w')")
    place = (desk.program.parent / where).resolve()
    place.chmod(0o770)
    answer = desk.installation.drorch("backup", "books", expect=29 if where == "dump" else 10)
    answer.told(str(place), "writable by others")
    assert not (desk.installation.base / "ran").exists()


def test_the_secret_is_in_the_programs_environment_and_nowhere_else(desk: Desk) -> None:
    desk.dumps_by("time.sleep(0.5); assert os.environ['BOOKS_PASSWORD']; out.write(b'x' * 5000)")
    for code in (None, "sys.exit('login failed: password=' + os.environ['BOOKS_PASSWORD'])"):
        if code:
            desk.dumps_by(code)
        process = desk.installation.start("backup", "books")
        try:
            with Watch(process.pid) as watch:
                out, err = process.communicate(timeout=60)
        finally:
            end(process)
        assert process.returncode == (20 if code else 0)
        assert CANARY.encode() not in watch.arguments
        assert CANARY not in out + err
        if not code:
            assert CANARY.encode() in watch.environments, "the program must have been seen"
    assert "login failed: password=(secret)" in err
    for folder in ("var", "disk", "policies"):
        for path in (desk.installation.base / folder).rglob("*"):
            assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path


def test_a_source_of_a_command_is_closed_when_its_bytes_came_back(desk: Desk) -> None:
    desk.dumps_by("out.write(b'x' * 5000)")
    words = ("--reason", "dissolved", "--legal-basis", "12/2026", *desk.installation.custodian.opens)
    answer = desk.installation.drorch("source", "close", "books", *words)
    answer.told("books is closed", "was restored whole")
    assert desk.snapshots() == 1


def test_ctrl_c_ends_the_program_that_ignores_the_polite_signal_too(desk: Desk) -> None:
    mark = desk.installation.base / "up"
    desk.dumps_by(
        f"signal.signal(15, signal.SIG_IGN); open({str(mark)!r}, 'w')\nwhile True: out.write(os.urandom(9999))"
    )
    process = desk.installation.start("backup", "books")
    try:
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)  # 2 s, and a busy machine
    finally:
        end(process)
    assert process.returncode == 130
    assert programs_that_name(str(desk.program)) == []
    assert desk.snapshots() == 0
