"""Alert rules and dashboard: promtool takes them, each rule fires and keeps quiet when it must, every metric in them exists."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from drorch.catalog.interface import Catalog
from drorch.operations.overview import overview
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.measures import measures
from tests.support.catalogs import START
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import facts_of

FOLDER = Path(__file__).resolve().parents[3] / "docs/monitoring"
RULES = FOLDER / "alerts.yaml"
DAY = 86_400
NOW = 7_200  # promtool's time begins at 0, and is asked after two hours
LAND = '{source="land",policy="land"}'
# rule -> series that make it fire, series that do not
CASES: dict[str, tuple[dict[str, float | None], dict[str, float | None]]] = {
    "DrorchRpoMissed": ({'drorch_alerts{code="rpo_missed"}': 2}, {'drorch_alerts{code="rpo_missed"}': 0}),
    "DrorchSourceTooOld": (
        {
            f"drorch_source_restore_point_timestamp_seconds{LAND}": NOW - 2 * DAY,
            f"drorch_source_rpo_seconds{LAND}": DAY,
        },
        {
            f"drorch_source_restore_point_timestamp_seconds{LAND}": NOW - 0.5 * DAY,
            f"drorch_source_rpo_seconds{LAND}": DAY,
        },
    ),
    "DrorchProblem": (
        {'drorch_alerts{code="disk_full",severity="error"}': 1},
        {'drorch_alerts{code="disk_full",severity="error"}': 0, 'drorch_alerts{code="x",severity="warning"}': 1},
    ),
    "DrorchWarning": (
        {'drorch_alerts{code="store_away",severity="warning"}': 1},
        {'drorch_alerts{code="store_away",severity="warning"}': 0, 'drorch_alerts{code="x",severity="info"}': 1},
    ),
    "DrorchDaemonDown": ({'drorch_daemon_up{host="a"}': 0}, {'drorch_daemon_up{host="a"}': 1}),
    "DrorchNotLooking": (
        {"drorch_looked_timestamp_seconds": NOW - 3_600},
        {"drorch_looked_timestamp_seconds": NOW - 60},
    ),
    "DrorchSilent": ({"drorch_other": 1}, {"drorch_looked_timestamp_seconds": 1}),
    "DrorchDiskFilling": (
        {'drorch_disk_free_ratio{directory="state"}': 0.14, "drorch_keep_free_ratio": 0.1},
        {'drorch_disk_free_ratio{directory="state"}': 0.16, "drorch_keep_free_ratio": 0.1},
    ),
    "DrorchMessagesWaiting": (
        {'drorch_messages_waiting{target="duty"}': 1},
        {'drorch_messages_waiting{target="duty"}': 0},
    ),
    "DrorchStoreAway": (
        {'drorch_store_last_contact_timestamp_seconds{store="dalat"}': NOW - 9 * DAY},
        {'drorch_store_last_contact_timestamp_seconds{store="dalat"}': NOW - DAY},
    ),
    "DrorchNotProven": (
        {f"drorch_source_proven_timestamp_seconds{LAND}": -200 * DAY},
        {f"drorch_source_proven_timestamp_seconds{LAND}": -100 * DAY},
    ),
}


def promtool(*words: str) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    return found


def test_promtool_takes_the_rules() -> None:
    assert f"{len(CASES)} rules found" in promtool("check", "rules", str(RULES))


def test_each_rule_fires_when_it_must_and_keeps_quiet_otherwise(tmp_path: Path) -> None:
    assert {rule["alert"] for rule in rules()} == set(CASES)
    tests = []
    for name, (firing, quiet) in CASES.items():
        for series, is_firing in ((firing, True), (quiet, False)):
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [{"series": key, "values": f"{value}x130"} for key, value in series.items()],
                    "promql_expr_test": [
                        {
                            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                            "eval_time": "2h",
                            "exp_samples": [{"labels": "{}", "value": 1 if is_firing else 0}],
                        }
                    ],
                }
            )
    file = tmp_path / "tests.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


@pytest.fixture
def known(watched: Catalog) -> set[str]:
    """The names of all metrics."""
    loaded = load(POSTGRESQL)
    facts = facts_of(watched, START)
    found = overview(loaded.policies, (), watched, now=START, is_running=lambda _claim: True)
    return {one.name for one in measures(found, alerts(found, loaded.policies, facts), facts)}


def test_every_metric_of_rules_and_dashboard_exists(known: set[str]) -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    asked = " ".join(
        [rule["expr"] for rule in rules()]
        + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    )
    named = set(re.findall(r"drorch_\w+", asked))
    assert len(named) > 12
    assert named <= known
