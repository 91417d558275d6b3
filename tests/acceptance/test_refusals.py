"""Bad input: a clear error with both sides and a hint, the right exit code, and nothing lost."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installations import (
    COMMAND,
    Answer,
    Custodian,
    Installation,
    Town,
    land_policy,
    new_installation,
    new_name,
    run,
)
from tests.support.ports import free_port

FORMAT_MAJOR_AT = 7  # behind the magic and the type (FORMAT.md)


@pytest.fixture
def refused(copied: Installation) -> Iterator[Installation]:
    """An installation in which the test provokes a refusal; what was there before must still be there."""
    before = [one["snapshot"] for one in copied.snapshots()]
    yield copied
    if copied.settings.exists():
        assert [one["snapshot"] for one in copied.snapshots()] == before


def backup_fails(installation: Installation, town: Town, expect: int, **changes: str) -> Answer:
    installation.policy("land", land_policy(town.server, changes.pop("database", town.database), **changes))
    answer = installation.drorch("backup", "land", expect=expect)
    answer.told("ERROR land:", "expected", "found", "Nothing was stored; the last good snapshot is")
    answer.fits()
    assert town.second["land"]["snapshot"][:8] in answer.err
    return answer


def test_a_wrong_password(town: Town, refused: Installation) -> None:
    refused.secret("land", "not-the-password")
    answer = backup_fails(refused, town, 21)
    answer.told(
        "rejected the password", "as drorch_backup to", "password from file:secrets/land", "line 8", "policy grants"
    )
    assert "not-the-password" not in answer.out + answer.err


def test_a_host_that_does_not_answer(town: Town, refused: Installation) -> None:
    backup_fails(refused, town, 22, port=str(free_port())).told("127.0.0.1", "hint")


def test_a_host_without_a_name(town: Town, refused: Installation) -> None:
    backup_fails(refused, town, 22, host="db1.invalid").told("db1.invalid")


def test_a_database_that_is_not_there(town: Town, refused: Installation) -> None:
    backup_fails(refused, town, 28, database="nowhere").told("nowhere")


def test_a_certificate_of_somebody_else(town: Town, refused: Installation, tmp_path: Path) -> None:
    from tests.support.certificates import make_certificates

    backup_fails(refused, town, 22, tls_authority=str(make_certificates(tmp_path))).told("certificate")


def test_a_file_that_is_not_there(refused: Installation) -> None:
    (refused.base / "civil.db").unlink()
    answer = refused.drorch("backup", "civil", expect=28)
    answer.told("ERROR civil: there is no such file", "expected", "civil.db", "hint", "the last good snapshot is")
    assert not (refused.base / "civil.db").exists()


def test_a_directory_without_a_repository(refused: Installation) -> None:
    for store in ("disk", "vault"):
        shutil.rmtree(refused.base / store)
        (refused.base / store).mkdir()
    refused.drorch("backup", "civil", expect=34).told("no repository", "trust/0", "drorch init")
    assert list((refused.base / "disk").iterdir()) == [], "a directory that was not made by init is left alone"


def test_a_repository_of_somebody_else(refused: Installation, custodian: Custodian, tmp_path: Path) -> None:
    other = new_installation(tmp_path / "other", custodian, "disk=disk")
    for store in ("disk", "vault"):
        shutil.rmtree(refused.base / store)
        shutil.copytree(other.base / "disk", refused.base / store)
    before = sorted(path for path in refused.base.glob("disk/**/*"))
    answer = refused.drorch("backup", "civil", expect=42)
    answer.told("another trust root", other.trust, refused.trust, "recovery sheet")
    assert sorted(path for path in refused.base.glob("disk/**/*")) == before


def test_one_store_of_somebody_else_is_left_alone(copied: Installation, custodian: Custodian, tmp_path: Path) -> None:
    other = new_installation(tmp_path / "other", custodian, "disk=disk")
    shutil.rmtree(copied.base / "vault")
    shutil.copytree(other.base / "disk", copied.base / "vault")
    before = sorted(path for path in copied.base.glob("vault/**/*"))
    answer = copied.drorch("backup", "civil", expect=3)
    answer.told("copies=1/2")
    assert sorted(path for path in copied.base.glob("vault/**/*")) == before


def test_a_key_that_opens_nothing_here(town: Town, custodian: Custodian, tmp_path: Path) -> None:
    words = ("keys", "generate", "stranger", "--directory", str(tmp_path))
    run([*COMMAND, *words, "--passphrase-file", str(custodian.passphrase)])
    opens = ("--key", str(tmp_path / "stranger.key"), "--passphrase-file", str(custodian.passphrase))
    to = f"sqlite://{tmp_path / 'back.db'}"
    answer = town.installation.drorch("restore", "latest:civil", "--to", to, *opens, expect=None)
    assert answer.code in (43, 44)
    answer.told("ERROR", "stranger")
    assert not (tmp_path / "back.db").exists()


def test_no_key_and_a_key_that_is_not_there(town: Town, tmp_path: Path) -> None:
    to = f"sqlite://{tmp_path / 'back.db'}"
    town.installation.drorch("restore", "latest:civil", "--to", to, expect=43).told("--key FILE")
    missing = str(tmp_path / "missing.key")
    town.installation.drorch("restore", "latest:civil", "--to", to, "--key", missing, expect=43).told("cannot be read")


def test_a_wrong_passphrase(town: Town, custodian: Custodian, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("almost\n")
    words = ("--key", str(custodian.key), "--passphrase-file", str(tmp_path / "wrong"))
    to = f"sqlite://{tmp_path / 'back.db'}"
    answer = town.installation.drorch("restore", "latest:civil", "--to", to, *words, expect=44)
    answer.told("does not open", "its passphrase", "mind the keyboard layout")


def test_a_wrong_trust_digest(town: Town, custodian: Custodian, tmp_path: Path) -> None:
    wrong = "0000-1111-2222-3333-4444-5555-6666-7777"
    words = ("--store", str(town.installation.base / "disk"), "--trust", wrong, *custodian.opens)
    to = f"sqlite://{tmp_path / 'back.db'}"
    answer = run([*COMMAND, "restore", "latest:civil", *words, "--to", to], expect=42, cwd=tmp_path)
    answer.told(wrong, town.installation.trust)
    assert not (tmp_path / "back.db").exists()


def test_a_wrong_trust_digest_in_the_settings(refused: Installation) -> None:
    text = refused.settings.read_text()
    refused.settings.write_text(text.replace(refused.trust, "0000-1111-2222-3333-4444-5555-6666-7777"))
    refused.drorch("backup", "civil", expect=42).told("another trust root")
    refused.settings.write_text(text)


def test_a_repository_of_a_newer_format(copied: Installation, tmp_path: Path) -> None:
    for store in ("disk", "vault"):
        digest = made_newer(copied.base / store / "trust" / "0")
    settings = copied.settings.read_text()
    copied.settings.write_text(settings.replace(copied.trust, digest[:32]))
    to = f"sqlite://{tmp_path / 'back.db'}"
    for words in (("backup", "civil"), ("restore", "latest:civil", "--to", to, *copied.custodian.opens), ("verify",)):
        copied.drorch(*words, expect=45).told("ERROR", "expected", "found")


def test_a_snapshot_of_a_newer_format(copied: Installation, tmp_path: Path) -> None:
    newest, older = copied.snapshots("civil")
    for store in ("disk", "vault"):
        manifests = copied.base / store / "l" / newest["lane"] / "m"
        for name in (f"{newest['sequence']:012d}", f"{newest['sequence']:012d}.c"):
            made_newer(manifests / name)
    to = f"sqlite://{tmp_path / 'back.db'}"
    answer = copied.restore("latest:civil", to, expect=46)
    answer.told("cannot be told which snapshot is the latest", "format 2", older["snapshot"][:8])
    assert not (tmp_path / "back.db").exists(), "an older one must not pass for the latest"
    copied.restore(older["snapshot"], to)


def made_newer(path: Path) -> str:
    """Raise the major version of an object; return its digest."""
    content = bytearray(path.read_bytes())
    content[FORMAT_MAJOR_AT] += 1
    path.unlink()
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_a_policy_with_ten_errors_tells_all_of_them(refused: Installation) -> None:
    refused.policy(
        "bad",
        """\
name: Bad Name
source:
  postgresql:
    host: db1
    databse: land
    port: "many"
    password: hunter2-canary
    tls: perhaps
schedule: "0 1 31 2 *"
objectives: {rpo: soon, rto: 4h}
retention: {keep_daily: -1}
stores: [disk, nowhere]
security_level: 9
window: "22-05"
colour: blue
""",
    )
    answer = refused.drorch("policy", "validate", expect=10)
    answer.told("did you mean `database`", "never comes", "Nothing was loaded", "unknown store")
    answer.fits()
    lines = [line for line in answer.out.splitlines() if line.startswith("policies/bad.yaml:")]
    assert len(lines) >= 10
    assert "hunter2-canary" not in answer.out + answer.err
    refused.drorch("backup", "bad", expect=10).told("policies/bad.yaml")
    status = refused.drorch("status", "--check", expect=3)
    status.told("FAILED policies/bad.yaml not loaded", "try: drorch policy validate")


def test_names_that_nobody_has(town: Town, tmp_path: Path) -> None:
    installation = town.installation
    installation.drorch("backup", "lnad", expect=14).told("there is no policy", "did you mean", "land")
    installation.restore("latest:lnad", f"sqlite://{tmp_path / 'x.db'}", expect=48).told("no snapshot fits")
    installation.drorch("status", "lnad", expect=14)
    installation.drorch("doctor", "lnad", expect=14)
    installation.drorch("backup", expect=2).told("which policy?")
    installation.drorch("no-such-command", expect=2)


def test_a_password_in_the_address_is_refused(town: Town) -> None:
    url = "postgresql://postgres:canary-in-url@127.0.0.1/x"
    answer = town.installation.restore("latest:land", url, expect=2)
    answer.told("a password does not belong in an address", "--to-password")
    assert "canary-in-url" not in answer.out + answer.err
    wrong = town.installation.restore("latest:land", "postgresql://p@127.0.0.1/x", "--to-password", "secret", expect=12)
    assert "secret" not in wrong.err.replace("not a password", "").replace("secret-unavailable", "")


def test_no_drorch_yaml(tmp_path: Path) -> None:
    for words in (["status"], ["backup", "land"], ["doctor"], ["policy", "validate"]):
        answer = run([*COMMAND, *words, "--config", str(tmp_path / "drorch.yaml")], expect=11, cwd=tmp_path)
        answer.told("drorch.yaml")


def test_a_catalog_that_is_no_catalog(refused: Installation) -> None:
    catalog = refused.base / "var/state/catalog.sqlite"
    content = catalog.read_bytes()
    for companion in catalog.parent.glob("catalog.sqlite-*"):
        companion.unlink()
    catalog.write_bytes(b"this is no database" * 100)
    refused.drorch("backup", "civil", expect=16).told("catalog", "drorch catalog rebuild")
    catalog.write_bytes(content)


def test_a_secret_that_others_can_read(town: Town, refused: Installation) -> None:
    (refused.base / "secrets/land").chmod(0o644)
    refused.drorch("backup", "land", expect=12).told("open to others", "mode 0640 or tighter", "chmod 0640")
    refused.drorch("doctor", expect=12).told("FAIL", "chmod 0640")


def test_a_target_server_that_is_not_there(town: Town) -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/{new_name('x')}"
    town.installation.restore("latest:land", url, expect=71).told("ERROR")


def test_a_snapshot_of_another_engine(town: Town, tmp_path: Path) -> None:
    answer = town.installation.restore("latest:land", f"sqlite://{tmp_path / 'x.db'}", expect=None)
    assert 70 <= answer.code < 80
    answer.told("ERROR", "postgresql")
    assert not (tmp_path / "x.db").exists()
