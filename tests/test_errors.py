"""The tree of errors keeps its own promises: stable codes in their ranges, one meaning each, nothing lost."""

import re
from collections import Counter
from itertools import combinations

import pytest

from drorch import errors
from drorch.errors import DrorchError, every_error
from tools.generate_docs import FAMILIES, family_of

RANGES = {
    errors.PolicyError: range(10, 20),
    errors.SourceError: range(20, 30),
    errors.StoreError: range(30, 40),
    errors.IntegrityError: range(40, 50),
    errors.TargetError: range(70, 80),
}
ALL = list(every_error())
CONCRETE = [error for error in ALL if family_of(error) is not None]


def by_name(error: type[DrorchError]) -> str:
    return error.__name__


def test_every_class_of_the_module_is_in_the_tree() -> None:
    defined = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DrorchError)}
    assert set(ALL) == defined


@pytest.mark.parametrize("error", ALL, ids=by_name)
def test_a_code_lies_in_the_range_of_its_family(error: type[DrorchError]) -> None:
    for family, codes in RANGES.items():
        assert (error.exit_code in codes) == issubclass(error, family)


def test_a_code_has_one_meaning_which_a_subclass_may_narrow() -> None:
    for one, other in combinations(CONCRETE, 2):
        assert one.exit_code != other.exit_code or issubclass(one, other) or issubclass(other, one), (one, other)


def test_no_two_errors_share_a_word() -> None:
    assert [word for word, count in Counter(error.slug for error in ALL).items() if count > 1] == []


def test_every_family_has_a_title_for_the_page() -> None:
    assert {family.slug for family in RANGES} <= set(FAMILIES)


@pytest.mark.parametrize("error", ALL, ids=by_name)
def test_each_class_says_what_happened_and_is_raised_with_both_sides(error: type[DrorchError]) -> None:
    assert error.__doc__
    assert re.fullmatch(r"[a-z][a-z-]*", error.slug)
    raised = error("the disk is full", expected="1 GB free", found="2 kB free", still_good="every older snapshot")
    assert str(raised) == raised.message == "the disk is full"
    assert (raised.expected, raised.found, raised.still_good) == ("1 GB free", "2 kB free", "every older snapshot")
    assert raised.hint == error.default_hint
    assert error("x", hint="make room").hint == "make room"


def test_the_drawing_shows_every_class_with_its_code_and_star() -> None:
    drawing = errors.__doc__ or ""
    drawn = {
        name: (star, int(code.split("-")[0]))
        for name, star, code in re.findall(r"── (\w+)(\*?)\s+(\d+(?:-\d+)?)", drawing)
    }
    actual = {
        error.__name__: ("*" if error.retryable else "", error.exit_code) for error in ALL if error is not DrorchError
    }
    assert drawn == actual


def test_retrying_is_for_what_may_pass_by_itself_only() -> None:
    assert not errors.Bug.retryable
    assert not any(error.retryable for error in ALL if issubclass(error, errors.PolicyError | errors.IntegrityError))


def test_the_arguments_survive_a_traceback_module() -> None:
    assert errors.StoreFull("no room").args == ("no room",)
