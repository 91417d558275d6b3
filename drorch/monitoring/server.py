"""A small HTTP server for pages that are asked again and again: metrics and health. Reads nothing of what is sent."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from drorch.errors import SettingsInvalid
from drorch.monitoring.interface import Page, Pages

_NOT_FOUND = Page(status=404, kind="text/plain; charset=utf-8", content=b"no such page\n")
_BROKEN = Page(status=500, kind="text/plain; charset=utf-8", content=b"the page could not be made\n")
_LONGEST_REQUEST_SECONDS = 10


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a connection that its other end broke off; what a page raises is answered."""


class _SixServer(_Server):
    address_family = socket.AF_INET6


class PageServer:
    """Serves until it is closed; each request has a thread of its own."""

    def __init__(self, address: str, pages: Pages) -> None:
        host, _, port = address.rpartition(":")
        kind = _SixServer if host.startswith("[") else _Server
        try:
            self._server = kind((host.strip("[]"), int(port)), _handler(pages))
        except (OSError, OverflowError, ValueError) as error:
            raise SettingsInvalid(
                f"nothing can be served on {address}",
                found=str(error),
                hint="`metrics:` in drorch.yaml names another address, or `none`",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="pages")
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port that are served, as ``metrics:`` writes them."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if isinstance(self._server, _SixServer) else f"{host!s}:{port}"

    def close(self) -> None:
        """Serve nothing more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _LONGEST_REQUEST_SECONDS

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            try:
                page = _NOT_FOUND if make is None else make()
            except Exception:  # noqa: BLE001 - whoever asks must have an answer; what is wrong is an alert elsewhere
                page = _BROKEN
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            self.wfile.write(page.content)

        def log_message(self, *_: object) -> None:
            """Say nothing: a probe comes every few seconds."""

    return Handler
