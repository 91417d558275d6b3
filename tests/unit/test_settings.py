import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.errors import RoleRefused, SecretUnavailable, SettingsInvalid
from drorch.policy.installation import Catalog, DirectoryStore, Notification, Person, S3Store, Sandbox, Site
from drorch.policy.secret import Secret, SecretPlace, SecretReference
from drorch.settings import Settings, default_settings, has_settings_file, load_policies, load_settings

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = "version: 1\n"
NOWHERE = Path("/nonexistent/drorch.yaml")
LAND = 'name: land\nsource: {sqlite: {file: /x.db}}\nschedule: "0 1 * * *"\n'
DEFAULTS = """\
stores: {disk: {directory: disk}}
defaults: {stores: [disk], objectives: {rpo: 24h, rto: 8h}, retention: {keep_daily: 7}, security_level: 3, owner: x}
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that only the caller may write."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str, mode: int = 0o640) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def load(text: str, directory: Path, **environment: str) -> Settings:
    return load_settings(write(directory / "drorch.yaml", text), environment)


def make_fifo(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)


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


class TestWhichFileCounts:
    def test_the_named_one_before_all_others(self, directory: Path):
        named = write(directory / "a/drorch.yaml", MINIMAL)
        variable = write(directory / "b/drorch.yaml", MINIMAL)
        write(directory / "drorch.yaml", MINIMAL)
        system = write(directory / "etc/drorch.yaml", MINIMAL)
        environment = {"DRORCH_CONFIG": str(variable)}
        assert load_settings(Path("a/drorch.yaml"), environment, system_file=system).file == named
        assert load_settings(None, environment, system_file=system).file == variable
        assert load_settings(None, {}, system_file=system).file == directory / "drorch.yaml"
        (directory / "drorch.yaml").unlink()
        assert load_settings(None, {}, system_file=system).file == system

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda path: path.chmod(0o660), "is writable by others (mode 0660)"),
            (lambda path: path.chmod(0o646), "is writable by others (mode 0646)"),
            (lambda path: path.parent.chmod(0o777), "is writable by others (mode 0777)"),
            (
                lambda path: path.rename(path.with_name("real")).with_name("drorch.yaml").symlink_to("real"),
                "a link is not followed",
            ),
        ],
        ids=["group may write", "all may write", "directory is open", "link"],
    )
    def test_an_unsafe_file_of_the_working_directory_is_passed_over(
        self, spoil: Callable[[Path], object], reason: str, directory: Path, tmp_path_factory: pytest.TempPathFactory
    ):
        spoil(write(directory / "drorch.yaml", MINIMAL))
        system = write(tmp_path_factory.mktemp("etc") / "drorch.yaml", MINIMAL)
        found = load_settings(None, {}, system_file=system)
        assert found.file == system
        assert reason in found.why_not_here
        with pytest.raises(SettingsInvalid, match=r"there is no drorch\.yaml") as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert reason in caught.value.found

    def test_a_file_of_somebody_else_is_passed_over(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        path = write(directory / "drorch.yaml", MINIMAL)
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
        else:
            monkeypatch.setattr("os.geteuid", lambda: 4_242_424)
        assert not has_settings_file(None, {}, system_file=NOWHERE)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert f"belongs to uid {path.stat().st_uid}" in caught.value.found

    def test_none_at_all(self, directory: Path):
        assert not has_settings_file(None, {}, system_file=NOWHERE)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(None, {}, system_file=NOWHERE)
        assert "drorch init" in caught.value.hint

    @pytest.mark.parametrize("given", ["--config", "DRORCH_CONFIG"])
    def test_a_named_file_that_is_not_there_is_an_error(self, given: str, directory: Path):
        write(directory / "drorch.yaml", MINIMAL)
        path, environment = (NOWHERE, {}) if given == "--config" else (None, {"DRORCH_CONFIG": str(NOWHERE)})
        assert has_settings_file(path, environment)
        with pytest.raises(SettingsInvalid, match=f"which {given} names"):
            load_settings(path, environment)

    def test_a_bare_machine(self, directory: Path):
        found = default_settings({"AWS_ACCESS_KEY_ID": "x"})
        assert (found.file, found.stores, found.base_directory) == (None, {}, directory)
        assert load_policies(found).policies == ()


class TestDirectories:
    def test_root_has_those_of_the_system(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("os.geteuid", lambda: 0)
        found = default_settings({"HOME": "/nonexistent"})
        assert (found.state_directory, found.cache_directory) == (Path("/var/lib/drorch"), Path("/var/cache/drorch"))
        assert found.temporary_directory == Path("/var/tmp/drorch")

    def test_others_have_those_of_their_account(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("os.geteuid", lambda: 4_242_424)
        found = default_settings({"HOME": "/home/an", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "relative"})
        assert (found.state_directory, found.cache_directory) == (Path("/s/drorch"), Path("/home/an/.cache/drorch"))
        assert found.temporary_directory == Path("/var/tmp/drorch-4242424")
        assert default_settings({}).state_directory == Path("/nonexistent/.local/state/drorch")


class TestSecrets:
    def secret(self, directory: Path, reference: str, **environment: str) -> Secret:
        parsed = SecretReference.parse(reference)
        assert parsed is not None
        return load(MINIMAL, directory, **environment).reveal(parsed)

    def test_in_a_file_beside_drorch_yaml(self, directory: Path):
        write(directory / "secrets/land", "hunter2\n")
        secret = self.secret(directory, "file:secrets/land")
        assert (secret.text(), secret.content()) == ("hunter2", b"hunter2\n")

    def test_in_the_environment_and_among_credentials(self, directory: Path):
        write(directory / "credentials/land", "hunter2", 0o400)
        assert self.secret(directory, "env:LAND", LAND="hunter2").text() == "hunter2"
        assert (
            self.secret(directory, "credential:land", CREDENTIALS_DIRECTORY=str(directory / "credentials")).text()
            == "hunter2"
        )

    @pytest.mark.parametrize("mode", [0o644, 0o660, 0o641, 0o750, 0o604])
    def test_a_file_that_is_too_open_is_refused_with_the_chmod(self, mode: int, directory: Path):
        path = write(directory / "secrets/land", "hunter2", mode)
        with pytest.raises(SecretUnavailable) as caught:
            self.secret(directory, "file:secrets/land")
        assert caught.value.hint == f"chmod 0640 {path}"
        assert f"mode {mode:04o}" in caught.value.found

    @pytest.mark.parametrize("mode", [0o640, 0o600, 0o440, 0o400])
    def test_a_file_that_is_tight_enough(self, mode: int, directory: Path):
        write(directory / "secrets/land", "hunter2", mode)
        assert self.secret(directory, "file:secrets/land").text() == "hunter2"

    @pytest.mark.parametrize(
        ("make", "reference", "message"),
        [
            (lambda path: None, "file:secrets/land", "cannot be read"),
            (lambda path: write(path, ""), "file:secrets/land", "is empty"),
            (lambda path: path.mkdir(parents=True), "file:secrets/land", "is no file"),
            (make_fifo, "file:secrets/land", "is no file"),
            (lambda path: write(path, "x" * (2**20 + 1)), "file:secrets/land", "is too big"),
            (lambda path: None, "env:LAND", "is not set"),
            (lambda path: None, "credential:land", "is not there"),
        ],
    )
    def test_a_secret_that_is_not_there(
        self, make: Callable[[Path], object], reference: str, message: str, directory: Path
    ):
        make(directory / "secrets/land")
        with pytest.raises(SecretUnavailable, match=message) as caught:
            self.secret(directory, reference)
        assert caught.value.exit_code == 12

    def test_when_it_was_changed(self, directory: Path):
        os.utime(write(directory / "secrets/land", "x"), (1_763_535_720, 1_763_535_720))
        found = load(MINIMAL, directory)
        assert found.secret_changed_at(SecretReference(SecretPlace.FILE, "secrets/land")) == datetime.fromtimestamp(
            1_763_535_720, UTC
        )
        assert found.secret_changed_at(SecretReference(SecretPlace.FILE, "secrets/sea")) is None
        assert found.secret_changed_at(SecretReference(SecretPlace.ENVIRONMENT, "LAND")) is None

    def test_settings_do_not_print_their_environment(self, directory: Path):
        assert "hunter2" not in repr(load(MINIMAL, directory, LAND="hunter2"))

    @pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"a\x00b"])
    def test_what_is_no_password(self, content: bytes):
        with pytest.raises(SecretUnavailable, match="is not a password"):
            Secret(content, "env:X").text()

    def test_a_secret_does_not_leak(self):
        secret = Secret(b"hunter2", "env:X")
        assert "hunter2" not in f"{secret!r} {secret} {secret:>40} {[secret]}"
        assert secret == Secret(b"hunter2")
        assert secret != Secret(b"hunter3")
        assert secret != "hunter2"
        with pytest.raises(TypeError):
            hash(secret)
        with pytest.raises(TypeError):
            pickle.dumps(secret)


class TestPolicies:
    def test_the_yaml_files_beside_it_are_read_and_nothing_else(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/land.yaml", LAND)
        write(directory / "policies/.hidden.yaml", "x")
        write(directory / "policies/land.yaml~", "x")
        write(directory / "policies/README.md", "x")
        write(directory / "policies/old/land.yaml", "x")
        loaded = load_policies(found)
        assert loaded.problems == ()
        assert [policy.file for policy in loaded.policies] == ["policies/land.yaml"]

    def test_problems_name_files_as_seen_from_drorch_yaml(self, directory: Path):
        found = load(MINIMAL + DEFAULTS.replace("rpo: 24h", "rpo: x"), directory)
        write(directory / "policies/land.yaml", LAND + "colour: red\n")
        assert [problem.location for problem in load_policies(found).problems] == [
            "drorch.yaml:3:46",
            "policies/land.yaml:4:1",
        ]

    def test_a_policy_that_ends_in_yml_is_not_passed_over(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/land.yaml", LAND)
        write(directory / "policies/sea.yml", LAND)
        loaded = load_policies(found)
        assert [problem.message for problem in loaded.problems] == [
            "policies end in .yaml; rename it to `sea.yaml`, or it is not read"
        ]
        assert [policy.name for policy in loaded.policies] == ["land"]

    def test_a_file_that_cannot_be_read_is_a_problem(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        (directory / "policies/land.yaml").mkdir(parents=True)
        assert [problem.message for problem in load_policies(found).problems] == ["cannot be read: Is a directory"]

    @pytest.mark.parametrize("what", ["policies/run.yaml", "policies/d.csv", "policies", "drorch.yaml"])
    def test_a_policy_that_runs_programs_must_be_written_by_root_or_the_caller_alone(self, what: str, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        source = "{command: {capture: [dump], restore: [load], minimum_size: 1MB}}"
        write(directory / "policies/run.yaml", f"name: run\nfor_each: d.csv\nsource: {source}\nschedule: once\n")
        write(directory / "policies/d.csv", "id\na\n")
        write(directory / "policies/land.yaml", LAND)
        (directory / "policies").chmod(0o700)
        assert load_policies(found).problems == ()
        path = directory / what
        path.chmod(path.stat().st_mode | stat.S_IWGRP)
        loaded = load_policies(found)
        assert [problem.location for problem in loaded.problems] == ["policies/run.yaml:3:1"]
        assert f"chmod go-w {path}" in loaded.problems[0].message
        assert [policy.name for policy in loaded.policies] == ["land"]

    def test_so_must_one_with_hooks_from_the_defaults(self, directory: Path):
        found = load(MINIMAL + DEFAULTS.replace("owner: x", "owner: x, hooks: {before: [freeze]}"), directory)
        write(directory / "policies/land.yaml", LAND)
        (directory / "policies").chmod(0o700)
        assert load_policies(found).problems == ()
        (directory / "drorch.yaml").chmod(0o660)
        assert len(load_policies(found).problems) == 1

    def test_lists_are_found_beside_the_policies(self, directory: Path):
        found = load(MINIMAL + DEFAULTS, directory)
        write(directory / "policies/remote.yaml", LAND.replace("/x.db", "'/srv/{id}.db'") + "for_each: d.csv\n")
        write(directory / "policies/d.csv", "id\na\nb\n")
        assert [promise.address for promise in load_policies(found).policies[0].sources()] == ["land/a", "land/b"]


def test_a_role_that_the_machine_does_not_have_is_refused(directory: Path):
    found = load(MINIMAL + "roles: [backup]\n", directory)
    found.require_role("backup", "back up")
    with pytest.raises(RoleRefused, match="may not prune") as caught:
        found.require_role("maintenance", "prune")
    assert str(directory / "drorch.yaml") in caught.value.hint


def test_twenty_policies_are_read_well_within_the_time_of_a_glance(directory: Path):
    """Imports included: ``policy validate`` promises 0.3 s, of which this is nearly all. Of the processor, best of three: a busy machine."""
    write(directory / "drorch.yaml", MINIMAL + DEFAULTS)
    for number in range(20):
        write(directory / f"policies/p{number}.yaml", LAND.replace("name: land", f"name: p{number}"))
    program = (
        "import time, pathlib; start = time.process_time()\n"
        "from drorch.settings import load_policies, load_settings\n"
        "loaded = load_policies(load_settings(pathlib.Path('drorch.yaml'), {}))\n"
        "assert len(loaded.policies) == 20, loaded.problems\n"
        "print(time.process_time() - start)"
    )
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                capture_output=True,
                text=True,
                cwd=directory,
                env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(seconds) <= 0.25
