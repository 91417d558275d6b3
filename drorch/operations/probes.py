"""Ask a policy's probes inside a snapshot; a drill will ask them again of what was restored, and compare."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.errors import SourceError
from drorch.sources.interface import Asks


def ask_probes(capture: Asks, probes: Mapping[str, str]) -> dict[str, str]:
    """Return the answer to each probe by its name.

    Raises the ``SourceError`` of the first that fails, its name in front: a probe that cannot be asked at backup could prove nothing later.
    """
    return {name: _ask(capture, name, sql) for name, sql in probes.items()}


def _ask(capture: Asks, name: str, sql: str) -> str:
    try:
        return capture.ask(sql)
    except SourceError as error:
        error.message = f"probe {name}: {error.message}"
        error.args = (error.message,)
        error.hint = error.hint or f"try the SQL of `probes: {name}` as the backup account; it must yield one value"
        raise
