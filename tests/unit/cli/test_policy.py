"""``drorch policy`` as a person and as a program see it."""

from __future__ import annotations

from drorch.errors import PolicyInvalid
from tests.support.desk import Desk


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
