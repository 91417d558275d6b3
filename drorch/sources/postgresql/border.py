"""Lets only our errors out, errors raised while iterating included."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from drorch.errors import SourceStalled
from drorch.sources.postgresql.failures import ConnectionLost, StatementRefused, source_error, target_error
from drorch.sources.postgresql.session import Stalled


@contextlib.contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Turn what a session raises into a ``SourceError`` that says what was being done."""
    try:
        yield
    except Stalled as error:
        raise SourceStalled(f"the server fell silent while {doing}", found=str(error)) from error
    except (StatementRefused, ConnectionLost) as error:
        raise source_error(error, doing) from error


@contextlib.contextmanager
def mapped_target(doing: str) -> Iterator[None]:
    """Turn what a session raises into a ``TargetError`` that says what was being done."""
    try:
        yield
    except (StatementRefused, ConnectionLost) as error:
        raise target_error(error, doing) from error
