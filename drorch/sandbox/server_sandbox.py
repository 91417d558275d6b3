"""What sandboxes with a server of their own have in common."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drorch.sandbox.housing import House
from drorch.sandbox.interface import Isolation, WipeProof
from drorch.sandbox.isolation import shown
from drorch.sandbox.running import RunningServer

DATABASE = "drill"
_REFERENCE = f"{DATABASE}__reference"


class HasAddresses(Protocol):
    """A server that says by which address a database of it is reached."""

    def url(self, database: str) -> str:
        """Return the address of a database."""
        ...


@dataclass(slots=True, kw_only=True)
class ServerSandbox:
    """See ``Sandbox``. ``ends_by`` ends the server at once: nothing of it is needed any more."""

    product: str
    version: str
    server: HasAddresses
    lacks: tuple[str, ...]
    running: RunningServer
    house: House
    ends_by: signal.Signals
    password: Callable[[], str] | None = None
    is_throw_away: bool = True

    @property
    def description(self) -> str:
        """See ``Sandbox``."""
        return f"throw-away {self.product} {self.version}, {shown(self.isolation)}"

    @property
    def url(self) -> str:
        """See ``Sandbox``."""
        return self.server.url(DATABASE)

    @property
    def reference_url(self) -> str:
        """See ``Sandbox``."""
        return self.server.url(_REFERENCE)

    @property
    def isolation(self) -> Isolation:
        """See ``Sandbox``."""
        return self.running.isolation

    @property
    def is_out_of_time(self) -> bool:
        """See ``Sandbox``."""
        return self.running.is_out_of_time

    @property
    def scratch(self) -> Path:
        """See ``Sandbox``."""
        return self.house.scratch

    def stop(self) -> None:
        """See ``Sandbox``."""
        self.running.kill()

    def wipe(self) -> WipeProof:
        """See ``Sandbox``."""
        self.running.end(self.ends_by)
        return self.house.wipe(processes=1)
