"""Consistency groups: the captures of several sources begin together, and their snapshots say whether they did.

No two servers share a snapshot. What a group gives is bounded: all captures begin within ``max_skew`` of each other,
databases before files; the measured skew is kept in every snapshot of the group; and the snapshots share an id only when all
of them were captured, in time. It is exact only where hooks hold the application still from before the first capture
begins until after the last one has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

from drorch.clock import Clock
from drorch.operations.hooks import HookFrame
from drorch.operations.interruption import Interruption
from drorch.quantities import format_duration, format_promise
from drorch.sources.interface import Json

GROUP_ID_BYTES = 16


class _Step(IntEnum):
    """How far a member has come."""

    PREPARING = 0
    READY = 1
    FROZEN = 2
    BEGUN = 3
    ENDED = 4
    LEFT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One source of a group. Lower ranks begin first: databases before files, and before whatever comes ``after`` them."""

    address: str
    rank: int
    hooks: HookFrame | None = None


class Together:
    """One run of a group; each member uses its ``frame`` from a thread of its own, and ``leave`` says that it has failed."""

    def __init__(
        self,
        name: str,
        members: Sequence[Member],
        *,
        max_skew_seconds: float,
        group_id: bytes,
        interruption: Interruption,
        clock: Clock,
    ) -> None:
        self.name = name
        self._members = {member.address: member for member in members}
        self._max_skew_seconds = max_skew_seconds
        self._group_id = group_id
        self._interruption = interruption
        self._clock = clock
        self._changed = threading.Condition()
        self._steps = dict.fromkeys(self._members, _Step.PREPARING)
        self._begun_at: dict[str, float] = {}

    def frame(self, address: str) -> GroupFrame:
        """Return what stands around the capture of a member."""
        return GroupFrame(self, self._members[address])

    def leave(self, address: str) -> None:
        """Say that a member will not come any further; whoever waits for it goes on without it. Says nothing of one that has ended."""
        with self._changed:
            if self._steps[address] is not _Step.ENDED:
                self._steps[address] = _Step.LEFT
                self._changed.notify_all()

    def has_ended(self, address: str) -> bool:
        """Whether the member was captured before: a run that is repeated comes too late for the group."""
        with self._changed:
            return self._steps[address] >= _Step.ENDED

    def reach(self, address: str, step: _Step) -> None:
        """Say how far a member has come."""
        with self._changed:
            if step is _Step.BEGUN:
                self._begun_at[address] = self._clock.monotonic_seconds()
            self._steps[address] = step
            self._changed.notify_all()

    def wait_for(self, step: _Step, *, below_rank: int | None = None) -> None:
        """Wait until all members, or those of lower rank, have come so far or have left; raises when the command is to end."""

        def has_come() -> bool:
            return self._interruption.reason is not None or all(
                self._steps[member.address] >= step
                for member in self._members.values()
                if below_rank is None or member.rank < below_rank
            )

        with self._interruption.cuts(self._wake), self._changed:
            self._changed.wait_for(has_come)
        self._interruption.require_none()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def skew_seconds(self) -> float:
        """How far apart the first and the last capture began."""
        moments = self._begun_at.values()
        return max(moments) - min(moments) if moments else 0.0

    @property
    def why_broken(self) -> str:
        """Why the snapshots are not of one moment; empty when they are, as far as ``max_skew`` goes. Final when all have ended."""
        missing = [address for address, step in self._steps.items() if step is not _Step.ENDED]
        if missing:
            return f"group {self.name} is not whole: {', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no capture"
        if self.skew_seconds > self._max_skew_seconds:
            skew, allowed = format_duration(self.skew_seconds), format_promise(round(self._max_skew_seconds))
            return f"group {self.name}: the captures began {skew} apart, {allowed} are allowed"
        return ""

    @property
    def group_id(self) -> bytes | None:
        """The id that the snapshots share; ``None`` when the group broke."""
        return None if self.why_broken else self._group_id

    def facts(self) -> Mapping[str, Json]:
        """Return what every snapshot of the group keeps of it."""
        why = self.why_broken
        return {
            "name": self.name,
            "id": self._group_id.hex(),
            "members": sorted(self._members),
            "skew_milliseconds": round(self.skew_seconds * 1000),
            "max_skew_seconds": round(self._max_skew_seconds),
            "together": not why,
            "exact": not why and any(member.hooks is not None for member in self._members.values()),
            "broken": why,
        }


class GroupFrame:
    """See ``Frame``: one member's part of a group's run."""

    def __init__(self, together: Together, member: Member) -> None:
        self._together = together
        self._member = member
        self._is_alone = False

    @contextmanager
    def around(self, tell: Callable[[str], None]) -> Iterator[None]:
        """See ``Frame``. All are ready, then all hooks freeze, then the captures begin by rank; hooks thaw when all have ended."""
        together, address = self._together, self._member.address
        self._is_alone = together.has_ended(address)
        with self._held(tell):
            if self._is_alone:
                yield
                return
            together.reach(address, _Step.FROZEN)
            together.wait_for(_Step.FROZEN)
            together.wait_for(_Step.BEGUN, below_rank=self._member.rank)
            yield
            together.reach(address, _Step.ENDED)
            together.wait_for(_Step.ENDED)
            tell(together.why_broken or self._told())

    @contextmanager
    def _held(self, tell: Callable[[str], None]) -> Iterator[None]:
        together, hooks = self._together, self._member.hooks
        try:
            if not self._is_alone:
                together.reach(self._member.address, _Step.READY)
                together.wait_for(_Step.READY)
            if hooks is None:
                yield
                return
            with hooks.around(tell):
                try:
                    yield
                except BaseException:
                    together.leave(self._member.address)  # before the hook that thaws: nobody is to wait for it
                    raise
        except BaseException:
            together.leave(self._member.address)
            raise

    def _told(self) -> str:
        exact = "exact as far as the hooks hold it still" if self._together.facts()["exact"] else "not exact: no hooks"
        return f"group {self._together.name}: began {format_duration(self._together.skew_seconds)} apart, {exact}"

    def begun(self) -> None:
        """See ``Frame``."""
        if not self._is_alone:
            self._together.reach(self._member.address, _Step.BEGUN)

    @property
    def group(self) -> bytes | None:
        """See ``Frame``."""
        return None if self._is_alone else self._together.group_id

    def facts(self) -> Mapping[str, Json]:
        """See ``Frame``."""
        hooks = {} if self._member.hooks is None else self._member.hooks.facts()
        found = dict(self._together.facts())
        if self._is_alone:
            found |= {"together": False, "exact": False, "broken": "captured again, after the others"}
        return {**hooks, "group": found}

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``Frame``."""
        of_hooks = () if self._member.hooks is None else self._member.hooks.warnings
        why = f"group {self._together.name}: captured again, after the others" if self._is_alone else ""
        why = why or self._together.why_broken
        return (*of_hooks, *((why,) if why else ()))
