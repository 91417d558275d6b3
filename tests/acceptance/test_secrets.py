"""No secret shows: canaries in every password and passphrase, looked for wherever they could have leaked to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.support.installations import (
    BARE,
    CANARIES,
    Answer,
    Installation,
    Town,
    end,
    land_policy,
    new_name,
)
from tests.support.postgresql import BACKUP_PASSWORD, SUPERUSER_PASSWORD
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

VARIABLE = "LAND_PASSWORD"
ADDRESS, SECRET_OF_NO_BUCKET = "canary-of-an-address", "canary-of-no-bucket"


class Watch:
    """Reads arguments and environment of a process and of all that it starts, again and again."""

    def __init__(self, root: int) -> None:
        self._family = {root}
        self._root = root
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.programs: set[str] = set()
        self.arguments = b""
        self.environments = b""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        seen: set[tuple[int, bytes]] = set()
        own = b""
        while not self._is_over.is_set():
            self._family |= {pid for pid, parent in parents() if parent in self._family}
            for pid in self._family:
                try:
                    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                    environment = Path(f"/proc/{pid}/environ").read_bytes()
                except OSError:
                    continue
                if (pid, arguments) in seen or not arguments:
                    continue
                seen.add((pid, arguments))
                self.programs.add(Path(os.fsdecode(arguments.split(b"\0")[0])).name)
                self.arguments += arguments
                if pid == self._root:
                    own = arguments
                elif arguments != own:  # else a copy of drorch itself, about to become the program
                    self.environments += environment


def parents() -> Iterator[tuple[int, int]]:
    """Yield every process with its parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), int(fields[1])


def watched(installation: Installation, *words: str, env: dict[str, str] | None = None) -> tuple[Answer, Watch]:
    process = installation.start(*words, env=BARE | (env or {}))
    try:
        with Watch(process.pid) as watch:
            out, err = process.communicate(timeout=60)
    finally:
        end(process)
    return Answer(code=process.returncode, out=out, err=err), watch


def assert_no_canary(where: str, content: bytes, more: Sequence[str] = ()) -> None:
    for canary in (*CANARIES, *more):
        assert canary.encode() not in content, f"a secret is in {where}"


def everything_below(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in directory.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def nothing_leaked(installation: Installation, answer: Answer, watch: Watch, *more: str) -> None:
    assert_no_canary("arguments", watch.arguments, more)
    assert_no_canary("a child's environment", watch.environments, more)
    assert_no_canary("the output", f"{answer.out}{answer.err}".encode(), more)
    for folder in ("var", "disk", "vault", "policies"):
        for name, content in everything_below(installation.base / folder):
            assert_no_canary(name, content, more)


def test_the_watch_sees_children_and_their_environment(town: Town) -> None:
    canary = CANARIES[0]
    process = subprocess.Popen(["/bin/sh", "-c", f"sleep 1; : {canary}"], env={"LEAK": canary}, start_new_session=True)
    with Watch(process.pid) as watch:
        process.wait()
    assert "sleep" in watch.programs
    with pytest.raises(AssertionError):
        assert_no_canary("arguments", watch.arguments)
    with pytest.raises(AssertionError):
        assert_no_canary("a child's environment", watch.environments)


def test_a_backup_that_works(copied: Installation) -> None:
    answer, watch = watched(copied, "backup", "land", "--json")
    assert answer.code == 0
    assert "pg_dump" in watch.programs, "the children must have been seen"
    nothing_leaked(copied, answer, watch)


def test_a_password_out_of_the_environment_does_not_reach_the_children(town: Town, copied: Installation) -> None:
    copied.policy("land", land_policy(town.server, town.database, password=f"env:{VARIABLE}"))
    answer, watch = watched(copied, "backup", "land", env={VARIABLE: BACKUP_PASSWORD})
    assert answer.code == 0, answer.err
    assert "pg_dump" in watch.programs
    nothing_leaked(copied, answer, watch)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["in words", "as json"])
def test_a_password_that_is_wrong(town: Town, copied: Installation, more: tuple[str, ...]) -> None:
    wrong = {"user": "drorch_backup", "password": "file:secrets/super"}
    copied.policy("land", land_policy(town.server, town.database, **wrong))
    copied.secret("super", SUPERUSER_PASSWORD)
    answer, watch = watched(copied, "backup", "land", *more)
    assert answer.code == 21
    nothing_leaked(copied, answer, watch)


@pytest.mark.parametrize("words", [("doctor", "land"), ("status",), ("history",), ("policy", "show", "land", "--yaml")])
def test_what_only_shows(copied: Installation, words: tuple[str, ...]) -> None:
    answer, watch = watched(copied, *words)
    assert answer.code == 0
    nothing_leaked(copied, answer, watch)


def test_a_restore_over_tcp(town: Town, copied: Installation) -> None:
    target = new_name("back")
    url = f"postgresql://postgres@127.0.0.1:{town.server.port}/{target}?sslrootcert={town.server.authority}"
    copied.secret("target", SUPERUSER_PASSWORD)
    words = ("restore", "latest:land", "--to", url, "--to-password", "file:secrets/target")
    answer, watch = watched(copied, *words, *copied.custodian.opens)
    assert answer.code == 0, answer.err
    nothing_leaked(copied, answer, watch)
    town.same_land(target)


def crashed_while_it_reads(copied: Installation) -> tuple[Answer, Watch, str]:
    """Let a backup crash while pg_dump runs; return what it said, what was seen of it, and its limits."""
    process = subprocess.Popen(
        ["prlimit", "--core=unlimited:unlimited", *copied.command("backup", "land")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=BARE,
        cwd=copied.base,
        start_new_session=True,
    )
    limits = ""
    try:
        with Watch(process.pid) as watch:
            while "pg_dump" not in watch.programs and process.poll() is None:
                time.sleep(0.002)
            if process.poll() is None:
                limits = Path(f"/proc/{process.pid}/limits").read_text()
                os.kill(process.pid, signal.SIGABRT)
            out, err = process.communicate(timeout=30)
    finally:
        end(process)
    return Answer(code=process.returncode, out=out, err=err), watch, limits


def test_a_crash_amid_a_run_shows_no_secret_and_leaves_no_core(copied: Installation) -> None:
    for _ in range(5):  # pg_dump may be over before it is seen
        answer, watch, limits = crashed_while_it_reads(copied)
        if answer.code:
            break
    assert answer.code == -signal.SIGABRT, "it was to crash while the database is read"
    assert re.search(r"Max core file size +1 +1 ", limits), "neither a file nor a program gets the core"
    assert list(copied.base.rglob("core*")) == []
    nothing_leaked(copied, answer, watch)


def test_where_messages_and_heartbeats_go_is_told_nobody(copied: Installation) -> None:
    """The address of a service is its password."""
    copied.secret("duty", f"json://127.0.0.1:9/{ADDRESS}?rto=1&cto=1")
    copied.secret("pings", f"http://127.0.0.1:9/{ADDRESS}")
    with copied.settings.open("a") as settings:
        settings.write(
            "notifications:\n  duty: {url: file:secrets/duty}\nheartbeat: {url: file:secrets/pings, every: 5m}\n"
        )
    copied.policy("land", "name: land\n")  # a problem that somebody must hear of
    for words in (("notify", "run"), ("notify", "test")):
        answer, watch = watched(copied, *words)
        nothing_leaked(copied, answer, watch, ADDRESS)
    assert "duty" in answer.out + answer.err


def test_the_credential_of_a_bucket(copied: Installation, seaweedfs: SeaweedFS) -> None:
    bucket = f"  bucket: {{s3: 's3://{seaweedfs.make_bucket()}', endpoint: '{seaweedfs.endpoint}', access_key: file:secrets/a, secret_key: file:secrets/s}}\n"
    copied.settings.write_text(copied.settings.read_text().replace("stores:\n", f"stores:\n{bucket}", 1))
    copied.secret("a", ADMIN.access_key)
    copied.secret("s", SECRET_OF_NO_BUCKET)
    refused, watch = watched(copied, "store", "validate", "bucket", "--json")
    assert refused.code == 36, refused.out
    nothing_leaked(copied, refused, watch, SECRET_OF_NO_BUCKET)
    copied.secret("s", ADMIN.secret_key)
    good, watch = watched(copied, "copy", "--to", "bucket", "--new")
    assert good.code == 0, good.err
    nothing_leaked(copied, good, watch, ADMIN.secret_key)


def test_the_keys_that_init_and_generate_make_are_for_their_owner_only(town: Town) -> None:
    base, custodian = town.installation.base, town.installation.custodian
    for path in (base / "secrets/host.key", base / "keys/root.key", custodian.key):
        assert path.stat().st_mode & 0o077 == 0
    for directory in ("var/state", "var/cache"):
        assert (base / directory).stat().st_mode & 0o077 == 0
    assert (base / "var/state/catalog.sqlite").stat().st_mode & 0o077 == 0
