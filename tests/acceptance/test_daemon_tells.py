"""A daemon tells people by itself, answers metrics and health, and pings its heartbeat."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.support.installations import LONGEST_SECONDS, Installation, civil_policy, end
from tests.support.listener import Listener
from tests.support.ports import free_port


def minds_hangups(pid: int) -> bool:
    """Whether SIGHUP does not end the process any more: it is ignored or handled."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn", "SigCgt"))]
    return any(mask >> (signal.SIGHUP - 1) & 1 for mask in masks)


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_daemon_tells_and_answers(office: Installation, listener: Listener) -> None:
    port = free_port()
    office.secret("duty.url", listener.apprise)
    office.secret("beat.url", f"http://{listener.address}/beat")
    with office.settings.open("a") as file:
        file.write("notifications:\n  duty-team: {url: file:secrets/duty.url}\n")
        file.write(f"heartbeat: {{url: file:secrets/beat.url}}\nmetrics: 127.0.0.1:{port}\n")
    office.policy("gone", civil_policy(office.base / "gone.db", "gone"))

    def page(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            with error:
                return ""
        except OSError:
            return ""

    process = office.start("daemon", "--drain", "5")
    try:
        eventually(lambda: minds_hangups(process.pid))
        for _ in range(20):  # while it starts, too
            os.kill(process.pid, signal.SIGHUP)
            time.sleep(0.05)
        eventually(lambda: page("/readyz") == "ready\n")
        assert page("/healthz") == "ok\n"
        assert 'drorch_alerts{code="rpo_missed",severity="error"}' in page("/metrics")
        eventually(lambda: any("new" in title for title in listener.titles()))
        eventually(lambda: "/beat" in listener.paths)
    finally:
        process.terminate()
        process.communicate(timeout=LONGEST_SECONDS)
        end(process)
    assert process.returncode in (0, 143)


def test_a_daemon_whose_port_is_taken_says_so_and_works_without_pages(office: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        with office.settings.open("a") as file:
            file.write(f"metrics: 127.0.0.1:{other.getsockname()[1]}\n")
        process = office.start("daemon", "--drain", "5")
        try:
            assert process.stderr is not None
            for line in process.stderr:
                told = json.loads(line)
                if told["event"] == "trouble":
                    break
            assert "nothing can be served on 127.0.0.1" in told["reason"]
            assert "names another address, or `none`" in told["reason"]
            assert process.poll() is None
        finally:
            process.terminate()
            process.communicate(timeout=LONGEST_SECONDS)
            end(process)
