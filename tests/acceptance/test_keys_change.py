"""A custodian joins, another leaves, a host burns down: the commands of docs/OPERATIONS.md, typed as they stand there."""

from __future__ import annotations

import re
import shlex
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import drorch
from tests.support.installations import (
    COMMAND,
    PASSPHRASE,
    ROOT,
    ROOT_PASSPHRASE,
    Answer,
    Custodian,
    Installation,
    civil_policy,
    equal,
    make_civil,
    new_installation,
    open_quickly,
    run,
)

PAGE = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = new_installation(tmp_path_factory.mktemp("office") / "etc", custodian, "disk=disk", "vault=vault")
    open_quickly(made.base / "keys/root.key", ROOT_PASSPHRASE)
    make_civil(made.base / "civil.db")
    made.policy("civil", f"{civil_policy(made.base / 'civil.db')}retention: {{keep_daily: 7, keep_yearly: 3}}\n")
    made.drorch("backup", "civil")
    return made


@pytest.fixture
def office(whole: Installation, tmp_path: Path) -> Installation:
    """An installation with two stores, one register and one backup of it."""
    return whole.copy(tmp_path / "etc")


def lines_of(title: str) -> list[str]:
    """Return the commands that the section ``title`` of the page shows."""
    section = PAGE.partition(f"\n### {title}\n")[2]
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("drorch ")]


def typed(line: str, office: Installation, places: Mapping[str, str]) -> Answer:
    """Type a command of the page with our places in it; passphrases come from files."""
    words = [places.get(word, word) for word in shlex.split(line)[1:]]
    if "--root-key" in words:
        words += ["--root-passphrase-file", str(office.custodian.directory / "root-passphrase")]
    if "reseal" in words and "--key" in words:
        words += ["--passphrase-file", str(office.custodian.passphrase)]
    return office.drorch(*words)


def birth(office: Installation, name: str) -> None:
    with closing(sqlite3.connect(office.base / "civil.db")) as connection:
        connection.execute("insert into birth (name) values (?)", (name,))
        connection.commit()


def opens(office: Installation, key: Path) -> tuple[str, ...]:
    return ("--key", str(key), "--passphrase-file", str(office.custodian.passphrase))


def same_as(office: Installation, snapshot: str, key: Path, expected: Path, place: Path) -> None:
    """Assert that the key alone brings a snapshot back, by drorch and by the reader that lies in the store."""
    office.drorch("restore", snapshot, "--to", f"sqlite://{place / 'drorch.db'}", *opens(office, key))
    assert equal("sqlite", str(expected), str(place / "drorch.db")).startswith("equal")
    pages = office.base / "vault/help" / drorch.__version__
    reader = [sys.executable, str(pages / "recover.py"), str(office.base / "vault"), *opens(office, key)]
    run([*reader, "--trust", office.trust, "restore", snapshot, "--to", str(place / "recovered")])
    run([sys.executable, str(pages / "rebuild.py"), str(place / "recovered")])
    rebuilt = place / "recovered/database.sqlite"
    assert equal("sqlite", str(expected), str(rebuilt)).startswith("equal")


def test_a_custodian_joins_and_another_leaves(office: Installation, tmp_path: Path) -> None:
    generate, add, plan, reseal, remove, reseed, backup = lines_of("A custodian joins or leaves")
    (old,) = office.snapshots()
    before = tmp_path / "before.db"
    before.write_bytes((office.base / "civil.db").read_bytes())
    words = [*shlex.split(generate)[1:], "--directory", str(tmp_path)]
    run([*COMMAND, *words, "--passphrase-file", str(office.custodian.passphrase)])
    province = tmp_path / "province.key"
    open_quickly(province, PASSPHRASE)
    places = {
        "root.key": str(office.base / "keys/root.key"),
        "province.pub": str(tmp_path / "province.pub"),
        "custodians.key": str(office.custodian.key),
        "custodians": "custodian",
        "lamdong-land": "civil",
    }
    answer = typed(add, office, places)
    answer.told("OK trust record 1 is in disk and vault", "add recipient province", "drorch keys reseal")
    answer.fits()
    typed(plan, office, places).told("PLAN 1 of 1 run closed to one of", "closed civil: 1 run")
    typed(reseal, office, places).told("OK 1 key of 1 run sealed again, in 1 bundle, in disk and vault")
    same_as(office, old["snapshot"], province, before, tmp_path)

    answer = typed(remove, office, places)
    answer.told("remove recipient custodian", "to who has the key stay 1 snapshot;", "civil: 1, until about")
    answer.fits()
    birth(office, "Nguyễn Thị Mới")
    typed(reseed, office, places).told("civil begins anew")
    typed(backup, office, places)
    (_, new) = sorted(office.snapshots(), key=lambda one: one["restore_point"])
    assert len([one for one in (office.base / "disk/l").iterdir() if (one / "m").is_dir()]) == 2  # a lane each
    office.restore(new["snapshot"], f"sqlite://{tmp_path / 'no.db'}", expect=43).told("no private key that opens")
    office.drorch("restore", new["snapshot"], "--to", f"sqlite://{tmp_path / 'new.db'}", *opens(office, province))
    assert equal("sqlite", str(office.base / "civil.db"), str(tmp_path / "new.db")).startswith("equal")


def test_a_host_that_burnt_down_is_replaced(office: Installation, tmp_path: Path) -> None:
    """The new host has the stores, a copy of the settings, and no key and no catalog of the old one."""
    host = replace(office, base=office.copy(tmp_path / "new/etc").base)
    for store in ("disk", "vault"):
        run(["rm", "-r", str(host.base / store)])
        (host.base / store).symlink_to(office.base / store)
    run(["rm", "-r", str(host.base / "var"), str(host.base / "secrets/host.key")])
    lines = lines_of("The backup host burnt down, or was stolen")
    label = re.sub(r"[^\x20-\x7e]", "", socket.gethostname())
    places = {
        "root.key": str(office.base / "keys/root.key"),
        "secrets": str(host.base / "secrets"),
        "backup2.pub": str(host.base / "secrets/backup2.pub"),
        "maintenance2.pub": str(host.base / "secrets/maintenance2.pub"),
        "backup1": label,
        "backup1 maintenance": f"{label} maintenance",
        "lamdong-land": "civil",
    }
    for line in lines:
        answer = typed(line, host, places)
        answer.fits()
        if "generate" in line:
            name, setting = ("backup2", "host_key") if "writer" in line else ("maintenance2", "maintenance_key")
            answer.told(f"keys: {{{setting}: file:secrets/{name}.key}}")
            text = re.sub(rf"^  {setting}: .*\n", "", host.settings.read_text(), flags=re.MULTILINE)
            named = f"keys:\n  {setting}: file:secrets/{name}.key\n"
            host.settings.write_text(text.replace("keys:\n", named))
    first, _ = sorted(host.snapshots(), key=lambda one: one["restore_point"])
    host.restore(first["snapshot"], f"sqlite://{tmp_path / 'first.db'}")
    assert equal("sqlite", str(office.base / "civil.db"), str(tmp_path / "first.db")).startswith("equal")
    refused = office.drorch("backup", "civil", expect=44)
    refused.told("was revoked", "drorch keys generate NAME --role writer")
    refused.fits()
    host.drorch("hold", "latest:civil", "--reason", "case 12")
    assert host.drorch("verify", "--json").json()["findings"] == []
    host.drorch("keys", "show").told("revoked writer", "revoked maintainer", "writer", "backup2")
