"""What drorch.yaml says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.errors import SettingsInvalid
from drorch.policy.installation import Catalog, DirectoryStore, Notification, Person, S3Store, Sandbox, Site
from drorch.policy.secret import SecretPlace, SecretReference
from tests.support.settings_files import MINIMAL, load

ROOT = Path(__file__).resolve().parents[3]


def problems_of(text: str, directory: Path) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(text, directory)
    assert caught.value.exit_code == 11
    return [" ".join(line.split()) for line in caught.value.found.replace("\n  ", " ").splitlines()]


class TestWhatItSays:
    def test_the_file_that_init_writes(self, directory: Path):
        found = load((ROOT / "policies/installation/drorch.yaml").read_text(encoding="utf-8"), directory)
        hanoi = found.stores["hanoi"]
        assert isinstance(hanoi, S3Store)
        assert (hanoi.bucket, hanoi.prefix, hanoi.address) == ("drorch-lamdong", "main", "s3://drorch-lamdong/main")
        assert (hanoi.endpoint, hanoi.region, hanoi.path_style) == ("https://s3.hn.example", None, None)
        assert hanoi.secret_key == SecretReference(SecretPlace.FILE, "secrets/hanoi.secret-key")
        assert (hanoi.object_lock and hanoi.object_lock.promised_seconds, hanoi.site) == (
            35 * 86_400,
            Site(name="Hà Nội", country="VN"),
        )
        assert found.stores["dalat"] == DirectoryStore(
            name="dalat", directory=Path("/srv/drorch"), site=Site(name="Đà Lạt", country="VN")
        )
        assert found.keys.trust == bytes.fromhex("1f0c77d293ab5e1048b6c2e90d71a35f")
        assert found.keys.recipients == (directory / "keys/custodians.pub", directory / "keys/drill-host.pub")
        assert found.time_zone.key == "Asia/Ho_Chi_Minh"
        assert found.notifications["head-of-office"] == Notification(
            name="head-of-office",
            url=SecretReference(SecretPlace.FILE, "secrets/head.url"),
            when=("objective_missed",),
            after_seconds=86_400,
        )
        assert found.defaults is not None
        assert list(found.defaults.entries) == [
            "stores",
            "objectives",
            "retention",
            "security_level",
            "owner",
            "notify",
        ]
        assert (found.file, found.base_directory) == (directory / "drorch.yaml", directory)

    def test_every_key(self, directory: Path):
        found = load((ROOT / "policies/installation/every-key.yaml").read_text(encoding="utf-8"), directory)
        assert found.state_directory == Path("/var/lib/drorch")
        assert found.people["verifier1"] == Person(
            identifier="verifier1", name="Cán bộ kiểm tra 1", role="verifier", key=directory / "keys/verifier1.pub"
        )
        assert found.sandboxes["drill-pg"] == Sandbox(
            name="drill-pg",
            engine="postgresql",
            host="drill1.example",
            port=None,
            user="drorch_drill",
            password=SecretReference(SecretPlace.FILE, "secrets/drill-pg"),
        )
        assert (found.timestamp_authority, found.metrics) == (None, "127.0.0.1:9187")

    def test_the_optional_blocks_show_the_defaults(self, directory: Path):
        minimal = load(MINIMAL, directory)
        every = load((ROOT / "policies/installation/every-key.yaml").read_text(encoding="utf-8"), directory)
        for key in (
            "limits",
            "tools",
            "roles",
            "catalog",
            "history_seconds",
            "metrics",
            "timestamp_authority",
            "time_zone",
        ):
            assert getattr(minimal, key) == getattr(every, key), key
        assert minimal.limits.keep_free_percent == 10
        assert (minimal.limits.cache_bytes, minimal.limits.stall_timeout_seconds) == (20 * 10**9, 900)

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("sqlite", Catalog(url=None, password=None)),
            (
                "postgresql://drorch@db0.example/drorch",
                Catalog(url="postgresql://drorch@db0.example/drorch", password=None),
            ),
            (
                "{url: 'postgresql://drorch@db0/drorch', password: env:CATALOG}",
                Catalog(
                    url="postgresql://drorch@db0/drorch", password=SecretReference(SecretPlace.ENVIRONMENT, "CATALOG")
                ),
            ),
        ],
    )
    def test_the_catalog(self, written: str, expected: Catalog, directory: Path):
        assert load(f"{MINIMAL}catalog: {written}\n", directory).catalog == expected

    @pytest.mark.parametrize(
        "written",
        [
            "1f0c-77d2-93ab-5e10-1f0c-77d2-93ab-5e10",
            "1F0C77D293AB5E101F0C77D293AB5E10",
            '"1f0c77d293ab5e101f0c77d293ab5e10"',
        ],
    )
    def test_the_trust_digest_with_and_without_dashes(self, written: str, directory: Path):
        expected = bytes.fromhex("1f0c77d293ab5e10" * 2)
        assert load(f"{MINIMAL}keys: {{trust: {written}}}\n", directory).keys.trust == expected

    def test_a_trust_digest_of_digits_only_keeps_its_zeros(self, directory: Path):
        digits = "00" * 8 + "12" * 8
        assert load(f"{MINIMAL}keys: {{trust: {digits}}}\n", directory).keys.trust == bytes.fromhex(digits)
        assert load(f"{MINIMAL}keys: {{trust: {digits * 2}}}\n", directory).keys.trust == bytes.fromhex(digits * 2)

    def test_paths_are_beside_the_file(self, directory: Path):
        text = "stores: {d: {directory: disk}, s: {s3: 's3://abc', ca: ca.pem, path_style: true}}\ndirectories: {state: state}\n"
        found = load(MINIMAL + text, directory)
        assert found.stores["d"].address == str(directory / "disk")
        store = found.stores["s"]
        assert isinstance(store, S3Store)
        assert (store.authority, store.path_style, store.prefix) == (directory / "ca.pem", True, "")
        assert found.state_directory == directory / "state"
        assert found.resolve("secrets/x") == directory / "secrets/x"
        assert found.resolve("/x") == Path("/x")


PROBLEMS = {
    "{}": ["drorch.yaml:1:1 `version` is missing"],
    "version: 2": ["drorch.yaml:1:10 version 2 is of a newer drorch; this one reads up to 1"],
    "version: 1\nstors: {}": ["drorch.yaml:2:1 unknown key `stors`; did you mean `stores`?"],
    "version: 1\nversion: 1": ["drorch.yaml:2:1 `version` stands twice; the first is in line 1"],
    "version: 1\ntime_zone: Asia/Ho_Chi_Min": [
        "drorch.yaml:2:12 unknown time zone `Asia/Ho_Chi_Min`; did you mean `Asia/Ho_Chi_Minh`?"
    ],
    "version: 1\ntime_zone: ../../etc/passwd": ["drorch.yaml:2:12 unknown time zone `../../etc/passwd`"],
    "version: 1\ntime_zone: Asia/Hanoi": [
        "drorch.yaml:2:12 unknown time zone `Asia/Hanoi`; did you mean `Asia/Ho_Chi_Minh`?"
    ],
    "version: 1\ntime_zone: Asia": ["drorch.yaml:2:12 unknown time zone `Asia`; did you mean `Asia/Oral`?"],
    "version: 1\nstores: {a: {}}": ["drorch.yaml:2:13 a store is either `s3: s3://BUCKET/PREFIX` or `directory: PATH`"],
    "version: 1\nstores: {a: {directory: /x, endpoint: 'https://x'}}": [
        "drorch.yaml:2:29 `endpoint` belongs to an s3 store; this one is a directory"
    ],
    "version: 1\nstores: {a: {s3: 's3://abc', object_lock: 35}}": [
        "drorch.yaml:2:43 `35` is not a duration; write a number and one of s m h d w, such as 24h"
    ],
    "version: 1\nstores: {a: {s3: 's3://abc', object_lok: 35d}}": [
        "drorch.yaml:2:30 unknown key `object_lok`; did you mean `object_lock`?"
    ],
    "version: 1\nstores: {a: {s3: bucket}}": ["drorch.yaml:2:18 `bucket` is not a bucket; write `s3://BUCKET/PREFIX`"],
    "version: 1\nstores: {a: {s3: 's3://abc', access_key: AKIAXXXX, secret_key: env:S}}": [
        "drorch.yaml:2:42 a secret stands in the file; write it as `access_key: file:secrets/NAME` or `env:NAME`"
    ],
    "version: 1\nstores: {a: {s3: 's3://abc', access_key: env:A}}": [
        "drorch.yaml:2:13 `access_key` and `secret_key` belong together: one of them is missing"
    ],
    "version: 1\nstores: {a: {s3: 's3://abc', endpoint: 'https://u:pw@x'}}": [
        "drorch.yaml:2:40 a password stands in the URL; take it out and name it by `file:secrets/NAME`, `env:NAME` or `credential:NAME`"
    ],
    "version: 1\nstores: {a: {directory: /x, site: {name: x, country: Vietnam}}}": [
        "drorch.yaml:2:54 `country` has 7 characters; at most 2 are allowed"
    ],
    "version: 1\nstores: {A: {directory: /x}}": ["drorch.yaml:2:10 `A` is not a name; names are made of `a-z 0-9 -`"],
    "version: 1\nkeys: {trust: 1f0c-77d2-93ab-5e10}": [
        (
            "drorch.yaml:2:15 `1f0c-77d2-93ab-5e10` is not the digest of a trust root: 32 hexadecimal digits, "
            "in groups of four as on the key sheet"
        )
    ],
    "version: 1\ncatalog: postgresql://u:pw@h/d": [
        "drorch.yaml:2:10 a password stands in the URL; take it out and name it by `file:secrets/NAME`, `env:NAME` or `credential:NAME`"
    ],
    "version: 1\nroles: [backup, boss]": [
        "drorch.yaml:2:17 `roles` is `boss`; it must be one of `backup`, `drill`, `maintenance`"
    ],
    "version: 1\nlimits: {keep_free: 0.1}": ["drorch.yaml:2:21 `0.1` is not a share; write it as `10%`"],
    "version: 1\nlimits: {cache: 20, parallel_runs: 0}": [
        "drorch.yaml:2:17 `20` is not a size; write a number and a unit, such as 20GB or 8GiB",
        "drorch.yaml:2:36 `parallel_runs` is 0; it must lie between 1 and 256",
    ],
    "version: 1\ndefaults: []": [
        "drorch.yaml:2:11 `defaults` is a map with keys such as `stores`, `objectives`, `retention`"
    ],
    "version: 1\npeople: {x: {name: X, role: boss, key: k}}": [
        "drorch.yaml:2:29 `role` is `boss`; it must be one of `operator`, `verifier`"
    ],
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_a_problem_is_told_with_its_place(text: str, directory: Path):
    assert problems_of(text, directory) == PROBLEMS[text]
