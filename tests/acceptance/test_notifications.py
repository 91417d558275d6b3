"""People hear what is wrong, once, and when it is over: the real command line, a listener of the test's own."""

from __future__ import annotations

import time

import pytest

from tests.support.installations import Installation, civil_policy
from tests.support.listener import Listener

CANARY = "canary-8f21"


@pytest.fixture
def telling(office: Installation, listener: Listener) -> Installation:
    """An office whose duty team has an address, and whose heartbeat is pinged."""
    office.secret("duty.url", listener.apprise)
    office.secret("beat.url", f"http://{listener.address}/beat/{CANARY}")
    with office.settings.open("a") as file:
        file.write("notifications:\n  duty-team: {url: file:secrets/duty.url}\n")
        file.write("heartbeat: {url: file:secrets/beat.url}\n")
    return office


def test_a_night_of_cron(telling: Installation, listener: Listener) -> None:
    telling.drorch("backup", "--quiet", "--notify", "civil")
    assert listener.titles() == []  # silence means success
    assert listener.paths == [f"/beat/{CANARY}"]

    telling.policy("gone", civil_policy(telling.base / "gone.db", "gone"))
    telling.drorch("backup", "--quiet", "--notify", "gone", expect=28)
    telling.drorch("backup", "--quiet", "--notify", "gone", expect=28)
    (message,) = listener.messages  # the second run has nothing new to say
    assert message["title"].endswith(": 1 new")
    assert "gone: no good snapshot yet, promised 24h  (rpo_missed)" in message["message"]
    assert "try: drorch doctor gone" in message["message"]
    assert listener.paths.count(f"/beat/{CANARY}") == 1

    (telling.base / "policies/gone.yaml").unlink()
    telling.drorch("notify", "run", "--quiet")
    last = listener.messages[1]
    assert last["title"].endswith(": 1 new, 1 over")  # it was used, and no policy names it now
    assert "gone: no policy protects it any more  (source_open)" in last["message"]
    assert "OVER  gone  (rpo_missed)" in last["message"]


def test_whoever_cannot_be_told_delays_nobody_and_is_shown(telling: Installation, listener: Listener) -> None:
    telling.drorch("backup", "civil")
    answer = telling.drorch("notify", "test")
    answer.told("ok duty-team")
    listener.answer = 500
    answer = telling.drorch("notify", "test", "duty-team", expect=80)
    answer.told("FAIL duty-team: the message was not taken: answer 500")
    telling.policy("gone", civil_policy(telling.base / "gone.db", "gone"))
    answer = telling.drorch("notify", "run", "--json", expect=80)
    assert [alert["code"] for alert in answer.json()["alerts"]] == ["rpo_missed"]
    assert answer.json()["messages"][0]["trouble"] == "the message was not taken: answer 500"
    assert CANARY not in answer.out + answer.err
    status = telling.drorch("status")
    status.told("NOTIFY duty-team 1 message could not be sent", "try: drorch notify test duty-team")
    status.fits()


@pytest.mark.slow
def test_a_target_that_never_answers_holds_up_a_backup_for_its_time_out_only(
    telling: Installation, listener: Listener
) -> None:
    listener.answer = 0
    telling.policy("gone", civil_policy(telling.base / "gone.db", "gone"))
    began = time.monotonic()
    telling.drorch("backup", "--notify", "gone", expect=28)
    assert time.monotonic() - began < 100
