"""Several actors on one store, one store call at a time, in the order that a test chooses: every interleaving can be replayed.

turns = Turns(store, pick)
outcomes = turns.run({"writer": lambda store: back_up(...), "sweeper": lambda store: ...})

Before each store call an actor waits for its turn; between two calls it runs freely. ``pick`` is given the names of those that wait and how many
calls each has made, and names the next. An actor that is never picked while others wait is a process under SIGSTOP.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from drorch.storage.interface import ObjectStat, ObjectStore
from tests.support.hooked_store import HookedStore

Result = TypeVar("Result")
Pick = Callable[[Mapping[str, int]], str]
PATIENCE_SECONDS = 300  # nobody waits so long but in a deadlock


class TurnStore(HookedStore):
    def __init__(self, store: ObjectStore, turns: Turns, actor: str) -> None:
        super().__init__(store)
        self._turns = turns
        self._actor = actor

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        self._turns.wait(self._actor, verb, name)
        return call()

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        self._turns.wait(self._actor, "list", prefix)
        return iter(list(self.store.list_objects(prefix)))  # now, not when it is iterated


class Turns:
    def __init__(self, store: ObjectStore, pick: Pick) -> None:
        self._store = store
        self._pick = pick
        self._lock = threading.Lock()
        self._state: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        self._tickets: dict[str, threading.Semaphore] = {}
        self.log: list[tuple[str, str, str]] = []

    def run(self, actors: Mapping[str, Callable[[ObjectStore], Any]]) -> dict[str, Any]:
        """Run all actors to their ends; return what each returned or raised."""
        outcomes: dict[str, Any] = {}

        def play(actor: str, act: Callable[[ObjectStore], Any]) -> None:
            try:
                outcomes[actor] = act(TurnStore(self._store, self, actor))
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcomes[actor] = error
            finally:
                self._leave(actor)

        self._state = dict.fromkeys(actors, "running")
        self._calls = dict.fromkeys(actors, 0)
        self._tickets = {actor: threading.Semaphore(0) for actor in actors}
        threads = [threading.Thread(target=play, args=item, daemon=True) for item in actors.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert outcomes.keys() == actors.keys(), f"nobody moves: {self._state} after {self.log[-5:]}"
        return outcomes

    def wait(self, actor: str, verb: str, name: str) -> None:
        """Called by an actor before a store call."""
        with self._lock:
            assert self._state[actor] == "running", f"{actor} makes two calls at once"
            self._state[actor] = "waiting"
            self._grant_next()
        assert self._tickets[actor].acquire(timeout=PATIENCE_SECONDS), f"{actor} waits for ever: {self._state}"
        self.log.append((actor, verb, name))

    def _leave(self, actor: str) -> None:
        with self._lock:
            self._state[actor] = "done"
            self._grant_next()

    def _grant_next(self) -> None:
        """Let one of those that wait make its call, once nobody runs."""
        if "running" in self._state.values():
            return
        waiting = {actor: self._calls[actor] for actor, state in self._state.items() if state == "waiting"}
        if waiting:
            chosen = self._pick(waiting)
            self._state[chosen] = "running"
            self._calls[chosen] += 1
            self._tickets[chosen].release()


def in_order(*order: str) -> Pick:
    """One after the other, each to its end."""
    return lambda waiting: next(actor for actor in order if actor in waiting)


def stopping(sleeper: str, after_calls: int, *others: str) -> Pick:
    """``sleeper`` makes so many calls, then the others run to their ends, then it wakes."""

    def pick(waiting: Mapping[str, int]) -> str:
        if sleeper in waiting and waiting[sleeper] < after_calls:
            return sleeper
        return next((actor for actor in others if actor in waiting), sleeper)

    return pick


def shuffled(seed: int) -> Pick:
    """A random walk that likes to stay with one actor for a while."""
    dice = random.Random(seed)
    last = ""

    def pick(waiting: Mapping[str, int]) -> str:
        nonlocal last
        if last not in waiting or dice.random() < 0.3:
            last = dice.choice(sorted(waiting))
        return last

    return pick
