"""What goes to a terminal commands nothing there, whoever wrote the names in it."""

from __future__ import annotations

import json

import pytest

from drorch.cli.output import Output
from drorch.errors import TargetRefused

NAME = "parcel\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eđất\x00"


def test_names_of_strangers_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.lines([f"  {NAME}", "Đức Trọng"])
    output.message(NAME)
    output.error(TargetRefused(f"{NAME} was refused", expected=NAME, found=f"one\n{NAME}", hint=NAME))
    out, err = capsys.readouterr()
    assert all(one.isprintable() or one == "\n" for one in out + err)
    assert r"parcel\x1b]0;owned\x07\x1b[2J" in out
    assert "Đức Trọng\n" in out


def test_programs_get_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).document("drorch.test/1", {"name": NAME})
    assert json.loads(capsys.readouterr().out)["name"] == NAME
