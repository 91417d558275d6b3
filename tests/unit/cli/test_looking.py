"""Who hears what when a command with ``--notify`` ends."""

from __future__ import annotations

import pytest

from drorch.cli.invocation import Invocation
from drorch.cli.output import Output
from drorch.cli.watch.looking import told_afterwards
from drorch.errors import SourceError
from drorch.settings import load_settings
from tests.support.desk import Desk
from tests.support.listener import Listener


@pytest.fixture
def telling(desk: Desk, listener: Listener) -> Desk:
    (desk.base / "secrets/beat.url").write_text(f"http://{listener.address}/beat", encoding="utf-8")
    (desk.base / "secrets/beat.url").chmod(0o600)
    with (desk.base / "drorch.yaml").open("a", encoding="utf-8") as file:
        file.write("heartbeat: {url: file:secrets/beat.url}\n")
    return desk


def end_by(desk: Desk, error: BaseException | None) -> None:
    """Let a command end by ``error``; its last word to standard error is told by the output."""
    path = desk.base / "drorch.yaml"
    settings = load_settings(path, {})
    with told_afterwards(Invocation(config=path, output=Output()), settings, "drorch backup", ["civil"]):
        if error is not None:
            raise error


def test_the_switch_hears_only_of_a_command_that_ended_well(telling: Desk, listener: Listener) -> None:
    for error in (KeyboardInterrupt(), SystemExit(143), ZeroDivisionError(), SourceError("gone")):
        with pytest.raises(type(error)):
            end_by(telling, error)
    assert listener.paths == []
    end_by(telling, None)
    assert listener.paths == ["/beat"]


def test_why_a_command_failed_is_not_hidden_by_what_kept_people_from_being_told(telling: Desk) -> None:
    with (telling.base / "drorch.yaml").open("a", encoding="utf-8") as file:
        file.write("catalog: postgresql://nobody@127.0.0.1:1/none\n")
    with pytest.raises(SourceError):
        end_by(telling, SourceError("gone"))
    assert "nobody could be told" in telling.capsys.readouterr().err
