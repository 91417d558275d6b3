"""Sandboxes without a server: a file, a directory, or the place where a policy's own restore command is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.sandbox.housing import House
from drorch.sandbox.interface import Isolation, WipeProof

_NAMES = {
    "sqlite": ("sqlite://", "SQLite file"),
    "files": ("files://", "directory"),
    "command": ("command:", "place for the restore command"),
    "file": ("file:", "file"),
}
_PLACE = "drill"
_BY_DRORCH = Isolation(has_no_network=True, account="", means=("written by drorch itself: no program is started",))
_BY_COMMAND = Isolation(
    has_no_network=False,
    account="",
    means=("the restore command of the policy runs as this account, with its network",),
)


@dataclass(slots=True)
class LocalPlace:
    """See ``Sandbox``."""

    engine: str
    house: House
    lacks: tuple[str, ...] = ()
    password: Callable[[], str] | None = None
    is_throw_away: bool = True
    version: str = ""
    reference_url: str = ""
    is_out_of_time: bool = False

    @property
    def description(self) -> str:
        """See ``Sandbox``."""
        return f"throw-away {_NAMES[self.engine][1]}"

    @property
    def url(self) -> str:
        """See ``Sandbox``."""
        return f"{_NAMES[self.engine][0]}{self.house.inside / _PLACE}"

    @property
    def isolation(self) -> Isolation:
        """See ``Sandbox``."""
        return _BY_COMMAND if self.engine == "command" else _BY_DRORCH

    @property
    def scratch(self) -> Path:
        """See ``Sandbox``."""
        return self.house.scratch

    def stop(self) -> None:
        """See ``Sandbox``: nothing works in it but this program, and a restore command that is cut short by itself."""

    def wipe(self) -> WipeProof:
        """See ``Sandbox``."""
        return self.house.wipe()


@contextmanager
def local_place(house: House, engine: str) -> Iterator[LocalPlace]:
    """Yield a place of that kind, deleted at the end."""
    place = LocalPlace(engine, house)
    try:
        yield place
    finally:
        place.wipe()
