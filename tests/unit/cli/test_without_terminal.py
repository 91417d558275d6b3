"""Secrets where nobody can be asked: by lines of stdin, or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from drorch.cli.keys import words_of_share
from tests.support.desk import Desk

SECRET_UNAVAILABLE = 12


def given(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    """Let stdin be these bytes, or closed."""
    stdin = None if content is None else io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\n"])
@pytest.mark.parametrize("words", [("keys", "generate", "other"), ("keys", "combine", "other")])
def test_whoever_cannot_be_asked_is_told_what_to_do(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], content: bytes | None
) -> None:
    given(monkeypatch, content)
    answer = desk.call(*words, "--directory", str(tmp_path))
    assert answer.code == SECRET_UNAVAILABLE, answer.err
    assert not list(tmp_path.glob("other*"))


def test_shares_and_the_new_passphrase_come_line_by_line(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def done(stdin: str, *words: str) -> None:
        given(monkeypatch, stdin.encode())
        answer = desk.call("keys", *words, "--directory", str(tmp_path), "--quiet")
        assert answer.code == 0, answer.err

    done("first words of all\n", "generate", "board")
    key = str(tmp_path / "board.key")
    done("first words of all\n", "split", "--key", key, "--threshold", "2", "--shares", "2")
    shares = [words_of_share(path) for path in sorted(tmp_path.glob("*share*"))]
    done("\n".join([*shares, "", "second words of all", ""]), "combine", "again")
    done("second words of all\n", "split", "--key", str(tmp_path / "again.key"), "--threshold", "2", "--shares", "2")
