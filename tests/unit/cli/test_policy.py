"""``drorch policy`` as a person and as a program see it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from drorch.errors import PolicyInvalid, PolicyUnknown, TargetRefused
from tests.support.desk import Desk
from tests.support.installations import ZONE
from tests.support.repositories import ManualClock


def test_one_database_in_two_policies_is_a_note_and_no_failure(desk: Desk) -> None:
    desk.policy("again")
    told = desk.drorch("policy", "validate")
    assert told.out == "OK  2 policies, no problem\n"
    assert " ".join(told.err.split()) == f"note again and civil both back up sqlite://{desk.civil}"
    document = desk.drorch("policy", "validate", "--json")
    assert document.json()["notes"] == [f"again and civil both back up sqlite://{desk.civil}"]
    assert (document.json()["ok"], document.err) == (True, "")
    assert desk.drorch("policy", "validate", "--quiet").err == ""


def test_without_twins_there_is_no_note(desk: Desk) -> None:
    assert desk.drorch("policy", "validate").err == ""
    assert desk.drorch("policy", "validate", "--json").json()["notes"] == []


def test_notes_do_not_hide_problems(desk: Desk) -> None:
    desk.policy("again")
    desk.policy("broken", "typo: 1\n")
    told = desk.drorch("policy", "validate", expect=PolicyInvalid.exit_code)
    assert "unknown key `typo`" in told.out
    assert "note  again and civil" in told.err


def test_the_text_of_a_policy_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(datetime(2026, 11, 20, 1, 0, tzinfo=UTC))
    monkeypatch.setattr("drorch.wiring.base.SystemClock", lambda: clock)
    settings = desk.base / "drorch.yaml"
    settings.write_text(settings.read_text().replace(str(ZONE), "Asia/Ho_Chi_Minh"))
    for day, description in ((20, "first"), (21, "second"), (22, "first")):  # it is changed, and changed back
        clock.seconds = datetime(2026, 11, day, 1, 0, tzinfo=UTC).timestamp()
        desk.policy("civil", f"description: {description}\n")
        desk.back_up()
    for moment, description in (
        ("2026-11-20T12:00:00Z", "first"),
        ("21/11/2026 20:00", "second"),  # in the configured zone
        ("22/11/2026 07:59", "second"),
        ("22/11/2026 08:01", "first"),
    ):
        assert f"description: {description}\n" in desk.drorch("policy", "show", "civil", "--at", moment).out
    document = desk.drorch("policy", "show", "civil/any", "--at", "2026-11-21T12:00:00Z", "--json").json()
    assert document["schema"] == "drorch.policy-text/1"
    assert document["sha256"] == hashlib.sha256(document["text"].encode()).hexdigest()
    assert "retention:" in document["text"]  # the defaults are in it: that is what was in force
    early = desk.drorch("policy", "show", "civil", "--at", "19/11/2026 12:00", expect=PolicyUnknown.exit_code)
    early.says("the catalog has no text of civil for that time")


def test_a_policy_that_is_gone_can_still_be_shown_as_it_was(desk: Desk) -> None:
    desk.back_up()
    (desk.base / "policies" / "civil.yaml").unlink()
    desk.drorch("policy", "show", "civil", "--at", "2099-01-01T00:00:00Z").says("name: civil")


def test_a_schema_that_cannot_be_written_is_said(desk: Desk) -> None:
    place = desk.base / "nowhere" / "schema.json"
    told = desk.drorch("policy", "schema", "--output", str(place), expect=TargetRefused.exit_code)
    assert f"{place} cannot be written" in " ".join(told.err.split())
