"""Reports as objects: both directions, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import ReportInvalid
from drorch.evidence.drill_document import report_document, report_of
from tests.support.drill_reports import drill_report


def test_a_report_comes_back_from_its_document_as_it_was() -> None:
    document = json.loads(json.dumps(report_document(drill_report())))
    assert report_of(document) == drill_report()


def test_keys_of_later_versions_are_left_aside() -> None:
    document = report_document(drill_report()) | {"mood": "good"}
    assert report_of(document) == drill_report()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from _places(item, (*path, key))


_PLACES = sorted(_places(report_document(drill_report())), key=str)


def _with(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    document = copy.deepcopy(report_document(drill_report()))
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


@given(place=st.sampled_from(_PLACES), value=st.sampled_from([None, True, 7, 1.5, "x", [], {}, [3], {"a": 1}]))
def test_a_document_that_was_changed_reads_as_another_report_or_is_refused(
    place: tuple[Any, ...], value: object
) -> None:
    try:
        report = report_of(_with(place, value))
    except ReportInvalid:
        return
    assert report_of(report_document(report)) == report


@pytest.mark.parametrize("place", [("verdict",), ("timeline",), ("rto", "target_ms"), ("checks", 0, "outcome")])
def test_what_contradicts_its_type_is_refused_by_name(place: tuple[Any, ...]) -> None:
    with pytest.raises(ReportInvalid, match=str(place[-1])):
        report_of(_with(place, "x" if place[-1] != "timeline" else []))
