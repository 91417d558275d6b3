"""Nothing is lost, nothing is sent twice, and who hangs or fails holds up nobody and is told of."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from drorch.catalog.interface import Catalog
from drorch.clock import Clock, SystemClock
from drorch.errors import NotificationFailed, SecretUnavailable
from drorch.notify.interface import Message
from drorch.operations.overview import overview
from drorch.operations.watch.delivery import GIVEN_UP_AFTER, NO_ANSWER, Post, deliver, ping_switch, try_targets
from drorch.operations.watch.round import keep_watch
from drorch.policy.installation import Heartbeat, Notification
from drorch.policy.secret import Secret, SecretPlace, SecretReference
from tests.contract.test_catalog_alerts import a_message
from tests.support.catalogs import START
from tests.support.manual_clock import ManualClock
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import DAY, HOUR, ZONE, alerts_of, backed_up, codes, facts_of

OFTEN = 8


class Fake:
    """Takes messages, but for the targets that fail or hang."""

    def __init__(self, *, failing: tuple[str, ...] = (), hanging: tuple[str, ...] = ()) -> None:
        self.taken: list[tuple[str, Message]] = []
        self.failing, self.hanging = failing, hanging
        self.is_over = threading.Event()

    def send(self, address: Secret, message: Message, *, timeout_seconds: float) -> None:
        del timeout_seconds
        target = address.text()
        if target in self.hanging:
            self.is_over.wait(60)
            return
        if target in self.failing:
            raise NotificationFailed("the message was not taken", found="answer 500")
        self.taken.append((target, message))

    def ping(self, address: Secret, *, timeout_seconds: float) -> None:
        self.send(address, Message(identity="", title="", body=""), timeout_seconds=timeout_seconds)


def target(name: str) -> Notification:
    return Notification(name=name, url=SecretReference(SecretPlace.FILE, name), when=(), after_seconds=0)


def post_of(fake: Fake, clock: Clock | None = None, seconds: float = 30) -> Post:
    return Post(
        carrier=fake,
        reveal=lambda reference: Secret(reference.name.encode()),
        clock=clock or ManualClock(START),
        timeout_seconds=seconds,
    )


def targets_of(*names: str) -> Mapping[str, Notification]:
    return {name: target(name) for name in names}


def put(catalog: Catalog, *names: str) -> None:
    catalog.change_alerts(catalog.alert_book().edition, [], [a_message(f"1-{name}", target=name) for name in names])


def test_what_arrived_is_not_sent_again(watched: Catalog) -> None:
    fake = Fake()
    put(watched, "duty")
    (first,) = deliver(watched, targets_of("duty"), post_of(fake))
    assert first.trouble == ""
    assert deliver(watched, targets_of("duty"), post_of(fake)) == ()
    ((_, message),) = fake.taken
    assert (message.title, message.body) == ("drorch on backup1: 1 new", "PROBLEM  land\n[1-duty]")


def test_one_that_hangs_holds_up_nobody_and_is_told(watched: Catalog) -> None:
    fake = Fake(hanging=("stuck",))
    put(watched, "stuck", "duty")
    began = time.monotonic()
    troubles = {
        one.message.target: one.trouble
        for one in deliver(watched, targets_of("stuck", "duty"), post_of(fake, SystemClock(), seconds=1))
    }
    fake.is_over.set()
    assert time.monotonic() - began < 30
    assert troubles == {"stuck": NO_ANSWER, "duty": ""}
    backed_up(watched)
    (alert,) = alerts_of(watched, START + HOUR)
    assert (alert.code.value, alert.subject) == ("notification_failed", "stuck")
    assert alert.text == f"1 message could not be sent: {NO_ANSWER}"


def test_one_that_fails_is_tried_again_later_and_then_well(watched: Catalog) -> None:
    fake, clock = Fake(failing=("duty",)), ManualClock(START)
    put(watched, "duty")
    pauses = []
    for _ in range(OFTEN):
        (found,) = deliver(watched, targets_of("duty"), post_of(fake, clock))
        assert found.trouble == "the message was not taken: answer 500"
        assert deliver(watched, targets_of("duty"), post_of(fake, clock)) == ()  # not at once
        (waiting,) = watched.waiting_messages()
        pauses.append((waiting.not_before - clock.now()).total_seconds())
        clock.sleep(pauses[-1])
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    fake.failing = ()
    deliver(watched, targets_of("duty"), post_of(fake, clock))
    assert (watched.waiting_messages(), len(fake.taken)) == ((), 1)
    backed_up(watched)
    assert alerts_of(watched, START + HOUR) == ()


def test_an_address_that_cannot_be_read_is_a_trouble_like_others(watched: Catalog) -> None:
    def reveal(reference: SecretReference) -> Secret:
        raise SecretUnavailable(f"the secret {reference} is empty")

    put(watched, "duty")
    (found,) = deliver(watched, targets_of("duty"), replace(post_of(Fake()), reveal=reveal))
    assert found.trouble == "the secret file:duty is empty"


def test_what_nobody_takes_for_a_week_and_what_has_no_target_ends_with_a_record(watched: Catalog) -> None:
    put(watched, "gone", "duty")
    late = ManualClock(START + GIVEN_UP_AFTER + timedelta(seconds=1))
    assert deliver(watched, targets_of("duty"), post_of(Fake(), late)) == ()
    assert watched.waiting_messages() == ()
    assert {event.message.split(":")[0] for event in watched.events(kinds=["message-given-up"])} == {"gone", "duty"}


def test_two_that_look_at_once_tell_it_once(watched: Catalog) -> None:
    fake, loaded = Fake(), load(POSTGRESQL)
    backed_up(watched)
    now = START + 3 * DAY
    found = overview(loaded.policies, (), watched, now=now, is_running=lambda _claim: True)

    def look() -> None:
        keep_watch(
            found,
            loaded.policies,
            facts_of(watched, now),
            catalog=watched,
            targets=targets_of("duty", "head"),
            post=post_of(fake, ManualClock(now)),
            zone=ZONE,
        )

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert sorted(name for name, _ in fake.taken) == ["duty", "head"]
    assert len(watched.events(kinds=["alert-opened"])) == 1


def test_a_trial_leaves_nothing_behind(watched: Catalog) -> None:
    fake = Fake(failing=("head",))
    found = try_targets([target("duty"), target("head")], post_of(fake), host="backup1")
    assert [one.trouble for one in found] == ["", "the message was not taken: answer 500"]
    assert [message.title for _, message in fake.taken] == ["drorch on backup1: a test"]
    assert watched.waiting_messages() == ()


def test_a_heartbeat_that_is_not_taken_is_told_until_it_is(watched: Catalog) -> None:
    backed_up(watched)
    beat = Heartbeat(url=SecretReference(SecretPlace.FILE, "beat"), every_seconds=300)
    fake = Fake(failing=("beat",))
    assert ping_switch(watched, beat, fake, post_of(fake)) == "the message was not taken: answer 500"
    assert deliver(watched, targets_of("duty"), post_of(fake)) == ()
    assert codes(alerts_of(watched, START + HOUR)) == ["notification_failed"]
    fake.failing = ()
    assert ping_switch(watched, beat, fake, post_of(fake)) == ""
    assert alerts_of(watched, START + HOUR) == ()
