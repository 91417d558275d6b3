"""What a run leaves in the catalog beside its record: its lines, and the error that ended it, for whoever asks next morning what it did (``drorch history --run ID``).

They hold names of stores and tables, numbers and errors; never a secret, a row's content or an answer of a probe.
"""

from __future__ import annotations

from collections.abc import Iterable

from drorch.catalog.interface import Catalog, LogLine
from drorch.clock import Clock
from drorch.errors import Bug, DrorchError, Interrupted, Terminated


class RunLog:
    """Writes each line at once, so that a run that is killed leaves what it had said."""

    def __init__(self, catalog: Catalog, run_id: str, clock: Clock) -> None:
        self._catalog = catalog
        self._run_id = run_id
        self._clock = clock

    def say(self, *lines: str) -> None:
        """Append lines; raises ``CatalogError``."""
        at = self._clock.now()
        self._catalog.append_log(self._run_id, [LogLine(at=at, text=line) for line in lines])

    def tell_error(self, error: DrorchError, what: str = "error") -> None:
        """Append what an error says, one line for each of its parts."""
        self.say(*error_lines(error, what))


def error_lines(error: DrorchError, what: str) -> Iterable[str]:
    """Yield an error's message, and what was expected, found and advised."""
    yield f"{what}: {error.message} ({error.slug})"
    for label in ("expected", "found", "hint"):
        for part in getattr(error, label).splitlines():
            yield f"  {label}: {part}"


def as_ours(error: BaseException, operation: str) -> DrorchError:
    """Return an error as the catalog keeps it; the text of a foreign one could hold a secret."""
    if isinstance(error, DrorchError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted")
    if isinstance(error, SystemExit):
        return Terminated("terminated")
    return Bug(f"{type(error).__name__} during a {operation}")
