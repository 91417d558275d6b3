"""Tell systemd how the service stands: ready, reloading, stopping, alive (sd_notify(3)). Silent where nobody asks."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress


class NotifySocket:
    """The socket that systemd names in ``NOTIFY_SOCKET``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """The service runs, or runs again after a reload."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, monotonic_microseconds: int) -> None:
        """The configuration is read again; ``ready`` says when that is over."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")

    def stopping(self, status: str) -> None:
        """The service ends in order."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """The service does not hang."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(self._address)
            channel.sendall(text.encode())
