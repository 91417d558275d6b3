"""Disks that really fill up during a backup: the kernel refuses, not a fake of ours.

Each place is refused in two ways: a file system of a few MB (where something can be mounted), and a limit of the size of
files (everywhere). See ``tests/support/small_disk.py``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.installations import (
    Answer,
    Custodian,
    Installation,
    civil_policy,
    land_policy,
    make_account,
    make_civil,
    new_installation,
    run,
)
from tests.support.postgresql import BACKUP_PASSWORD, Server
from tests.support.small_disk import REFUSALS, SmallDisk, can_mount, limited, small_disk

Cramp = Callable[[str, int], "Cramped"]
LARGEST_SMALL_DISK = 4 << 20


class Cramped:
    """An installation of which one directory has no room."""

    def __init__(self, installation: Installation, before: list[str], disk: SmallDisk | None) -> None:
        self._installation = installation
        self._before = before
        self._disk = disk

    @property
    def is_limited(self) -> bool:
        """Whether it is the size of files that is limited; SQLite calls that a disk that fails."""
        return self._disk is None

    def backup(self, name: str, *, expect: int | None) -> Answer:
        return run(
            [*self._before, *self._installation.command("backup", name)], expect=expect, cwd=self._installation.base
        )

    def make_room(self) -> None:
        if self._disk is None:
            self._before = []
        else:
            (self._disk.outside / "filler").unlink()

    def again(self, *words: str) -> Answer:
        return run([*self._before, *self._installation.command(*words)], cwd=self._installation.base)


@pytest.fixture
def office(furnished: Installation, tmp_path: Path) -> Installation:
    return furnished.copy(tmp_path / "etc")


@pytest.fixture(scope="module")
def furnished(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One SQLite file, backed up once; then 5 MB more come that do not compress."""
    made = new_installation(tmp_path_factory.mktemp("furnished") / "etc", custodian, "disk=disk")
    with made.settings.open("a") as settings:
        settings.write("\nlimits: {keep_free: 0%}\n")  # else nothing would start; that is tested elsewhere
    make_civil(made.base / "civil.db")
    made.policy("civil", civil_policy(made.base / "civil.db"))
    made.drorch("backup", "civil")
    with closing(sqlite3.connect(made.base / "civil.db")) as connection:
        connection.execute("create table scan (id integer primary key, page blob)")
        connection.executemany("insert into scan (page) values (?)", [(os.urandom(100_000),) for _ in range(45)])
        connection.commit()
    return made


@pytest.fixture(params=REFUSALS)
def cramp(request: pytest.FixtureRequest, office: Installation) -> Iterator[Cramp]:
    """Leave ``room_bytes`` in ``place``; or let no file there or anywhere grow beyond that."""
    with ExitStack() as stack:

        def make(place: str, room_bytes: int) -> Cramped:
            if request.param == "file-size-limit":
                return Cramped(office, limited(room_bytes), None)
            directory = office.base / place
            disk = stack.enter_context(small_disk(directory, LARGEST_SMALL_DISK))
            shutil.copytree(directory, disk.outside, dirs_exist_ok=True)
            disk.outside.chmod(0o700)
            disk.fill(but_bytes=room_bytes)
            return Cramped(office, disk.prefix, disk)

        yield make


def test_a_store_that_fills_up_keeps_what_it_had(cramp: Cramp) -> None:
    cramped = cramp("disk", 1 << 20)
    cramped.backup("civil", expect=35).told("no room left in", "Nothing was stored; the last good snapshot is")
    (snapshot,) = cramped.again("snapshots", "--json").json()["snapshots"]
    assert snapshot["source"] == "civil"
    cramped.make_room()
    if not cramped.is_limited:  # 4 MB are not enough for 5 even when they are empty
        cramped.again("verify")
        return
    cramped.backup("civil", expect=0)
    assert len(cramped.again("snapshots", "--json").json()["snapshots"]) == 2
    cramped.again("verify")


def test_a_catalog_without_room_is_told_and_goes_on_later(cramp: Cramp) -> None:
    cramped = cramp("var/state", 8_192)
    failed = cramped.backup("civil", expect=16)
    failed.told("the catalog" if cramped.is_limited else "no room for the catalog")
    cramped.make_room()
    (snapshot,) = cramped.again("snapshots", "--json").json()["snapshots"]
    assert snapshot["source"] == "civil"
    cramped.backup("civil", expect=0)
    assert len(cramped.again("snapshots", "--json").json()["snapshots"]) == 2


def test_what_is_not_the_source_or_a_store_may_be_full(office: Installation, postgresql_15: Server) -> None:
    """A full cache costs time, a full temporary directory nothing: not even the password of pg_dump is written there."""
    if not can_mount():
        return
    database = postgresql_15.new_database("create table t (a int)", prefix="cramped")
    office.policy("land", land_policy(postgresql_15, database))
    office.secret("land", BACKUP_PASSWORD)
    make_account(postgresql_15, office, "land", database)
    with small_disk(office.base / "var/temporary", LARGEST_SMALL_DISK) as disk:
        disk.outside.chmod(0o700)
        disk.fill(but_bytes=0)
        Cramped(office, disk.prefix, disk).backup("land", expect=0)
    with small_disk(office.base / "var/cache", LARGEST_SMALL_DISK) as disk:
        disk.outside.chmod(0o700)
        disk.fill(but_bytes=0)
        Cramped(office, disk.prefix, disk).backup("civil", expect=0)
