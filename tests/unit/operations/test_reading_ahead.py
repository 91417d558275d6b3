"""Reading ahead: the same pieces, a bound on what is held, and an end that leaves no thread behind."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import CaptureFailed
from drorch.operations.reading_ahead import ALONE_BYTES, UNIT_BYTES, UNITS, read_ahead

PATIENCE_SECONDS = 60.0


def never() -> None:
    raise AssertionError("nothing was to be cut")


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "read"]


@given(
    sizes=st.lists(st.sampled_from((0, 1, UNIT_BYTES, UNIT_BYTES + 1, ALONE_BYTES, 3 * ALONE_BYTES)), max_size=40),
)
def test_the_pieces_are_the_same_in_the_same_order(sizes: list[int]) -> None:
    given_pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    with read_ahead(iter(given_pieces), never) as pieces:
        assert list(pieces) == given_pieces
    assert not threads()


def test_a_short_stream_starts_no_thread() -> None:
    with read_ahead(iter([b"x" * (ALONE_BYTES - 1)]), never) as pieces:
        assert next(pieces)
        assert next(pieces, None) is None
        assert not threads()


class Counting:
    """Pieces of one size, and how many of them somebody holds."""

    def __init__(self, size_bytes: int, count: int) -> None:
        self.piece, self.count = bytes(size_bytes), count
        self.asked = 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.asked += 1
            yield self.piece


@pytest.mark.parametrize(
    ("size_bytes", "most_ahead"),
    [(UNIT_BYTES, UNITS + 1), (4 * ALONE_BYTES, 1)],
    ids=["small pieces", "large ones: no second beside the one that is held"],
)
def test_no_more_is_held_than_it_says(size_bytes: int, most_ahead: int) -> None:
    source = Counting(size_bytes, 200)
    most, taken = 0, 0
    with read_ahead(iter(source), never) as pieces:
        for _ in pieces:
            taken += 1
            most = max(most, source.asked - taken)
    assert taken == 200
    assert most <= most_ahead


def test_what_the_source_raises_comes_after_its_pieces() -> None:
    def failing() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(UNIT_BYTES)
        raise CaptureFailed("the server went away")

    taken = 0
    with pytest.raises(CaptureFailed), read_ahead(failing(), lambda: None) as pieces:  # noqa: PT012  # counted on the way
        for _ in pieces:
            taken += 1
    assert taken == 30
    assert not threads()


def ask(pieces: Iterator[bytes | bytearray | memoryview]) -> None:
    with suppress(CaptureFailed):
        next(pieces, None)


def test_who_gives_up_while_the_source_is_silent_cuts_it() -> None:
    silent, is_cut = threading.Event(), threading.Event()

    def source() -> Iterator[bytes]:
        yield bytes(2 * ALONE_BYTES)
        silent.set()
        assert is_cut.wait(PATIENCE_SECONDS)
        raise CaptureFailed("it was cut")

    with pytest.raises(ZeroDivisionError), read_ahead(source(), is_cut.set) as pieces:  # noqa: PT012  # it fails amid the pieces
        assert next(pieces)
        starter = threading.Thread(target=ask, args=(pieces,), daemon=True)
        starter.start()  # what is read ahead begins when the second piece is asked for
        assert silent.wait(PATIENCE_SECONDS)
        raise ZeroDivisionError
    assert is_cut.is_set()
    assert not threads()
    starter.join(PATIENCE_SECONDS)
    assert not starter.is_alive()


def test_who_gives_up_while_much_is_ahead_leaves_no_thread() -> None:
    cuts = []
    source = Counting(UNIT_BYTES, 10_000)
    with pytest.raises(ZeroDivisionError), read_ahead(iter(source), lambda: cuts.append(1)) as pieces:  # noqa: PT012  # amid the pieces
        for number, _ in enumerate(pieces):
            if number == 100:
                raise ZeroDivisionError
    assert cuts
    assert source.asked < 200
    assert not threads()
