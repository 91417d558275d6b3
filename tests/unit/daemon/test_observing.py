import threading
from collections.abc import Callable
from typing import Any, cast

from drorch.daemon.observing import MOST_UNHEARD, Listeners, Observer
from tests.support.manual_clock import START

PATIENCE = 60.0


class Recorder:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.is_called = threading.Event()

    def beat(self, now: Any) -> None:
        self.is_called.set()
        self.may_go.wait(PATIENCE)
        self.heard.append(now)

    def troubled(self, what: str) -> None:
        raise RuntimeError(what)


def beats(number: Any) -> Callable[[Observer], None]:
    return lambda who: who.beat(number)


def observer(recorder: Recorder) -> Observer:
    return cast("Observer", recorder)


def test_everybody_hears_everything_in_order() -> None:
    one, other = Recorder(), Recorder()
    listeners = Listeners([observer(one), observer(other)])
    for number in range(50):
        listeners.tell(beats(number))
    listeners.close(PATIENCE)
    assert one.heard == other.heard == list(range(50))


def test_one_that_hangs_holds_up_nobody_and_fills_no_memory() -> None:
    hanging, well = Recorder(), Recorder()
    hanging.may_go.clear()
    listeners = Listeners([observer(hanging), observer(well)])
    listeners.tell(lambda who: who.beat(START))
    assert hanging.is_called.wait(PATIENCE)
    for number in range(MOST_UNHEARD + 500):
        listeners.tell(beats(number))
        if number % 100 == 0:
            while len(well.heard) < number // 2:  # the one that is well keeps up; a busy machine may need a moment
                threading.Event().wait(0.01)
    listeners.close(0.2)
    assert hanging.heard == []
    hanging.may_go.set()
    listeners.close(PATIENCE)
    assert hanging.heard[0] == START
    assert len(hanging.heard) == MOST_UNHEARD + 1
    assert hanging.heard[-1] == MOST_UNHEARD + 499


def test_what_a_listener_raises_is_kept_until_it_does_better() -> None:
    recorder = Recorder()
    listeners = Listeners([observer(recorder)])
    listeners.tell(lambda who: who.troubled("no route"))
    listeners.tell(lambda who: who.troubled("no route"))
    listeners.close(PATIENCE)
    assert listeners.failures == {"Recorder": "RuntimeError: no route"}
    again = Listeners([observer(recorder)])
    again.tell(lambda who: who.troubled("x"))
    again.tell(lambda who: who.beat(START))
    again.close(PATIENCE)
    assert again.failures == {}
