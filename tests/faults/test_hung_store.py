"""An S3 server that keeps a request and says nothing: Ctrl-C ends the process without waiting for it, and a run goes on in the other store.

One that is merely slow is waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.quirky_s3 import Answer, Next, Quirk, QuirkyS3, Request, Stored

PATIENCE_SECONDS = (
    30.0  # it takes 5 at most on a machine that is free; the server keeps a request twice as long as this
)
SLOW_BYTES_PER_SECOND = 10_000
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Hang:
    """Keeps every request of a method whose key holds ``part``."""

    def __init__(self, server: QuirkyS3, method: str, part: str) -> None:
        self.holds = threading.Event()
        self.let_go = threading.Event()
        server.plan(Quirk(fits=lambda request: request.method == method and part in request.key, act=self._act))

    def _act(self, request: Request, answer: Next) -> Answer:
        self.holds.set()
        self.let_go.wait(2 * PATIENCE_SECONDS)
        return answer(request)


@pytest.fixture
def server() -> Iterator[QuirkyS3]:
    with QuirkyS3() as server:
        yield server


@pytest.fixture
def cloud(desk: Desk, server: QuirkyS3) -> Desk:
    """The desk with its repository in the server's bucket in place of directories."""
    for path in sorted((desk.base / "disk").rglob("*")):
        if path.is_file():
            name = str(path.relative_to(desk.base / "disk"))
            server.buckets["bucket"][name] = Stored(path.read_bytes(), datetime.now(UTC), None)
    settings = (desk.base / "drorch.yaml").read_text(encoding="utf-8")
    front, _, rest = settings.partition("stores:\n")
    _, _, back = rest.partition("\nkeys:")
    stores = (
        f"stores:\n  cloud:\n    s3: s3://bucket/\n    endpoint: {server.endpoint}\n"
        "    access_key: file:secrets/id\n    secret_key: file:secrets/id\n"
    )
    text = f"{front}{stores}\nkeys:{back}".replace("stores: [disk, vault]", "stores: [cloud]")
    (desk.base / "drorch.yaml").write_text(text, encoding="utf-8")
    (desk.base / "secrets/id").write_text("key", encoding="utf-8")
    (desk.base / "secrets/id").chmod(0o600)
    return desk


def stop_when(desk: Desk, hang: Hang, number: signal.Signals, *words: str) -> tuple[int, float, str]:
    command = [sys.executable, "-m", "drorch", *words, "--config", str(desk.base / "drorch.yaml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert hang.holds.wait(120), "the request did not come"
            time.sleep(0.3)
            os.kill(process.pid, number)
            signalled_at = time.monotonic()
            _, told = process.communicate(timeout=120)
            return process.returncode, time.monotonic() - signalled_at, told
        finally:
            hang.let_go.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("method", "part"), [("PUT", "/p/"), ("PUT", "/m/"), ("GET", "trust/0"), ("GET", "")])
def test_a_backup_ends(cloud: Desk, server: QuirkyS3, number: signal.Signals, method: str, part: str) -> None:
    hang = Hang(server, method, part)
    code, seconds, told = stop_when(cloud, hang, number, "backup", "civil")
    assert (code, "Traceback" in told) == (CODES[number], False), told
    assert seconds < PATIENCE_SECONDS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_restore_ends(cloud: Desk, server: QuirkyS3, number: signal.Signals, tmp_path: Path) -> None:
    cloud.back_up()
    hang = Hang(server, "GET", "/p/")
    key = ("--key", str(cloud.base / "custodian.key"), "--passphrase-file", str(cloud.base / "passphrase"))
    target = tmp_path / "back.db"
    code, seconds, told = stop_when(cloud, hang, number, "restore", "latest:civil", "--to", f"sqlite://{target}", *key)
    assert (code, "Traceback" in told) == (CODES[number], False), told
    assert seconds < PATIENCE_SECONDS
    assert not target.exists()


def test_a_store_that_takes_ten_kilobytes_a_second_is_waited_for(cloud: Desk, server: QuirkyS3) -> None:
    passed_bytes = 0

    def trickle(request: Request, answer: Next) -> Answer:
        nonlocal passed_bytes
        answered = answer(request)
        passed_bytes += len(request.body) + len(answered.body)
        time.sleep((len(request.body) + len(answered.body)) / SLOW_BYTES_PER_SECOND)
        return answered

    server.plan(Quirk(fits=lambda _: True, act=trickle))
    began = time.monotonic()
    cloud.drorch("backup", "civil").says("civil ok", "copies=1/1")
    assert passed_bytes > 20_000
    assert time.monotonic() - began > passed_bytes / SLOW_BYTES_PER_SECOND / 4, "requests were kept, a few at a time"
    server.quirks.clear()
    cloud.drorch("verify", "civil").says("ok")


@pytest.mark.parametrize(("method", "part"), [("PUT", "/p/"), ("PUT", ".c"), ("GET", "/m/"), ("GET", "")])
def test_a_run_goes_on_in_the_other_store(cloud: Desk, server: QuirkyS3, method: str, part: str) -> None:
    """A request may take a second, and be tried again for three: that is waited for once in the run, and not five minutes."""
    settings = (cloud.base / "drorch.yaml").read_text(encoding="utf-8")
    settings = settings.replace("stores: [cloud]", "stores: [cloud, disk]")
    settings = settings.replace(
        "stores:\n  cloud:\n",
        "stores:\n  disk:\n    directory: disk\n  cloud:\n    answer_timeout: 1s\n    patience: 3s\n",
    )
    (cloud.base / "drorch.yaml").write_text(settings, encoding="utf-8")
    hang = Hang(server, method, part)
    try:
        began = time.monotonic()
        told = cloud.drorch("backup", "civil", expect=3)
        took = time.monotonic() - began
    finally:
        hang.let_go.set()
    assert hang.holds.is_set()
    told.says("PARTIAL", "copies=1/2")
    assert took < PATIENCE_SECONDS, took
