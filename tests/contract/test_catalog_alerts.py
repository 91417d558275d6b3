"""What every catalog promises of alerts and messages, tried on SQLite and on a real PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from drorch.catalog.interface import AlertBook, AlertRecord, Catalog, CopyState, MessageRecord, Severity
from tests.support.catalogs import START, a_copy, a_snapshot, after, an_event


def an_alert(subject: str = "land", **changes: object) -> AlertRecord:
    values: dict[str, object] = {
        "code": "rpo_missed",
        "subject": subject,
        "policy": "land",
        "severity": Severity.ERROR,
        "text": "chưa có bản chụp nào",
        "opened_at": START,
        "told": {},
    }
    return AlertRecord(**values | changes)  # type: ignore[arg-type]


def a_message(message: str = "1-duty", **changes: object) -> MessageRecord:
    values: dict[str, object] = {
        "message": message,
        "target": "duty",
        "created_at": START,
        "title": "drorch on backup1: 1 new",
        "body": "PROBLEM  land",
        "not_before": START,
    }
    return MessageRecord(**values | changes)  # type: ignore[arg-type]


def test_a_new_catalog_has_an_empty_book(catalog: Catalog) -> None:
    assert catalog.alert_book() == AlertBook(edition=0, alerts=())
    assert catalog.waiting_messages() == ()


def test_alerts_messages_and_events_are_written_together(catalog: Catalog) -> None:
    told = an_alert(told={"duty": "2026-11-22T01:04:11+00:00"})
    assert catalog.change_alerts(0, [told, an_alert("hr")], [a_message()], [an_event(kind="alert-opened")])
    assert catalog.alert_book() == AlertBook(edition=1, alerts=(an_alert("hr"), told))
    assert catalog.waiting_messages() == (a_message(),)
    assert [event.kind for event in catalog.events()] == ["alert-opened"]
    assert catalog.change_alerts(1, [], [])
    assert catalog.alert_book() == AlertBook(edition=2, alerts=())


def test_whoever_read_an_older_edition_writes_nothing(catalog: Catalog) -> None:
    assert catalog.change_alerts(0, [an_alert()], [])
    for old in (0, 7):
        assert not catalog.change_alerts(old, [], [a_message()], [an_event()])
    assert catalog.alert_book() == AlertBook(edition=1, alerts=(an_alert(),))
    assert (catalog.waiting_messages(), catalog.events()) == ((), ())


def test_a_message_is_put_once(catalog: Catalog) -> None:
    catalog.change_alerts(0, [], [a_message()])
    sent = replace(a_message(), is_delivered=True, ended_at=after(5), attempts=1)
    catalog.put_message(sent)
    catalog.change_alerts(1, [], [a_message(title="again"), a_message("2-duty")])
    assert catalog.message("1-duty") == sent
    assert [message.message for message in catalog.waiting_messages()] == ["2-duty"]
    assert catalog.message("nobody") is None


def test_a_message_is_tried_by_one_at_a_time(catalog: Catalog) -> None:
    catalog.change_alerts(0, [], [a_message()])
    assert catalog.claim_message("1-duty", until=after(60), now=START)
    assert not catalog.claim_message("1-duty", until=after(90), now=after(30))
    assert catalog.claim_message("1-duty", until=after(120), now=after(60))  # the first was killed
    catalog.put_message(replace(a_message(), attempts=1, trouble="answer 500", not_before=after(300)))
    assert catalog.claim_message("1-duty", until=after(400), now=after(300))
    catalog.put_message(replace(a_message(), ended_at=after(301)))
    assert not catalog.claim_message("1-duty", until=after(900), now=after(800))


def test_messages_that_ended_are_forgotten_in_time(catalog: Catalog) -> None:
    catalog.change_alerts(0, [], [a_message("a"), a_message("b"), a_message("c")])
    catalog.put_message(replace(a_message("a"), ended_at=after(1)))
    catalog.put_message(replace(a_message("b"), ended_at=after(9)))
    assert catalog.purge_messages(after(5)) == 1
    assert catalog.message("a") is None
    assert catalog.message("b") is not None
    assert [message.message for message in catalog.waiting_messages()] == ["c"]


@pytest.mark.parametrize(("skip", "days"), [(0, 3), (1, 2), (2, 1), (3, None)])
def test_the_good_snapshots_before_the_newest_are_found(catalog: Catalog, skip: int, days: int | None) -> None:
    for day in (1, 2, 3, 4):
        one = a_snapshot(restore_point=START + timedelta(days=day))
        catalog.record_snapshot(one, [a_copy(one, state=CopyState.COMPLETE if day < 4 else CopyState.DAMAGED)])
    found = catalog.newest_good_by_source(skip=skip).get("lamdong-land")
    assert (None if found is None else found.restore_point) == (None if days is None else START + timedelta(days=days))


def test_the_last_contact_with_a_store_is_its_newest_copy(catalog: Catalog) -> None:
    first, second = a_snapshot(), a_snapshot()
    catalog.record_snapshot(first, [a_copy(first, "hanoi"), replace(a_copy(first, "dalat"), stored_at=after(-60))])
    catalog.record_snapshot(second, [replace(a_copy(second, "hanoi"), stored_at=after(60))])
    catalog.record_copy(a_copy(second, "phuquoc", CopyState.BEHIND))
    assert catalog.last_contact_by_store() == {"hanoi": after(60), "dalat": after(-60)}
