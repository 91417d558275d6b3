"""Every way in which libpq or a server says no becomes one of our errors, without a row's content."""

from __future__ import annotations

import pytest

from drorch import errors
from drorch.sources.postgresql.failures import (
    ConnectionLost,
    StatementRefused,
    connection_error,
    refusal,
    source_error,
    target_error,
)


@pytest.mark.parametrize(
    ("state", "message", "kind"),
    [
        ("28P01", "password authentication failed", errors.SourceLoginFailed),
        ("28000", "no pg_hba.conf entry", errors.SourceLoginFailed),
        ("3D000", 'database "x" does not exist', errors.SourceMissing),
        ("42501", "permission denied for table t", errors.SourceRightsMissing),
        ("55P03", "canceling statement due to lock timeout", errors.SourceLocked),
        ("53200", "out of shared memory", errors.SourceLocked),
        ("53200", "out of memory", errors.CaptureFailed),
        ("40001", "canceling statement due to conflict with recovery", errors.StandbyLag),
        ("57014", "canceling statement due to conflict with recovery", errors.StandbyLag),
        ("57P01", "terminating connection due to administrator command", errors.SourceUnreachable),
        ("53300", "too many connections", errors.SourceUnreachable),
        ("XX001", "invalid page in block 7", errors.CaptureFailed),
    ],
)
def test_states_of_a_source(state: str, message: str, kind: type[errors.SourceError]) -> None:
    assert type(source_error(StatementRefused(state, message), "reading t")) is kind


def test_the_standby_conflict_names_both_cures() -> None:
    error = source_error(StatementRefused("40001", "canceling statement due to conflict with recovery"), "reading t")
    assert "hot_standby_feedback" in error.hint
    assert "max_standby_streaming_delay" in error.hint
    locks = source_error(StatementRefused("53200", "out of shared memory"), "x")
    assert "max_locks_per_transaction" in locks.hint


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            'connection to server at "h" failed: FATAL:  password authentication failed for user "u"',
            errors.SourceLoginFailed,
        ),
        ("fe_sendauth: no password supplied", errors.SourceLoginFailed),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', errors.SourceLoginFailed),
        ('FATAL:  role "u" does not exist', errors.SourceLoginFailed),
        ('FATAL:  database "d" does not exist', errors.SourceMissing),
        ("Connection refused", errors.SourceUnreachable),
        ("timeout expired", errors.SourceUnreachable),
        ("SSL error: certificate verify failed", errors.SourceUnreachable),
        ("could not translate host name", errors.SourceUnreachable),
        ("FATAL:  the database system is starting up", errors.SourceUnreachable),
        ("server closed the connection unexpectedly", errors.SourceUnreachable),
        ("FATAL:  terminating connection due to administrator command", errors.SourceUnreachable),
        ("FATAL:  xác thực mật khẩu không thành công", errors.SourceLoginFailed),
    ],
)
def test_words_of_libpq(text: str, kind: type[errors.SourceError]) -> None:
    assert type(connection_error(text, "logging in")) is kind
    assert type(source_error(ConnectionLost(text), "logging in")) is kind


def test_no_value_of_a_row_leaves() -> None:
    refused = refusal(
        "22P02", 'invalid input syntax for type integer: "Nguyễn Văn A"', 'COPY t, line 17, column area: "Nguyễn Văn A"'
    )
    error = target_error(refused, "the rows of t")
    told = error.message + error.found + error.hint
    assert "Nguyễn" not in told
    assert "row 17, column area" in told
    assert "22P02" in told


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", errors.TargetFull),
        ("57P01", errors.TargetUnreachable),
        ("23505", errors.TargetRefused),
        ("42501", errors.TargetRefused),
    ],
)
def test_states_of_a_target(state: str, kind: type[errors.TargetError]) -> None:
    assert type(target_error(StatementRefused(state, "no"), "x")) is kind
    assert type(target_error(ConnectionLost("gone"), "x")) is errors.TargetUnreachable
