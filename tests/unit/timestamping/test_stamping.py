"""Time-stamps: a real authority (openssl), one that is silent, and stamps that fit nothing."""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.errors import EvidenceError, TimestampInvalid, TimestampPending
from drorch.evidence.drill_report import DrillReport
from drorch.operations.proof import stamping, verifying
from drorch.operations.proof.recording import statement_name
from drorch.operations.proof.stamping import StampReport
from drorch.timestamping.authority import request_stamp, stamped_time, verify_stamp
from drorch.wiring.proof import Proof
from tests.support.authority import authority
from tests.support.evidence import TRUSTED, bench, undrawn
from tests.support.statements import passing_report

DRILL = passing_report().drill


def test_an_authority_stamps_and_its_certificate_verifies(tmp_path: Path) -> None:
    with authority(tmp_path) as one, authority(tmp_path, "other") as other:
        raw, moment = request_stamp(one.address, b"statement")
        certificate, stranger = one.certificate.read_bytes(), other.certificate.read_bytes()
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 600
    assert verify_stamp(raw, b"statement", certificate) == moment
    for content, roots in ((b"another", certificate), (b"statement", stranger), (b"statement", b"no certificate")):
        with pytest.raises(TimestampInvalid):
            verify_stamp(raw, content, roots)
    with pytest.raises(TimestampInvalid):
        stamped_time(b"rubbish", b"statement")


def test_a_silent_authority_is_asked_again_and_holds_up_nothing() -> None:
    with pytest.raises(TimestampPending):
        request_stamp("http://127.0.0.1:9/", b"statement", timeout_seconds=5)


def test_an_authority_that_answers_drop_by_drop_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            with pytest.raises(TimestampPending):
                request_stamp(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"statement", timeout_seconds=1)
        finally:
            stop.set()
            thread.join(60)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    monkeypatch.delitem(sys.modules, "drorch.timestamping.authority", raising=False)
    monkeypatch.delattr("drorch.timestamping.authority", raising=False)
    for ask in (lambda: Proof.authority_asker(None), lambda: Proof.stamp_checker(None, b"")):  # type: ignore[arg-type]
        with pytest.raises(EvidenceError) as refused:
            ask()
        assert (refused.value.found, refused.value.hint) == ("none", "install drorch with the extra `drills`")


def test_a_drill_that_got_no_stamp_gets_it_with_the_next_one(tmp_path: Path) -> None:
    made, owed = bench(), tmp_path / "state" / "owed"
    first, second = undrawn(passing_report()), undrawn(passing_report("01KC0000"))

    def stamped(report: DrillReport, answers: bool) -> StampReport:  # noqa: FBT001 - one of two
        def ask(_authority: str, content: bytes) -> tuple[bytes, datetime]:
            if not answers:
                raise TimestampPending("silent")
            return b"token of " + content[:20], datetime(2026, 11, 22, tzinfo=UTC)

        made.drill(report)
        name = statement_name(report)
        return stamping.after_drills(made.writer, "http://tsa/", ask, {report.drill: name}, owed)

    silent = stamped(first, answers=False)
    assert (silent.stamped, silent.waiting, owed.exists()) == ((), (first.drill,), True)
    both = stamped(second, answers=True)
    assert (sorted(both.stamped), both.waiting, owed.exists()) == (sorted([first.drill, second.drill]), (), False)
    third = undrawn(passing_report("01KD0000"))
    assert stamped(third, answers=True).stamped == (third.drill,)


def test_what_is_owed_is_asked_for_without_a_drill_and_a_drill_meanwhile_stays_owed(tmp_path: Path) -> None:
    made, owed = bench(), tmp_path / "owed"
    drilled = made.drill()

    def silent(_authority: str, _content: bytes) -> tuple[bytes, datetime]:
        raise TimestampPending("silent")

    def answers(_authority: str, content: bytes) -> tuple[bytes, datetime]:
        return b"token of " + content[:20], datetime(2026, 11, 22, tzinfo=UTC)

    def meanwhile(address: str, content: bytes) -> tuple[bytes, datetime]:
        os.utime(owed, (1, 1))  # as a drill that begins to ask leaves it
        return answers(address, content)

    owed.touch()
    assert stamping.after_drills(made.writer, "http://tsa/", silent, {}, owed).waiting == (drilled.drill,)
    assert stamping.ask_again(made.writer, "http://tsa/", meanwhile, owed).stamps == {
        drilled.drill: "2026-11-22T00:00:00Z, http://tsa/"
    }
    assert owed.exists()
    assert stamping.ask_again(made.writer, "http://tsa/", answers, owed).waiting == ()
    assert not owed.exists()


def test_every_drill_without_a_stamp_gets_one_and_verifies(tmp_path: Path) -> None:
    made = bench()
    made.drill()

    def silent(_authority: str, _content: bytes) -> tuple[bytes, datetime]:
        raise TimestampPending("silent")

    waiting = stamping.run(made.writer, "http://nowhere/", silent)
    assert (waiting.stamped, waiting.waiting) == ((), (DRILL,))
    with authority(tmp_path) as one:
        assert stamping.run(made.writer, one.address, request_stamp).stamped == (DRILL,)
        assert stamping.run(made.writer, one.address, request_stamp).stamped == ()
        certificate = one.certificate.read_bytes()

    def found(roots: bytes | None) -> tuple[int, str]:
        checks = None if roots is None else lambda stamp, content: verify_stamp(stamp, content, roots)
        verification = verifying.run(made.dossier(), DRILL, TRUSTED, checks)
        (step,) = [step for step in verification.steps if step.name == "time-stamp"]
        return verification.exit_code, step.outcome.value

    assert found(certificate) == (0, "ok")
    assert found(None) == (0, "note")
    assert found(b"no certificate") == (60, "FAIL")
