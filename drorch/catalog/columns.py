"""Column types: how values lie in the catalog, the same in SQLite and PostgreSQL."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from drorch.clock import from_milliseconds, to_milliseconds

BigNumber = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER can number SQLite's rows by itself

_Choice = TypeVar("_Choice", bound=Enum)


def storable_text(text: str) -> str:
    """Return ``text`` in NFC, without what a database refuses: NUL and lone surrogates become visible escapes."""
    encoded = unicodedata.normalize("NFC", text).encode("utf-8", "backslashreplace")
    return encoded.decode("utf-8").replace("\0", "\\x00")


class NormalText(TypeDecorator[str]):
    """Text in NFC (``storable_text``)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what is stored."""
        return None if value is None else storable_text(value)


class Moment(TypeDecorator[datetime]):
    """An aware time, stored as whole milliseconds since 1970-01-01 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return what is stored."""
        return None if value is None else to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return what was stored."""
        return None if value is None else from_milliseconds(value)


class Choice(TypeDecorator[_Choice], Generic[_Choice]):
    """A member of an enumeration, stored as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, choices: type[_Choice]) -> None:
        super().__init__()
        self.choices = choices

    def process_bind_param(self, value: _Choice | None, dialect: Dialect) -> str | None:
        """Return what is stored."""
        return None if value is None else str(value.value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> _Choice | None:
        """Return what was stored."""
        return None if value is None else self.choices(value)


class JsonText(TypeDecorator[Mapping[str, Any]]):
    """A JSON object, stored as readable text: PostgreSQL's own JSON types refuse values that text takes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:
        """Return what is stored."""
        if value is None:
            return None
        # NUL is escaped by JSON itself; a lone surrogate's backslash form is its JSON escape
        return storable_text(json.dumps(dict(value), ensure_ascii=False, sort_keys=True))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any] | None:
        """Return what was stored."""
        return None if value is None else dict(json.loads(value))
