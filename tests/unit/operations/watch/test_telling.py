"""Everybody hears what is new once, and hears when it is over; nobody hears what is not theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from drorch.catalog.interface import AlertBook, MessageRecord, Severity
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.operations.watch.telling import Notice, Occasion, Plan, plan
from drorch.policy.installation import Notification
from drorch.policy.secret import SecretPlace, SecretReference
from tests.support.catalogs import START

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")  # START is 08:04 there
DUTY = Notification(name="duty", url=SecretReference(SecretPlace.FILE, "x"), when=(), after_seconds=0)
HEAD = replace(DUTY, name="head", when=("objective_missed",), after_seconds=86_400)
LATE = Alert(
    code=AlertCode.RPO_MISSED,
    subject="district/d595",
    policy="district",
    text="last good 3d ago, promised 24h",
    details="connection refused",
    remedy="drorch doctor district/d595",
    owner="gso2024:68",
    error="source-unreachable",
)
EMPTY = AlertBook(edition=0, alerts=())


def occasion(*targets: Notification, minutes: float = 0, notices: tuple[Notice, ...] = ()) -> Occasion:
    return Occasion(
        now=START + timedelta(minutes=minutes),
        zone=ZONE,
        host="backup1",
        targets=targets or (DUTY,),
        summary=("11 of 13 sources are inside their RPO",),
        notices=notices,
    )


def book_of(planned: Plan, edition: int = 1) -> AlertBook:
    return AlertBook(edition=edition, alerts=planned.alerts)


def only(planned: Plan) -> MessageRecord:
    (message,) = planned.messages
    return message


def test_what_is_new_is_told_once() -> None:
    first = plan(EMPTY, [LATE], occasion())
    assert only(first).title == "drorch on backup1: 1 new"
    assert only(first).body.splitlines()[:4] == [
        "PROBLEM  district/d595: last good 3d ago, promised 24h  (rpo_missed)",
        "    connection refused",
        "    try: drorch doctor district/d595",
        "    bản sao lưu tốt gần nhất đã quá thời hạn cam kết (RPO), hoặc chưa có: không kết nối được máy chủ nguồn",
    ]
    again = plan(book_of(first), [replace(LATE, text="last good 4d ago, promised 24h")], occasion(minutes=5))
    assert again.messages == ()
    assert [record.opened_at for record in again.alerts] == [START]
    assert [event.kind for event in first.events] == ["alert-opened"]
    assert again.events == ()


def test_what_is_over_is_told_to_whom_it_was_told() -> None:
    first = plan(EMPTY, [LATE], occasion(DUTY))
    over = plan(book_of(first), [], occasion(DUTY, replace(DUTY, name="new-here"), minutes=5))
    assert (only(over).target, only(over).title) == ("duty", "drorch on backup1: 1 over")
    assert only(over).body.startswith("OVER  district/d595  (rpo_missed)")
    assert over.alerts == ()
    assert [event.kind for event in over.events] == ["alert-over"]


def test_what_comes_back_is_new_again() -> None:
    first = plan(EMPTY, [LATE], occasion())
    over = plan(book_of(first), [], occasion(minutes=5))
    back = plan(book_of(over, 2), [LATE], occasion(minutes=9))
    assert only(back).title == "drorch on backup1: 1 new"
    assert only(back).message != only(first).message


def test_many_of_one_kind_are_one_message() -> None:
    many = [replace(LATE, subject=f"district/d{number:03d}") for number in range(484)]
    message = only(plan(EMPTY, many, occasion()))
    assert message.title == "drorch on backup1: 484 new"
    assert "district: 484 sources" in message.body
    assert "and 472 more" in message.body
    assert len(message.body) < 1_000


def test_after_waits_until_it_has_lasted_so_long() -> None:
    first = plan(EMPTY, [LATE], occasion(HEAD))
    assert first.messages == ()
    early = plan(book_of(first), [LATE], occasion(HEAD, minutes=24 * 60 - 1))
    assert early.messages == ()
    ripe = plan(book_of(early), [LATE], occasion(HEAD, minutes=24 * 60))
    assert only(ripe).target == "head"
    # what was over before anybody heard of it is not told as over
    assert plan(book_of(first), [], occasion(HEAD, minutes=5)).messages == ()


def test_each_hears_what_is_theirs() -> None:
    lamdong = replace(DUTY, name="lamdong", owners=("gso2024:68", "gso2024:67"))
    other = replace(DUTY, name="other", owners=("gso2024:0*",))
    targets = [DUTY, HEAD, lamdong, other]
    disk = Alert(code=AlertCode.DISK_FULL, subject="backup1:/var", text="full")
    note = replace(LATE, code=AlertCode.SCHEMA_CHANGED)
    found = plan(EMPTY, [LATE, disk, note], occasion(*targets))
    assert {message.target: message.title.rpartition(": ")[2] for message in found.messages} == {
        "duty": "2 new",
        "lamdong": "1 new",
    }


def test_a_policy_names_who_hears_of_it() -> None:
    named = replace(LATE, told_to=("duty",))
    found = plan(EMPTY, [named], occasion(DUTY, replace(DUTY, name="other-team")))
    assert [message.target for message in found.messages] == ["duty"]


def test_a_run_says_what_no_alert_says() -> None:
    notice = Notice(severity=Severity.ERROR, text="drorch backup land: the store does not answer", told_to=("duty",))
    found = plan(EMPTY, [LATE], occasion(DUTY, replace(DUTY, name="other"), notices=(notice,)))
    by_target = {message.target: message for message in found.messages}
    assert by_target["duty"].title == "drorch on backup1: 2 new"
    assert by_target["duty"].body.startswith("PROBLEM  drorch backup land: the store does not answer")
    assert "does not answer" not in by_target["other"].body


def test_the_digest_comes_once_a_day_after_its_time() -> None:
    daily = replace(DUTY, digest_minute=9 * 60)
    assert plan(EMPTY, [], occasion(daily)).messages == ()
    due = only(plan(EMPTY, [LATE], occasion(replace(daily, when=("error",), after_seconds=10**6), minutes=56)))
    assert due.message == "digest-2026-11-22-duty"
    assert due.title == "drorch on backup1: 1 open problem"
    assert due.body.splitlines()[0] == "11 of 13 sources are inside their RPO"
    later = only(plan(EMPTY, [], occasion(daily, minutes=300)))
    assert later.message == due.message  # the catalog takes it once
    assert later.title == "drorch on backup1: all is well"


def test_what_nobody_can_judge_is_not_told_as_over() -> None:
    first = plan(EMPTY, [LATE], occasion())
    unread = replace(occasion(minutes=5), judged=frozenset({"another"}))
    still = plan(book_of(first), [], unread)
    assert (still.alerts, still.messages) == (first.alerts, ())
    read = replace(occasion(minutes=9), judged=frozenset({"district"}))
    assert only(plan(book_of(still), [], read)).title == "drorch on backup1: 1 over"
