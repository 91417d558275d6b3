"""What lies in ``policies/`` is part of the product: it loads, it validates, it is shown, and the schemas are current."""

import json
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from drorch.policy.advice import lonely_groups, notes, twins
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.explain import explain
from drorch.policy.model import CommandSource, Policy
from drorch.policy.new import ENGINES, template
from drorch.policy.schema import policy_schema, schema_text, settings_schema
from drorch.settings import load_policies, load_settings
from tests.support.policies import load, told

POLICIES = Path(__file__).resolve().parents[3] / "policies"
SAMPLES = sorted(POLICIES.glob("*.yaml"))
INSTALLATIONS = sorted((POLICIES / "installation").glob("*.yaml"))
NOW = datetime(2026, 11, 22, 1, 2, tzinfo=UTC)

# The systems of a province after the merger; a second name is the other half of one system.
SYSTEMS = [
    "ldg-vilis2-lis", "ldg-vilis2-sde", "ldg-vbdlis", "dno-ilis", "bth-elis", "ldg-hsdc-scan",
    "hotich-legacy-huyen-ductrong", "hotich-so-scan", "igate-motcua-ldg", "kho-dltcn-ldg", "ioffice-ubnd-huyen",
    "cong-dvc-ldg-cu", "tckh-kttc-huyen", "mst-qhns-map", "so-chungthuc-cts", "xaydung-capphep", "tuphap-chungthuc",
    "ldtbxh-ncc-bhtro", "dackhu-phuquy-spool", "danhmuc-dvhc-madd",
]  # fmt: skip


def plain(path: Path) -> Any:
    """Return the file as another YAML 1.2 reader sees it."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def load_all(directory: Path, installation: Path) -> LoadedPolicies:
    shutil.copytree(POLICIES, directory / "policies")
    for path in [directory / "policies", *directory.glob("policies/*")]:
        path.chmod(path.stat().st_mode & ~0o022)  # a checkout may be writable by its group
    shutil.copy(installation, directory / "drorch.yaml")
    (directory / "drorch.yaml").chmod(0o640)
    directory.chmod(0o700)
    return load_policies(load_settings(directory / "drorch.yaml", {}))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedPolicies:
    return load_all(tmp_path_factory.mktemp("samples"), POLICIES / "installation/drorch.yaml")


@pytest.mark.parametrize("installation", INSTALLATIONS, ids=lambda path: path.name)
def test_every_sample_loads_under_every_installation(installation: Path, tmp_path: Path):
    found = load_all(tmp_path, installation)
    assert found.problems == ()
    assert len(found.policies) == len(SAMPLES)


def test_a_sample_is_called_as_its_file(loaded: LoadedPolicies):
    assert [policy.file for policy in loaded.policies] == [f"policies/{policy.name}.yaml" for policy in loaded.policies]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_a_sample(name: str, loaded: LoadedPolicies):
    policy, _sources = loaded.find(name)
    assert policy.description
    assert policy.classification is not None


def test_engines_that_nobody_published_are_marked_as_guesses():
    for name in SYSTEMS:
        head = "".join(
            line
            for line in (POLICIES / f"{name}.yaml").read_text(encoding="utf-8").splitlines(True)
            if line.startswith("#")
        )
        assert re.search("guessed|Guessed|found in its makers", head), name


def test_what_we_did_not_test_says_so(loaded: LoadedPolicies):
    for policy in loaded.policies:
        if isinstance(policy.source, CommandSource) and policy.source.product.startswith(("SQL Server", "Oracle")):
            text = (POLICIES / Path(policy.file).name).read_text(encoding="utf-8").replace("\n# ", " ")
            assert "not tested by us" in text, policy.name


def test_samples_show_only_what_fits_eighty_columns(loaded: LoadedPolicies):
    for policy in loaded.policies:
        assert [line for line in explain(policy, now=NOW).splitlines() if len(line) > 80] == []


def test_samples_follow_our_own_advice(loaded: LoadedPolicies):
    assert {policy.name: notes(policy, NOW) for policy in loaded.policies if notes(policy, NOW)} == {}
    assert twins(loaded.policies) == ()
    assert lonely_groups(loaded.policies) == ()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_fits_the_schema(path: Path):
    assert [error.message for error in Draft202012Validator(policy_schema()).iter_errors(plain(path))] == []


@pytest.mark.parametrize("path", INSTALLATIONS, ids=lambda path: path.name)
def test_an_installation_fits_the_schema(path: Path):
    assert [error.message for error in Draft202012Validator(settings_schema()).iter_errors(plain(path))] == []


@pytest.mark.parametrize(("name", "make"), [("schema.json", policy_schema), ("drorch.schema.json", settings_schema)])
def test_the_schemas_are_current_and_sound(name: str, make: Any):
    assert (POLICIES / name).read_text(encoding="utf-8") == schema_text(make()), "make it again with ./run docs"
    Draft202012Validator.check_schema(json.loads((POLICIES / name).read_text(encoding="utf-8")))


BASE = {"name": "land", "source": {"sqlite": {"file": "/x.db"}}, "schedule": "0 1 * * *"}


@pytest.mark.parametrize(
    "change",
    [
        {"names": "x"},
        {"name": "Land"},
        {"source": {"sqlite": {"file": "x.db"}}},
        {"source": {"sqlite": {"file": "/x"}, "files": {"paths": ["/x"]}}},
        {"source": {"postgresql": {"database": "x", "password": "hunter2"}}},
        {"source": {"postgresql": {"database": 678}}},
        {"schedule": "daily"},
        {"stores": "hanoi"},
        {"stores": ["hanoi", "hanoi"]},
        {"security_level": 6},
        {"objectives": {"rpo": "a day"}},
        {"retention": "btnmt-17-2015"},
        {"retention": {"keep_daily": -1}},
        {"classification": "mat"},
        {"owner": 678},
        {"window": "22-5"},
        {"drill": {}},
    ],
    ids=json.dumps,
)
def test_the_schema_and_the_reader_refuse_alike(change: Mapping[str, Any]):
    document = {**BASE, **change}
    assert list(Draft202012Validator(policy_schema()).iter_errors(document)) != []
    assert load(json.dumps(document)).problems != ()


def test_the_schema_asks_for_what_every_policy_must_have():
    validator = Draft202012Validator(policy_schema())
    assert list(validator.iter_errors(BASE)) == []
    for key in BASE:
        assert list(validator.iter_errors({other: value for other, value in BASE.items() if other != key})) != []


@pytest.mark.parametrize("name", ["land", "lamdong-land", "2024", "yes", "a" * 63])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_policy_new_writes_loads_and_fits_the_page(engine: str, name: str):
    text = template(name, engine)
    found = load(text)
    assert told(found) == []
    policy: Policy = found.policies[0]
    assert (policy.name, policy.source.engine) == (name, engine)
    assert len(name) > 20 or all(len(line) <= 80 for line in text.splitlines())
