"""Time-stamps: a real authority (openssl), one that is silent, and stamps that fit nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.errors import TimestampInvalid, TimestampPending
from drorch.operations.proof import stamping, verifying
from drorch.timestamping.authority import request_stamp, stamped_time, verify_stamp
from tests.support.authority import authority
from tests.support.evidence import TRUSTED, bench
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
