"""An HTTP listener of the test's own: takes messages, refuses them, or says nothing at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Listener:
    """``answer`` is the number that requests get; 0: none, until the end."""

    def __init__(self) -> None:
        self.answer = 200
        self.paths: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.is_over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def apprise(self) -> str:
        """An address for apprise with a password in it."""
        return f"json://user:canary-8f21@{self.address}/hook-canary-8f21"

    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self._answer() == 200:
                listener.messages.append(json.loads(body))

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> int:
            listener.paths.append(self.path)
            if listener.answer == 0:
                listener.is_over.wait(60)
                return 0
            self.send_response(listener.answer)
            self.end_headers()
            return listener.answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def listener() -> Iterator[Listener]:
    """One that takes everything."""
    found = Listener()
    yield found
    found.close()
