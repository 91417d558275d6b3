"""What stands around a capture: hooks, and the other captures of a consistency group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from drorch.sources.interface import Json


class Frame(Protocol):
    """One capture's frame; used from the thread that captures."""

    def around(self, tell: Callable[[str], None]) -> AbstractContextManager[None]:
        """Return what is entered before the capture begins and left when it has ended; ``tell`` hears what the log keeps."""
        ...

    def begun(self) -> None:
        """The capture has begun: its moment is fixed."""
        ...

    @property
    def group(self) -> bytes | None:
        """The id that the snapshots of a group share, once the capture has ended; ``None`` without a group, or when it broke."""
        ...

    def facts(self) -> Mapping[str, Json]:
        """Return what the snapshot is to keep of its frame, once the capture has ended."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong around a capture that is good in itself."""
        ...


class NoFrame:
    """See ``Frame``: nothing around, nothing told."""

    group: bytes | None = None
    warnings: tuple[str, ...] = ()

    def around(self, tell: Callable[[str], None]) -> AbstractContextManager[None]:  # noqa: ARG002 - see Frame
        """See ``Frame``."""
        return nullcontext()

    def begun(self) -> None:
        """See ``Frame``."""

    def facts(self) -> Mapping[str, Json]:
        """See ``Frame``."""
        return {}
