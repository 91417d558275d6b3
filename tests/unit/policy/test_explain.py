from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.advice import notes, twins
from drorch.policy.explain import as_json, explain, merged_yaml, next_occurrences, policy_text
from drorch.policy.model import Policy
from drorch.policy.words import retention_words, schedule_words, source_words
from tests.support.policies import DEFAULTS, FACTS, POSTGRESQL, load, policy_of

NOW = datetime(2026, 11, 22, 1, 2, tzinfo=UTC)
LAND = (
    POSTGRESQL.replace('"30 1 * * *"', '"30 1 * * *"\nwindow: "22:00-05:30"')
    + """\
description: Land register of Lâm Đồng before the merger
retention: btnmt-17-2014
probes:
  newest: "select max(updated) from parcel where note = 'a # b'"
drill: {at_least: 90d}
"""
)


def test_policy_show_in_plain_words():
    assert (
        explain(policy_of(LAND), now=NOW)
        == """\
land
  Land register of Lâm Đồng before the merger

what      database land on db1.example, PostgreSQL, as drorch_backup
          password from file:secrets/land; the server proves its name by TLS
when      every day at 01:30, only 22:00-05:30 (`30 1 * * *`, Asia/Ho_Chi_Minh)
          next 23/11/2026 01:30, 24/11/2026 01:30, 25/11/2026 01:30 +07:00
          the daemon starts it; without one let cron run `drorch backup land`
where     a copy in each of hanoi and dalat
promise   at most 24h lost, usable again after at most 8h
keep      13 weekly, 12 monthly, yearly for ever (btnmt-17-2014)
          Thông tư 17/2014/TT-BTNMT, Điều 13.1(b): weekly for 3 months, monthly
          for 1 year, yearly for ever, 2 places
who       owner UBND tỉnh Lâm Đồng; security level 3
probes    asked at every backup: newest

from a.yaml
  line 1    name: land
  line 4    source.postgresql.host: db1.example
  line 5    source.postgresql.database: land
  line 6    source.postgresql.user: drorch_backup
  line 7    source.postgresql.password: file:secrets/land
  line 8    schedule: "30 1 * * *"
  line 9    window: "22:00-05:30"
  line 10   description: "Land register of Lâm Đồng before the merger"
  line 11   retention: btnmt-17-2014
  line 13   probes: {newest: "select max(updated) from parcel where note = 'a...
  line 14   drill.at_least: 90d
from drorch.yaml
  line 1    stores: [hanoi, dalat]
  line 2    objectives.rpo: 24h
  line 2    objectives.rto: 8h
  line 4    security_level: 3
  line 5    owner: "UBND tỉnh Lâm Đồng"
built in
            source.postgresql.tls: verify-full
            source.postgresql.jobs: 2
            source.postgresql.max_snapshot_age: 8h
            source.postgresql.lock_timeout: 30s
            source.postgresql.rows_digest: always
            source.postgresql.max_lag: 15m
            source.postgresql.split_size: 8GiB
            source.postgresql.roles: without
"""
    )


def test_a_list_is_shown_by_its_first_lines():
    text = POSTGRESQL.replace("db1.example", '"{host}"') + 'for_each: d.csv\nowner: "gso2024:{id}"\n'
    policy = policy_of(text, lists={"d.csv": "id,host\n" + "".join(f"d{number},h{number}\n" for number in range(7))})
    page = " ".join(explain(policy, now=NOW).split())
    assert "each of the 7 lines of d.csv: land/d0, land/d1, land/d2, land/d3, land/d4 and 2 more" in page
    assert "owner gso2024:d0 and others" in page
    assert 'source.postgresql.host: "{host}"' in page


def test_discovery_is_shown_as_what_will_be_asked():
    policy = policy_of(
        POSTGRESQL.replace("database: land", "databases: {match: [land_d*], except: [land_dx], expect: 10}")
    )
    page = explain(policy, now=NOW)
    assert "every database like land_d* but not land_dx, 10 of them" in page
    assert "each is a source of its own: land/NAME" in page


@pytest.mark.parametrize(
    "text", [LAND, POSTGRESQL + "group: g\nhooks: {after: [thaw]}\nowner: |-\n  on\n", POSTGRESQL + 'owner: "00678"\n']
)
def test_the_merged_text_reads_back_as_the_same_policy(text: str):
    policy = policy_of(text)
    again = policy_of(merged_yaml(policy), defaults=None)
    assert again == policy
    assert policy_of(policy_text(policy), defaults=None) == policy
    assert policy_text(again) == policy_text(policy)


def test_the_merged_text_says_where_each_value_comes_from():
    text = merged_yaml(policy_of(LAND))
    assert "    host: db1.example                           # from a.yaml:4\n" in text
    assert "stores: [hanoi, dalat]                          # from drorch.yaml:1\n" in text
    assert "    lock_timeout: 30s                           # from drorch itself\n" in text
    assert "# from" not in policy_text(policy_of(LAND))


def test_json_is_utc_and_complete():
    found = as_json(policy_of(LAND), now=NOW)
    assert found["schema"] == "drorch.policy/1"
    assert found["next"][0] == "2026-11-22T18:30:00Z"
    assert found["sources"] == [
        {
            "source": "land",
            "engine": "postgresql",
            "address": "postgresql://db1.example/land",
            "owner": "UBND tỉnh Lâm Đồng",
            "needs_discovery": False,
        }
    ]
    values = {value["key"]: value for value in found["values"]}
    assert values["window"] == {
        "key": "window",
        "value": '"22:00-05:30"',
        "file": "a.yaml",
        "line": 9,
        "acted_on": True,
    }
    assert values["source.postgresql.jobs"]["file"] is None


def test_offsets_that_differ_are_shown_one_by_one():
    loaded = load(POSTGRESQL, facts=replace(FACTS, zone=ZoneInfo("Europe/Berlin")))
    page = explain(loaded.policies[0], now=datetime(2026, 3, 27, 12, tzinfo=UTC))
    assert "28/03/2026 01:30 +01:00, 29/03/2026 01:30 +01:00, 30/03/2026" in page


def test_a_frozen_source_has_no_next_occurrence():
    policy = policy_of(POSTGRESQL.replace('"30 1 * * *"', "once"))
    assert next_occurrences(policy, NOW) == ()
    assert "once: until there is one complete snapshot" in explain(policy, now=NOW)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("30 1 * * *", "every day at 01:30"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00"),
        ("5 * * * *", "every day at minute 5 of every hour"),
        ("* * * * *", "every day every minute of every hour"),
        ("*/5 8-17 * * 1-5", "every Monday to Friday at 12 minutes of 10 hours from 08 to 17"),
        ("0 5 * * 6,7", "every Sunday and Saturday at 05:00"),
        ("0 5 1 1,4,7,10 *", "on day 1 of the month in January, April, July and October at 05:00"),
        ("0 5 13 * 5", "on day 13 of the month and every Friday at 05:00"),
        ("0 5 13 * */5", "on day 13 of the month if it is a Sunday and Friday at 05:00"),
        ("every 90m", "every 90m"),
        ("once", "once: until there is one complete snapshot"),
    ],
)
def test_schedules_in_words(schedule: str, words: str):
    assert schedule_words(policy_of(POSTGRESQL.replace("30 1 * * *", schedule)).schedule) == words


@pytest.mark.parametrize(
    ("retention", "words"),
    [
        (
            "{keep_last: 4, keep_hourly: 2, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0}",
            "the 4 newest, 2 hourly",
        ),
        ("closing-copy", "everything for ever"),
        ("e8-90d", "90 daily"),
    ],
)
def test_retention_in_words(retention: str, words: str):
    assert retention_words(policy_of(POSTGRESQL + f"retention: {retention}\n").retention) == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "{sqlite: {file: /x.db, exclude_data: [log]}}",
            ("the SQLite file /x.db", "rows left out, structure kept: log"),
        ),
        ("{files: {paths: [/a, /b], exclude: ['*.tmp']}}", ("the files below /a and /b", "left out: *.tmp")),
        (
            "{command: {product: Firebird, capture: [gbak], restore: [load], minimum_size: 1MB}}",
            ("what the program gbak writes (Firebird): less than 1 MB is a failure", "restored by load"),
        ),
        ("{postgresql: {database: x}}", ("database x on this machine, PostgreSQL", "no password in the policy")),
        (
            "{postgresql: {service: s}}",
            ("the database on service s, PostgreSQL", "no password in the policy; the server proves its name by TLS"),
        ),
        (
            "{mariadb: {host: h, port: 3307, database: x, user: u, tls: none}}",
            ("database x on h:3307, MariaDB, as u", "no password in the policy; no TLS: readable on the way"),
        ),
        (
            "{mariadb: {database: x, non_transactional: lock}}",
            (
                "database x on this machine, MariaDB",
                "no password in the policy",
                "tables without transactions (MyISAM, Aria, MEMORY) are closed to writers until they are read",
            ),
        ),
    ],
)
def test_sources_in_words(source: str, words: tuple[str, ...]):
    assert source_words(policy_of(f"name: x\nsource: {source}\nschedule: once\n").source) == words


def noted(more: str, schedule: str = "30 1 * * *") -> tuple[str, ...]:
    return notes(policy_of(POSTGRESQL.replace("30 1 * * *", schedule) + more), NOW)


@pytest.mark.parametrize(
    ("more", "schedule", "expected"),
    [
        ("", "30 1 * * *", ()),
        ("", "0 1 * * 0", ("up to 7d lie between two runs, but the policy promises to lose at most 24h",)),
        ("objectives: {rpo: 7d}\n", "0 1 * * 0", ()),
        ("objectives: {rpo: 1h}\n", "*/5 * * * *", ()),
        ("", "once", ()),
        ("stores: [hanoi]\n", "30 1 * * *", ("level 3 asks for copies in more than one place; `stores` names one",)),
        ("stores: [hanoi]\nsecurity_level: 2\n", "30 1 * * *", ()),
        ("retention: qcvn12-l3\n", "30 1 * * *", ("qcvn12-l3 asks for 3 places; `stores` names 2",)),
    ],
)
def test_notes(more: str, schedule: str, expected: tuple[str, ...]):
    assert noted(more, schedule) == expected


def test_a_daily_run_keeps_a_promise_of_a_day_over_a_change_of_the_clock():
    policy = load(POSTGRESQL, facts=replace(FACTS, zone=ZoneInfo("Europe/Berlin"))).policies[0]
    assert notes(policy, NOW) == ()


def test_a_line_without_tls_is_noted_unless_it_is_a_socket():
    def of_host(host: str) -> Policy:
        return policy_of(POSTGRESQL.replace("db1.example", f"{host}\n    tls: none"))

    assert notes(of_host("db1.example"), NOW) == (
        "`tls: none`: whoever sits between here and the server can read and change everything",
    )
    assert notes(of_host("/run/postgresql"), NOW) == ()


def test_the_same_database_in_two_policies_is_noted():
    loaded = load(POSTGRESQL, POSTGRESQL.replace("name: land", "name: sea"), defaults=DEFAULTS)
    assert twins(loaded.policies) == ("land and sea both back up postgresql://db1.example/land",)
