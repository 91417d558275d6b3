"""The main job on a real S3 server (SeaweedFS): back up, restore, check; and what is said when the bucket is not right."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installations import (
    BARE,
    COMMAND,
    ROOT_PASSPHRASE,
    Custodian,
    Installation,
    civil_policy,
    equal,
    land_policy,
    make_civil,
    new_installation,
    new_name,
    run,
    socket_url,
)
from tests.support.installations import LAND as LAND_SQL
from tests.support.postgresql import SUPERUSER_PASSWORD, Server
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN, READER


@dataclass(frozen=True, kw_only=True)
class City:
    """An installation whose store is a bucket, with one backup of each engine."""

    installation: Installation
    server: Server
    database: str
    bucket: str
    endpoint: str

    @property
    def bare_environment(self) -> dict[str, str]:
        return BARE | {
            "AWS_ACCESS_KEY_ID": ADMIN.access_key,
            "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
        }


def with_credentials(base: Path, access_key: str, secret_key: str) -> None:
    (base / "secrets").mkdir(mode=0o750, parents=True, exist_ok=True)
    for name, text in (("access-key", access_key), ("secret-key", secret_key)):
        path = base / "secrets" / f"hanoi.{name}"
        path.touch(mode=0o600)
        path.write_text(text)


@pytest.fixture(scope="module")
def city(
    custodian: Custodian, postgresql_15: Server, seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> City:
    base = tmp_path_factory.mktemp("city") / "etc"
    bucket = seaweedfs.make_bucket()
    with_credentials(base, ADMIN.access_key, ADMIN.secret_key)
    options = ("--endpoint", seaweedfs.endpoint)
    installation = new_installation(base, custodian, f"hanoi=s3://{bucket}/main", options=options)
    database = postgresql_15.new_database(LAND_SQL, prefix="land")
    installation.policy("land", land_policy(postgresql_15, database, user="postgres"))
    installation.secret("land", SUPERUSER_PASSWORD)
    make_civil(base / "civil.db")
    installation.policy("civil", civil_policy(base / "civil.db"))
    installation.drorch("backup", "land", "civil").told("land ok", "civil ok", "copies=1/1")
    return City(
        installation=installation,
        server=postgresql_15,
        database=database,
        bucket=bucket,
        endpoint=seaweedfs.endpoint,
    )


@pytest.fixture
def moved(city: City, tmp_path: Path) -> Installation:
    """The same installation, to be changed; the bucket is shared."""
    return city.installation.copy(tmp_path / "etc")


def test_both_engines_come_back_equal_from_the_bucket(city: City, tmp_path: Path) -> None:
    target = new_name("back")
    city.installation.restore("latest:land", socket_url(city.server, target))
    one, other = socket_url(city.server, city.database), socket_url(city.server, target)
    equal("postgresql", one, other, programs=city.server.programs)
    city.installation.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}")
    equal("sqlite", str(city.installation.base / "civil.db"), str(tmp_path / "back.db"))


def test_a_second_run_without_changes_stores_almost_nothing(city: City) -> None:
    again = city.installation.drorch("backup", "civil", "--json").json()["snapshots"][0]
    assert (again["chunks"]["new"], again["objects_stored"] <= 8, again["bytes_stored"] <= 64_000) == (0, True, True)


def test_everything_in_the_bucket_can_be_read(city: City) -> None:
    city.installation.drorch("verify", "--read-data", "100", *city.installation.custodian.opens).told("OK", "hanoi")


def test_the_bucket_and_the_key_are_enough(city: City, tmp_path: Path) -> None:
    trust, opens = city.installation.trust, city.installation.custodian.opens
    target = tmp_path / "back.db"
    words = ("--store", f"s3://{city.bucket}/main", "--trust", trust, *opens, "--to", f"sqlite://{target}")
    run([*COMMAND, "restore", "latest:civil", *words], env=city.bare_environment, cwd=tmp_path)
    equal("sqlite", str(city.installation.base / "civil.db"), str(target))


def test_a_catalog_is_made_again_from_the_bucket(moved: Installation) -> None:
    before = moved.snapshots()
    shutil.rmtree(moved.base / "var/state")
    moved.drorch("catalog", "rebuild").told("OK")
    assert moved.snapshots() == before


def test_the_store_keeps_its_promises(city: City) -> None:
    city.installation.drorch("store", "validate", "hanoi").told("OK hanoi keeps all")
    city.installation.drorch("doctor", "land").told("hanoi: s3://", "its clock and this host's are")


def test_a_bucket_that_is_not_there(moved: Installation, city: City) -> None:
    moved.settings.write_text(moved.settings.read_text().replace(city.bucket, "no-such-bucket"))
    moved.drorch("backup", "civil", expect=34).told("no-such-bucket", "Nothing was stored")


def test_a_prefix_without_a_repository(moved: Installation, city: City) -> None:
    moved.settings.write_text(moved.settings.read_text().replace(f"{city.bucket}/main", f"{city.bucket}/mian"))
    moved.drorch("backup", "civil", expect=34).told("no repository", "trust/0", "check bucket and prefix")


def test_a_repository_of_somebody_else_in_the_bucket(city: City, custodian: Custodian, tmp_path: Path) -> None:
    base = tmp_path / "other"
    with_credentials(base, ADMIN.access_key, ADMIN.secret_key)
    (tmp_path / "pass").write_text(ROOT_PASSPHRASE)
    words = ("init", str(base), "--store", f"hanoi=s3://{city.bucket}/main", "--endpoint", city.endpoint)
    files = ("--recipient", str(custodian.public), "--root-passphrase-file", str(tmp_path / "pass"))
    run([*COMMAND, *words, *files], expect=34).told("another repository lives in")
    city.installation.drorch("verify").told("OK")


def test_a_credential_that_is_not_known(moved: Installation) -> None:
    with_credentials(moved.base, "nobody", "canary-of-the-bucket")
    answer = moved.drorch("backup", "civil", expect=32)
    answer.told("ERROR", "hint")
    answer.fits()
    assert "canary-of-the-bucket" not in answer.out + answer.err


def test_a_credential_that_may_only_read(moved: Installation, tmp_path: Path) -> None:
    with_credentials(moved.base, READER.access_key, READER.secret_key)
    moved.drorch("backup", "civil", expect=32).told("ERROR", "Nothing was stored")
    moved.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}").told("OK")
