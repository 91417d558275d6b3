"""A Unix socket in front of a PostgreSQL server that cuts every connection after so many bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from pathlib import Path
from typing import Self

from tests.support.postgresql import Server


class Relay:
    """Passes ``limit`` bytes of the server's answers in all (``None``: all of them), then cuts everything for good."""

    def __init__(self, server: Server, limit: int | None) -> None:
        self.directory = Path(f"{server.directory}/relay-{os.urandom(4).hex()}")
        self.directory.mkdir()
        self.sent = 0
        self._limit = limit
        self._behind = f"{server.directory}/.s.PGSQL.{server.port}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / f".s.PGSQL.{server.port}"))
        self._listener.listen(20)
        self._listener.settimeout(0.1)
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._cut()
        for thread in self._threads:
            thread.join()
        for end in (*self._ends, self._listener):
            end.close()
        shutil.rmtree(self.directory)

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                front, _ = self._listener.accept()
            except TimeoutError:
                continue
            front.setblocking(True)
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(self._behind)
            with self._lock:
                self._ends += [front, behind]
            self._begin(self._pass_on, front, behind)
            self._begin(self._pass_back, behind, front)

    def _pass_on(self, giver: socket.socket, taker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := giver.recv(65_536):
                taker.sendall(part)
        self._shut(giver, taker)

    def _pass_back(self, giver: socket.socket, taker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := giver.recv(65_536):
                with self._lock:
                    room = len(part) if self._limit is None else max(0, min(len(part), self._limit - self.sent))
                    self.sent += room
                taker.sendall(part[:room])
                if room < len(part):
                    self._cut()
                    break
        self._shut(giver, taker)

    def _cut(self) -> None:
        with self._lock:
            self._shut(*self._ends)

    def _shut(self, *ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
