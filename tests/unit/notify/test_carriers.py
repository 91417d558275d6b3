"""Messages arrive as they are; whatever goes wrong, no part of the address is told to anybody."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from drorch.errors import NotificationFailed
from drorch.notify.apprise_carrier import AppriseCarrier
from drorch.notify.http_switch import HttpSwitch
from drorch.notify.interface import Message
from drorch.policy.secret import Secret
from tests.support.listener import Listener

CANARY = "canary-8f21"
MESSAGE = Message(identity="7-duty", title="drorch on Đà Lạt: 1 new", body="Huyện Đức Trọng: last good 3d ago\n* raw *")


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    """What a program gets to read that lets every library log everything."""
    text, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


def refused(address: str) -> NotificationFailed:
    with pytest.raises(NotificationFailed) as caught:
        AppriseCarrier().send(Secret(address.encode()), MESSAGE, timeout_seconds=10)
    return caught.value


def told(error: BaseException) -> str:
    """Return all that a traceback of the error would show of its texts."""
    shown = f"{error!r} {getattr(error, 'found', '')} {getattr(error, 'expected', '')} {getattr(error, 'hint', '')}"
    below = None if error.__suppress_context__ else error.__context__
    return shown + ("" if below is None else told(below))


def test_a_message_arrives_as_it_is(listener: Listener) -> None:
    AppriseCarrier().send(Secret(listener.apprise.encode()), MESSAGE, timeout_seconds=20)
    (found,) = listener.messages
    assert (found["title"], found["message"]) == (MESSAGE.title, MESSAGE.body)


@pytest.mark.parametrize("answer", [401, 500])
def test_a_refusal_says_the_answer_and_not_the_address(
    listener: Listener, answer: int, capfd: pytest.CaptureFixture[str], journal: io.StringIO
) -> None:
    listener.answer = answer
    error = refused(listener.apprise)
    assert error.found == f"answer {answer}"
    assert CANARY not in told(error)
    assert capfd.readouterr() == ("", "")
    assert CANARY not in journal.getvalue()


def test_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refused(f"json://user:{CANARY}@127.0.0.1:{taken.getsockname()[1]}/{CANARY}")
    assert CANARY not in told(error)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", [f"no-such-kind://{CANARY}", f"{CANARY}", f"json://[{CANARY}"])
def test_an_address_of_no_kind(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert CANARY not in told(refused(address))
    assert capfd.readouterr() == ("", "")


def test_a_heartbeat_is_one_request(listener: Listener) -> None:
    HttpSwitch().ping(Secret(f"http://{listener.address}/ping/{CANARY}".encode()), timeout_seconds=20)
    assert listener.paths == [f"/ping/{CANARY}"]


@pytest.mark.parametrize(
    "address", ["http://{}/" + CANARY, "http://127.0.0.1:1/" + CANARY, "ftp://{}/" + CANARY, "http://[" + CANARY]
)
def test_a_heartbeat_that_is_refused_tells_no_address(listener: Listener, address: str) -> None:
    listener.answer = 404
    with pytest.raises(NotificationFailed) as caught:
        HttpSwitch().ping(Secret(address.format(listener.address).encode()), timeout_seconds=10)
    assert CANARY not in told(caught.value)


def garbage() -> tuple[socket.socket, int]:
    """Return a socket that answers its first caller with what is no HTTP, and its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listening.accept()[0] as caller:
            caller.recv(4096)
            caller.sendall(f"{CANARY}\r\n\r\n".encode())

    threading.Thread(target=answer, daemon=True).start()
    return listening, listening.getsockname()[1]


def test_a_switch_that_answers_what_is_no_http_took_nothing() -> None:
    listening, port = garbage()
    with listening, pytest.raises(NotificationFailed) as caught:
        HttpSwitch().ping(Secret(f"http://127.0.0.1:{port}/{CANARY}".encode()), timeout_seconds=30)
    assert caught.value.found == "BadStatusLine"
    assert CANARY not in told(caught.value)


def test_an_address_that_is_none_is_not_told() -> None:
    with pytest.raises(NotificationFailed) as caught:
        HttpSwitch().ping(Secret(f"http://127.0.0.1:{CANARY}/".encode()), timeout_seconds=30)
    assert CANARY not in told(caught.value)
