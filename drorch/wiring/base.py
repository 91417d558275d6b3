"""What every part of the wiring stands on: settings, clock, what is open, directories and secrets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from drorch.clock import Clock, SystemClock
from drorch.errors import SettingsInvalid
from drorch.operations.room import private_directory
from drorch.wiring.machine import random_bytes

if TYPE_CHECKING:
    from drorch.policy.secret import SecretReference
    from drorch.settings import Settings


class Base:
    """The settings of one command, and what must be closed at its end (it is a context manager)."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.random_bytes = random_bytes
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def temporary(self) -> Path:
        """Return the directory for temporary files, made with mode 0700; raise ``SettingsInvalid`` unless it is ours alone.

        By default it lies where everybody may make directories, and passwords pass through it.
        """
        return private_directory(self.settings.temporary_directory, "temporary")

    def cache(self) -> Path | None:
        """Return the directory of caches; ``None`` when it cannot be had, or others could write there: then there is none."""
        try:
            return private_directory(self.settings.cache_directory, "cache")
        except SettingsInvalid:
            return None

    def _text(self, reference: SecretReference | None) -> str | None:
        return None if reference is None else self.settings.reveal(reference).text()

    def _password(self, reference: SecretReference | None) -> Callable[[], str] | None:
        return None if reference is None else lambda: self.settings.reveal(reference).text()

    def _path(self, path: str | None) -> Path | None:
        return None if path is None else self.settings.resolve(path)
