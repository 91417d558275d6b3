"""A real S3 server for the tests: SeaweedFS, started once for all pytest workers of a run, on free ports.

Every user holds a shared lock on a file for as long as it lives. A keeper process owns the server, waits for
the lock that excludes all others, and then stops the server and removes its data: also when a worker was killed.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.seaweedfs_identities import ADMIN, BY_POLICY, MACHINES, Credential
from tests.support.seaweedfs_keeper import START_SECONDS, answers
from tests.support.supervision import supervised

ROOT = Path(__file__).resolve().parents[2]
POLICY_SECONDS = 90
ACCOUNT = "000000000000"  # the account of every user, as bucket policies must name it


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


@dataclass(kw_only=True)
class SupervisedSeaweedFS:
    """See ``Supervised``; the keeper starts the server again, and every worker tells of it."""

    directory: Path
    server: SeaweedFS
    told: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.told = len(self._ends())  # before our time

    def how_it_ended(self) -> str:
        """See ``Supervised``."""
        return self._ends()[self.told :]

    def answers(self) -> bool:
        """See ``Supervised``."""
        return answers(self.server.endpoint)

    def start(self) -> None:
        """See ``Supervised``."""
        self.told = len(self._ends())
        deadline = time.monotonic() + START_SECONDS
        while not (self.answers() and self._takes_objects()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not start again in {START_SECONDS} s")
            time.sleep(0.1)

    def _takes_objects(self) -> bool:
        """Tell whether the server knows its volumes again, which it does some time after it answers."""
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(BotoCoreError, ClientError), closing(self.server.client()) as client:
            client.put_object(Bucket=self.server.make_bucket(), Key="known", Body=b"known")
            return True
        return False

    def _ends(self) -> str:
        ends = self.directory / "ended"
        return ends.read_text() if ends.exists() else ""


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
        [sys.executable, "-m", "tests.support.seaweedfs_keeper", str(directory.resolve())],
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


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    base = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    directory = (base.parent if is_worker else base) / "seaweedfs"
    with (
        shared_server(directory) as server,
        supervised(SupervisedSeaweedFS(directory=directory, server=server)),
    ):
        yield server
