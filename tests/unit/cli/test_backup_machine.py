"""A backup and the machine that it runs on: its key, its disks, its directories, its stores."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.errors import KeyWrong, OutputLost, StoreUnavailable
from drorch.format.keyfile import KeyKind, public_of
from drorch.operations.initialise import Founding, found
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.desk import Desk
from tests.support.repositories import counting_random, seed


def another_repository() -> Founding:
    return found(
        recipients=[public_of(KeyKind.RECIPIENT, seed("somebody"), "somebody")],
        host_label="other",
        root_passphrase="right, and so long that it is accepted",
        now=datetime(2026, 11, 22, tzinfo=UTC),
        random_bytes=counting_random("another repository"),
    )


def test_the_key_of_another_repository_is_named_as_such(desk: Desk) -> None:
    (desk.base / "secrets/host.key").write_text(another_repository().host_key_file, encoding="utf-8")
    answer = desk.drorch("backup", "civil", expect=KeyWrong.exit_code)
    answer.says("the host key is of another repository")


def test_the_maintenance_key_writes_no_snapshots(desk: Desk) -> None:
    shutil.copy(desk.base / "secrets/maintenance.key", desk.base / "secrets/host.key")
    desk.drorch("backup", "civil", expect=KeyWrong.exit_code).says("may not write snapshots", "maintainer")


def test_nothing_starts_below_keep_free(desk: Desk) -> None:
    with (desk.base / "drorch.yaml").open("a", encoding="utf-8") as file:
        file.write("\nlimits:\n  keep_free: 99%\n")
    desk.drorch("backup", "civil", expect=4).says("nearly full", "keep_free")
    assert list((desk.base / "disk").glob("l/*")) == []


@pytest.mark.parametrize("trouble", ["open to others", "a file in its place"])
def test_a_cache_that_cannot_be_used_is_done_without(desk: Desk, trouble: str) -> None:
    desk.back_up()
    cache = desk.base / "var/cache"
    if trouble == "open to others":
        cache.chmod(0o777)
    else:
        shutil.rmtree(cache)
        cache.write_bytes(b"")
    assert desk.back_up()["chunks"]["new"] == 0


def test_a_store_that_went_silent_is_waited_for_once_in_a_command(desk: Desk) -> None:
    with Wiring(load_settings(desk.base / "drorch.yaml", {})) as wiring:
        first = wiring.repository(["disk", "vault"])
        assert wiring.repository(["disk", "vault"]).replicas == first.replicas
        wiring.leave_out("vault", StoreUnavailable("no answer"))
        later = wiring.repository(["disk", "vault"])
        assert [replica.name for replica in later.replicas] == ["disk"]
        assert later.unusable["vault"].message == "no answer"
        assert [replica.name for replica in wiring.repository(["vault"]).replicas] == ["vault"]


def test_a_full_disk_under_the_answer_ends_no_backup(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.policy("other")
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - its close fails, too
    with monkeypatch.context() as answering:
        answering.setattr(sys, "stdout", full)
        answer = desk.call("backup", "civil", "other", "--config", str(desk.base / "drorch.yaml"))
    with suppress(OSError):
        full.close()
    assert (answer.code, answer.err.splitlines()[0][:39]) == (
        OutputLost.exit_code,
        "ERROR  the answer could not be written:",
    )
    kept = desk.drorch("snapshots", "--json").json()["snapshots"]
    assert sorted(one["source"] for one in kept) == ["civil", "other"]


def test_what_a_restore_keeps_is_named_by_the_clock_of_the_place(desk: Desk, tmp_path: Path) -> None:
    settings = desk.base / "drorch.yaml"
    settings.write_text(re.sub("time_zone: .*", "time_zone: Pacific/Kiritimati", settings.read_text("utf-8")), "utf-8")
    snapshot = desk.back_up()["snapshot"]
    old = tmp_path / "old.db"
    shutil.copy(desk.civil, old)
    desk.restore(snapshot, old, "--replace", "--json")
    (kept,) = tmp_path.glob("old.db__before_*")
    moment = datetime.strptime(kept.name[-13:], "%Y%m%d_%H%M").replace(tzinfo=ZoneInfo("Pacific/Kiritimati"))
    assert abs(datetime.now(UTC) - moment) < timedelta(hours=1)
