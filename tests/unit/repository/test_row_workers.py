"""Rows digested in another process: the same digests, and an honest end when that process is gone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from drorch.errors import CaptureFailed
from drorch.format.digests import RowDigester, StreamDigest
from drorch.format.entries import ROW_FORMAT_LINES, ROW_FORMAT_PREFIXED
from drorch.repository.row_workers import LARGE_STREAM_BYTES, RowWorkers

KEY = bytes(range(32))
COLUMNS = {1: "float8"}
LINES = b"".join(b"%d\t%d.100000000000000006\tNguy\xe1\xbb\x85n\n" % (number, number) for number in range(5_000))
PREFIXED = b"".join(len(row).to_bytes(4, "big") + row for row in LINES.split(b"\n"))


@pytest.fixture
def workers() -> Iterator[RowWorkers]:
    made = RowWorkers()
    yield made
    made.close()


def begin(
    workers: RowWorkers, row_format: int = ROW_FORMAT_LINES, columns: dict[int, str] | None = None
) -> RowDigester:
    away = workers.begin(row_format, columns or {}, KEY, LARGE_STREAM_BYTES)
    assert away is not None
    return away


@pytest.mark.parametrize(
    ("row_format", "columns", "content"),
    [(ROW_FORMAT_LINES, {}, LINES), (ROW_FORMAT_LINES, COLUMNS, LINES), (ROW_FORMAT_PREFIXED, {}, PREFIXED)],
    ids=["lines", "lines with floats", "prefixed"],
)
def test_the_digest_is_the_one_that_is_made_here(
    workers: RowWorkers, row_format: int, columns: dict[int, str], content: bytes
) -> None:
    counts = []
    for rows in (None, begin(workers, row_format, columns), begin(workers, row_format, columns)):
        digest = StreamDigest(row_format, columns, KEY, rows)
        for start in range(0, len(content), 7_777):
            digest.feed(memoryview(content)[start : start + 7_777])
        counts.append(digest.finish())
    assert counts[0].rows
    assert counts == [counts[0]] * 3


def test_a_worker_is_used_again(workers: RowWorkers) -> None:
    for _ in range(3):
        away = begin(workers)
        away.feed(LINES)
        assert away.finish()[0] == 5_000
    assert len(workers._all) == 1


def test_a_small_stream_is_not_worth_a_process(workers: RowWorkers) -> None:
    assert workers.begin(ROW_FORMAT_LINES, {}, KEY, LARGE_STREAM_BYTES - 1) is None


def test_a_row_that_is_cut_short_is_told_in_the_same_words(workers: RowWorkers) -> None:
    told = []
    for rows in (None, begin(workers)):
        digest = StreamDigest(ROW_FORMAT_LINES, {}, KEY, rows)
        digest.feed(LINES[:-5])
        with pytest.raises(CaptureFailed) as caught:
            digest.finish()
        told.append((caught.value.message, caught.value.expected, caught.value.found))
    assert told[0] == told[1]


@pytest.mark.parametrize("moment", ["sending", "answering"])
def test_a_worker_that_dies_ends_the_stream(workers: RowWorkers, moment: str) -> None:
    away = begin(workers)
    away.feed(LINES)
    workers._all[0]._process.kill()
    workers._all[0]._process.wait(60)
    with pytest.raises(CaptureFailed, match="the process that digests rows is gone") as caught:
        away.feed(LINES) if moment == "sending" else away.finish()
    assert "memory" in caught.value.hint


def test_closing_frees_whoever_sends_to_a_worker_that_does_not_listen(workers: RowWorkers) -> None:
    away = begin(workers)
    raised: list[BaseException] = []
    workers._all[0]._process.send_signal(19)  # SIGSTOP: it takes nothing any more

    def send() -> None:
        try:
            while True:
                away.feed(LINES)
        except CaptureFailed as error:
            raised.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.3)
    assert sender.is_alive(), "the pipe must be full"
    workers.close()
    sender.join(60)
    assert len(raised) == 1
    with pytest.raises(CaptureFailed):
        begin(workers)


def test_a_system_without_room_for_a_process_says_so(workers: RowWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(CaptureFailed) as caught:
        begin(workers)
    assert caught.value.found == "No such file or directory"
