import pytest

from drorch.errors import CaptureFailed, SourceError, StoreError
from drorch.operations.probes import ask_probes


class Asked:
    """The part of a ``Capture`` that probes need."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sql: list[str] = []
        self._error = error

    def ask(self, sql: str) -> str:
        self.sql.append(sql)
        if self._error and sql == "bad":
            raise self._error
        return sql.upper()


def test_every_probe_is_asked_once_in_order() -> None:
    asked = Asked()
    assert ask_probes(asked, {"newest": "a", "parcels": "b"}) == {"newest": "A", "parcels": "B"}
    assert asked.sql == ["a", "b"]


def test_a_failing_probe_is_named_and_keeps_its_class() -> None:
    asked = Asked(CaptureFailed("it must yield one value", found="2 rows"))
    with pytest.raises(CaptureFailed) as caught:
        ask_probes(asked, {"newest": "a", "parcels": "bad", "never": "c"})
    assert caught.value.message == str(caught.value) == "probe parcels: it must yield one value"
    assert caught.value.found == "2 rows"
    assert "`probes: parcels`" in caught.value.hint
    assert asked.sql == ["a", "bad"]


def test_a_hint_that_is_there_stays() -> None:
    with pytest.raises(SourceError) as caught:
        ask_probes(Asked(SourceError("x", hint="do that")), {"p": "bad"})
    assert caught.value.hint == "do that"


def test_what_is_not_the_sources_fault_is_left_alone() -> None:
    with pytest.raises(StoreError) as caught:
        ask_probes(Asked(StoreError("the disk")), {"p": "bad"})
    assert caught.value.message == "the disk"
