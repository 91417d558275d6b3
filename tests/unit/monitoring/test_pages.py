"""Pages by HTTP: what is offered, what is not, and what goes wrong."""

from __future__ import annotations

import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from drorch.errors import SettingsInvalid
from drorch.monitoring.interface import Measure, Page
from drorch.monitoring.prometheus_text import prometheus_text
from drorch.monitoring.server import PageServer


def broken() -> Page:
    raise RuntimeError("canary")


@pytest.fixture
def server() -> Iterator[PageServer]:
    pages = {"/healthz": lambda: Page(status=200, kind="text/plain", content=b"ok\n"), "/broken": broken}
    found = PageServer("127.0.0.1:0", pages)
    yield found
    found.close()


def asked(server: PageServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{server.address}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        ("/healthz", 200, b"ok\n"),
        ("/healthz?probe=1", 200, b"ok\n"),
        ("/", 404, b"no such page\n"),
        ("/broken", 500, b"the page could not be made\n"),
    ],
)
def test_pages(server: PageServer, path: str, status: int, content: bytes) -> None:
    assert asked(server, path) == (status, content)


def test_an_address_of_version_6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # this machine has none
        with pytest.raises(SettingsInvalid):
            PageServer("[::1]:0", {})
        return
    found = PageServer("[::1]:0", {"/healthz": lambda: Page(status=200, kind="text/plain", content=b"ok\n")})
    try:
        assert found.address.startswith("[::1]:")
        assert asked(found, "/healthz") == (200, b"ok\n")
    finally:
        found.close()


def test_a_caller_that_breaks_off_leaves_no_word(capfd: pytest.CaptureFixture[str]) -> None:
    asked_for, is_gone = threading.Event(), threading.Event()

    def slow() -> Page:
        asked_for.set()
        is_gone.wait(60)
        return Page(status=200, kind="text/plain", content=b"x" * 2**20)

    found = PageServer("127.0.0.1:0", {"/slow": slow})
    host, port = found.address.split(":")
    caller = socket.create_connection((host, int(port)))
    caller.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
    assert asked_for.wait(60)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends by a reset
    caller.close()
    is_gone.set()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(60)
    found.close()
    assert capfd.readouterr() == ("", "")


def test_an_address_that_is_taken_is_said(server: PageServer) -> None:
    with pytest.raises(SettingsInvalid, match="nothing can be served on"):
        PageServer(server.address, {})


def test_the_text_is_that_of_prometheus() -> None:
    one = Measure(name="drorch_x", meaning="So many", labels=("source",), values={('a"b\\c\nđ',): 3.5})
    none = Measure(name="drorch_none", meaning="Nothing yet", values={})
    assert prometheus_text([one, none]).decode() == (
        '# HELP drorch_x So many\n# TYPE drorch_x gauge\ndrorch_x{source="a\\"b\\\\c\\nđ"} 3.5\n'
        "# HELP drorch_none Nothing yet\n# TYPE drorch_none gauge\n"
    )
