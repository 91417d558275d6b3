"""A drill report as the object that is stated, stored and shown by ``--json``, and back; the two directions undo each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from drorch.errors import ReportInvalid
from drorch.evidence.drill_report import DrillReport

_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


def report_document(report: DrillReport) -> dict[str, Any]:
    """Return the report as maps, lists, texts, whole numbers, booleans and ``None``; every field of it, by its own name."""
    document = _plain(report)
    assert isinstance(document, dict)
    return document


def report_of(document: Mapping[str, Any]) -> DrillReport:
    """Return the report that ``document`` is of; raise ``ReportInvalid``. Keys that a later version added are left aside."""
    report = _value(document, DrillReport, "report")
    assert isinstance(report, DrillReport)
    if not report.timeline:
        raise ReportInvalid("a drill report without a timeline", expected="the moment it was declared", found="none")
    return report


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(_MOMENT)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@lru_cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _value(found: Any, kind: Any, place: str) -> Any:
    """Return ``found`` as a value of the type ``kind``; ``place`` says where it stands."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        inner = [one for one in get_args(kind) if one is not NoneType]
        return None if found is None else _value(found, inner[0], place)
    if origin is tuple:
        return tuple(_value(one, get_args(kind)[0], f"{place}[{at}]") for at, one in enumerate(_a(list, found, place)))
    if origin is not None:  # a map of texts
        return {key: _value(one, get_args(kind)[1], f"{place}.{key}") for key, one in _a(dict, found, place).items()}
    if is_dataclass(kind):
        return _built(kind, _a(dict, found, place), place)
    if kind is datetime or issubclass(kind, Enum):
        return _read(kind, _a(str, found, place), place)
    if kind is int and isinstance(found, bool):
        raise _unlike(place, int, found)
    return _a(kind, found, place)


def _built(kind: Any, found: Mapping[str, Any], place: str) -> Any:
    absent = [field.name for field in fields(kind) if field.name not in found and field.default is MISSING]
    if absent:
        raise ReportInvalid(f"{place} is not whole", expected=", ".join(absent), found="nothing")
    hints = _hints(kind)
    names = [field.name for field in fields(kind) if field.name in found]
    return kind(**{name: _value(found[name], hints[name], f"{place}.{name}") for name in names})


def _read(kind: Any, text: str, place: str) -> Any:
    try:
        return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC) if kind is datetime else kind(text)
    except ValueError as error:
        raise _unlike(place, kind, text) from error


def _a(kind: type[Any], found: Any, place: str) -> Any:
    if not isinstance(found, kind):
        raise _unlike(place, kind, found)
    return found


def _unlike(place: str, kind: Any, found: Any) -> ReportInvalid:
    return ReportInvalid(f"{place} is not what it must be", expected=kind.__name__, found=repr(found)[:80])
