"""What every command answers: --json by its published schema, --help with an example, nothing wider than 80 columns."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner

from drorch.cli.main import COMMANDS, root
from drorch.format.keyfile import KeyKind, encode_public, public_of
from drorch.operations.proof import recording
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.evidence import undrawn
from tests.support.installations import (
    COMMAND,
    LONGEST_SECONDS,
    ROOT,
    ROOT_PASSPHRASE,
    Answer,
    Installation,
    Town,
    civil_policy,
    land_policy,
    new_name,
    run,
)
from tests.support.statements import passing_report

SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in (ROOT / "docs/json").glob("*.schema.json")}
ON_REQUEST = {"log", "authenticated"}  # keys that an option adds
# Keys of objects within an answer that are there only where there is something to say
NOT_ALWAYS = {
    *("error", "locked_until"),  # of a copy: why it failed, until when it is locked
    *("host", "last_seen", "next_at", "running", "since", "trouble", "waiting"),  # of a daemon that has run
}
TYPING = {"type", "const", "enum", "anyOf", "oneOf", "$ref"}
Ask = Callable[[Installation, Town, Path], Answer]


def asked(*words: str, expect: int = 0) -> Ask:
    return lambda installation, _town, _place: installation.drorch(*words, "--json", expect=expect)


def generate(installation: Installation, _town: Town, place: Path) -> Answer:
    words = ("keys", "generate", "another", "--directory", str(place), "--json")
    return run([*COMMAND, *words, "--passphrase-file", str(installation.custodian.passphrase)])


def split(installation: Installation, _town: Town, place: Path) -> Answer:
    words = ("keys", "split", "--threshold", "2", "--shares", "3", "--directory", str(place), "--json")
    return run([*COMMAND, *words, *installation.custodian.opens])


def combine(installation: Installation, town: Town, place: Path) -> Answer:
    first, second, _third = split(installation, town, place).json()["files"]
    words = ("keys", "combine", "again", "--share", first, "--share", second, "--directory", str(place), "--json")
    return run([*COMMAND, *words, "--passphrase-file", str(installation.custodian.passphrase)])


def init(installation: Installation, _town: Town, place: Path) -> Answer:
    (place / "pass").write_text(ROOT_PASSPHRASE)
    words = ("init", str(place / "new"), "--store", "disk=disk", "--root-passphrase-file", str(place / "pass"))
    return run([*COMMAND, *words, "--recipient", str(installation.custodian.public), "--json"])


def drilled(installation: Installation) -> str:
    """Keep a drill's evidence as ``drill run`` does, and return its id."""
    with Wiring(load_settings(installation.settings, {})) as wiring:
        recording.run(undrawn(passing_report()), wiring.ledger_writer())
    return passing_report().drill


def with_person(installation: Installation, place: Path) -> list[str]:
    """Give drorch.yaml an operator, and return what opens the operator's key."""
    words = ("keys", "generate", "operator1", "--role", "operator", "--directory", str(place))
    opens = ["--passphrase-file", str(installation.custodian.passphrase)]
    run([*COMMAND, *words, *opens])
    person = f"{{name: Operator, role: operator, key: {place / 'operator1.pub'}}}"
    installation.settings.write_text(f"{installation.settings.read_text()}\npeople:\n  operator1: {person}\n")
    return ["--key", str(place / "operator1.key"), *opens]


def signed_drill(installation: Installation, _town: Town, place: Path) -> Answer:
    opens = with_person(installation, place)
    return installation.drorch("drill", "sign", drilled(installation), "--as", "operator1", *opens, "--json")


def superseded(installation: Installation, _town: Town, place: Path) -> Answer:
    with_person(installation, place)
    words = ("--reason", "x", "--as", "operator1", "--json")
    return installation.drorch("drill", "supersede", drilled(installation), *words)


def verified(installation: Installation, _town: Town, _place: Path) -> Answer:
    return installation.drorch("evidence", "verify", drilled(installation), "--json")


def printed(installation: Installation, _town: Town, place: Path) -> Answer:
    return installation.drorch("evidence", "report", drilled(installation), "--to", str(place), "--json")


def stamped(installation: Installation, _town: Town, _place: Path) -> Answer:
    settings = installation.settings
    settings.write_text(f"{settings.read_text()}\nevidence: {{timestamp: 'http://127.0.0.1:9/'}}\n")
    drilled(installation)
    return installation.drorch("evidence", "stamp", "--json", expect=67)


def exported(installation: Installation, _town: Town, place: Path) -> Answer:
    return installation.drorch("evidence", "export", drilled(installation), "--to", str(place / "x.zip"), "--json")


def restore(installation: Installation, _town: Town, place: Path) -> Answer:
    return installation.restore("latest:civil", f"sqlite://{place / 'back.db'}", "--json")


def opened_snapshot(installation: Installation, _town: Town, _place: Path) -> Answer:
    words = ("snapshots", "show", "latest:land", "--limit", "2", "--json")
    answer = installation.drorch(*words, *installation.custodian.opens)
    assert answer.json()["parts"]
    return answer


def plan(installation: Installation, town: Town, _place: Path) -> Answer:
    return installation.restore("latest:land", town.url(new_name("plan")), "--plan", "--json")


def stopped_plan(installation: Installation, town: Town, _place: Path) -> Answer:
    database = town.server.new_database("create table mine (a int)")
    return installation.restore("latest:land", town.url(database), "--plan", "--json", expect=70)


def partial_backup(installation: Installation, _town: Town, _place: Path) -> Answer:
    (installation.base / "vault").rename(installation.base / "unplugged")
    return installation.drorch("backup", "civil", "--json", expect=3)


def failed_backup(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.secret("land", "wrong")
    return installation.drorch("backup", "land", "civil", "--json", expect=3)


def troubled_status(installation: Installation, town: Town, place: Path) -> Answer:
    failed_backup(installation, town, place)
    (installation.base / "policies/bad.yaml").write_text("name: bad\n")
    return installation.drorch("status", "--json", "--check", expect=3)


def due(installation: Installation, town: Town, place: Path) -> Answer:
    """Let a daemon find something that is due: a copy of the same file that nobody backed up yet."""
    text = civil_policy(installation.base / "civil.db", "frozen").replace('"0 2 * * *"', "once")
    installation.policy("frozen", text)
    process = installation.start("daemon", "--drain", "30")
    deadline = time.monotonic() + LONGEST_SECONDS
    while "frozen" not in installation.drorch("history", "--occurrences", "--json").out:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
    process.terminate()
    process.communicate(timeout=LONGEST_SECONDS)
    return installation.drorch("history", "--occurrences", "--json")


def covered(installation: Installation, _town: Town, _place: Path) -> Answer:
    register = "id,name,owner,medium,policy\n1,Đất đai,UBND,digital,land civil\n2,Sổ giấy,UBND,paper,\n"
    (installation.base / "policies/systems.csv").write_text(register)
    answer = installation.drorch("coverage", "--check", "--json", expect=3)
    assert [one["cover"] for one in answer.json()["systems"]] == ["never_drilled", "paper"]
    return answer


def notify_test(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.secret("nobody.url", "json://127.0.0.1:1/")
    with installation.settings.open("a") as file:
        file.write("notifications: {nobody: {url: file:secrets/nobody.url}}\n")
    return installation.drorch("notify", "test", "--json", expect=80)


def notify_run(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.policy("fresh", civil_policy(installation.base / "none.db", "fresh"))
    answer = installation.drorch("notify", "run", "--json")
    assert [alert["code"] for alert in answer.json()["alerts"]] == ["rpo_missed"]
    return answer


def service_install(installation: Installation, _town: Town, place: Path) -> Answer:
    return installation.drorch("service", "install", "--root", str(place), "--json")


def failing_history(installation: Installation, town: Town, place: Path) -> Answer:
    failed_backup(installation, town, place)
    return installation.drorch("history", "--json")


def one_run(installation: Installation, town: Town, _place: Path) -> Answer:
    answer = installation.drorch("history", "--run", town.second["land"]["snapshot"], "--json")
    assert answer.json()["log"]
    return answer


def troubled_doctor(installation: Installation, _town: Town, _place: Path) -> Answer:
    (installation.base / "vault").rename(installation.base / "unplugged")
    return installation.drorch("doctor", "land", "--json", expect=34)


def damaged_verify(installation: Installation, _town: Town, _place: Path) -> Answer:
    pack = next(path for path in (installation.base / "vault").glob("l/*/p/**/*") if path.is_file())
    pack.unlink()
    return installation.drorch("verify", "--json", expect=None)


def bad_policies(installation: Installation, _town: Town, _place: Path) -> Answer:
    (installation.base / "policies/bad.yaml").write_text("name: bad\n")
    return installation.drorch("policy", "validate", "--json", expect=10)


def copy_with_trouble(installation: Installation, town: Town, place: Path) -> Answer:
    with closing(sqlite3.connect(installation.base / "civil.db")) as connection:
        connection.execute("insert into birth (name) values (hex(randomblob(20000)))")
        connection.commit()
    partial_backup(installation, town, place)
    (installation.base / "unplugged").rename(installation.base / "vault")
    missing = {path.name for path in (installation.base / "vault").glob("l/*/p/*/*")}
    next(path for path in (installation.base / "disk").glob("l/*/p/*/*") if path.name not in missing).unlink()
    answer = installation.drorch("copy", "--to", "vault", "--json", expect=3)
    assert answer.json()["problems"]
    return answer


def exported_medium(installation: Installation, _town: Town, place: Path) -> Answer:
    (place / "medium").mkdir()
    return installation.drorch("courier", "export", str(place / "medium"), "--json")


def ingested_medium(installation: Installation, town: Town, place: Path) -> Answer:
    exported_medium(installation, town, place)
    return installation.drorch("courier", "ingest", str(place / "medium"), "--to", "vault", "--json")


def wanted_page(installation: Installation, _town: Town, place: Path) -> Answer:
    return installation.drorch("courier", "want", "--of", "vault", str(place / "vault.have"), "--json")


def held_snapshots(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.drorch("hold", "latest:civil", "--reason", "case 12")
    answer = installation.drorch("snapshots", "held", "--json")
    assert answer.json()["held"]
    return answer


def prune(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.drorch("backup", "civil")
    plan = installation.drorch("prune", "civil", "--plan", "--json").json()
    assert plan["doubts"]
    installation.drorch("prune", "civil", expect=4)
    answer = installation.drorch("prune", "civil", "--confirm", plan["digest"], "--json")
    assert [len(lane["snapshots"]) for lane in answer.json()["lanes"]] == [1, 1]
    return answer


def prune_without_a_store(installation: Installation, _town: Town, _place: Path) -> Answer:
    installation.drorch("backup", "civil")
    (installation.base / "vault").rename(installation.base / "unplugged")
    return installation.drorch("prune", "--store", "disk", "--store", "vault", "--plan", "--json", expect=3)


def adopt(installation: Installation, _town: Town, _place: Path) -> Answer:
    with closing(sqlite3.connect(installation.base / "var/state/catalog.sqlite")) as connection:
        connection.execute("update sources set machine_id = 'another' where address = 'civil'")
        connection.commit()
    return installation.drorch("source", "adopt", "civil", "--reason", "the host was replaced", "--json")


def retire(installation: Installation, _town: Town, _place: Path) -> Answer:
    (installation.base / "policies/civil.yaml").unlink()
    return installation.drorch("source", "retire", "civil", "--reason", "merged", "--json")


def reopen(installation: Installation, town: Town, place: Path) -> Answer:
    retire(installation, town, place)
    return installation.drorch("source", "reopen", "civil", "--reason", "still there", "--json")


def close(installation: Installation, _town: Town, _place: Path) -> Answer:
    words = ("--reason", "dissolved", "--legal-basis", "QĐ 12/2026", *installation.custodian.opens, "--json")
    return installation.drorch("source", "close", "land", *words)


def restore_many(installation: Installation, town: Town, place: Path) -> Answer:
    """Restore all of a policy that asks its server; the account may already be there."""
    name = new_name("many")
    town.server.run(f'create database "{name}"')
    text = land_policy(town.server, "", "many").replace("    database: \n", f"    databases: {{match: [{name}]}}\n")
    installation.policy("many", text)
    installation.drorch("backup", "many")
    town.server.run(f'drop database "{name}"')
    del place
    return installation.restore("latest:many", town.url(""), "--json")


def drill(installation: Installation, _town: Town, _place: Path) -> Answer:
    return installation.drorch("drill", "run", "civil", *installation.custodian.opens, "--json")


def shown_drill(installation: Installation, town: Town, place: Path) -> Answer:
    made = drill(installation, town, place).json()["drills"][0]["drill"]
    installation.drorch("drill", "list", "--json")
    return installation.drorch("drill", "show", made, "--json")


def listed_drills(installation: Installation, town: Town, place: Path) -> Answer:
    drill(installation, town, place)
    return installation.drorch("drill", "list", "--json")


def second_recipient(installation: Installation, _town: Town, place: Path) -> Answer:
    """Add a recipient whose key is made here: to stretch a passphrase takes half a second."""
    public = public_of(KeyKind.RECIPIENT, bytes(range(32)), "second")
    (place / "second.pub").write_text(encode_public(public))
    root = ["--root-key", str(installation.base / "keys/root.key")]
    root += ["--root-passphrase-file", str(installation.custodian.directory / "root-passphrase")]
    return installation.drorch("keys", "add", str(place / "second.pub"), *root, "--json")


def removed(installation: Installation, town: Town, place: Path) -> Answer:
    second_recipient(installation, town, place)
    answer = installation.drorch("keys", "remove", "custodian", "--plan", "--json")
    assert answer.json()["stays_open"]
    return answer


def revoked(installation: Installation, _town: Town, _place: Path) -> Answer:
    answer = installation.drorch("keys", "revoke", socket.gethostname(), "--plan", "--json")
    assert answer.json()["ends"]
    return answer


# name of the case -> command, schema, how to ask
CASES: dict[str, tuple[str, str, Ask]] = {
    "init": ("init", "init", init),
    "doctor": ("doctor", "doctor", asked("doctor", "land")),
    "doctor with trouble": ("doctor", "doctor", troubled_doctor),
    "policy validate": ("policy validate", "policy-validate", asked("policy", "validate")),
    "policy validate with problems": ("policy validate", "policy-validate", bad_policies),
    "policy show": ("policy show", "policy", asked("policy", "show", "land")),
    "policy show at": ("policy show", "policy-text", asked("policy", "show", "land", "--at", "2100-01-01 00:00")),
    "policy new": ("policy new", "policy-new", asked("policy", "new", "more")),
    "policy grants": ("policy grants", "policy-grants", asked("policy", "grants", "land")),
    "policy schema": ("policy schema", "policy-schema", asked("policy", "schema")),
    "backup": ("backup", "backup", asked("backup", "civil")),
    "backup to one store of two": ("backup", "backup", partial_backup),
    "backup with a failure": ("backup", "backup", failed_backup),
    "status": ("status", "status", asked("status")),
    "status with trouble": ("status", "status", troubled_status),
    "source list": ("source list", "source-list", asked("source", "list")),
    "source adopt": ("source adopt", "source", adopt),
    "source retire": ("source retire", "source", retire),
    "source reopen": ("source reopen", "source", reopen),
    "source close": ("source close", "source", close),
    "history": ("history", "history", asked("history")),
    "history with a failure": ("history", "history", failing_history),
    "history of occurrences": ("history", "occurrences", due),
    "service install": ("service install", "service-install", service_install),
    "history of one run": ("history", "history", one_run),
    "snapshots": ("snapshots list", "snapshots", asked("snapshots")),
    "snapshots of a store": ("snapshots list", "snapshots", asked("snapshots", "--store", "disk")),
    "snapshots show": ("snapshots show", "snapshot", asked("snapshots", "show", "latest:civil")),
    "snapshots show with a key": ("snapshots show", "snapshot", opened_snapshot),
    "restore": ("restore", "restore", restore),
    "restore of many": ("restore", "restore-many", restore_many),
    "restore plan": ("restore", "restore-plan", plan),
    "restore plan that stops": ("restore", "restore-plan", stopped_plan),
    "verify": ("verify", "verify", asked("verify", "--read-data", "100")),
    "verify with damage": ("verify", "verify", damaged_verify),
    "coverage": ("coverage", "coverage", covered),
    "report": ("report", "report", asked("report", "--month", "2026-01")),
    "metrics": ("metrics", "metrics", asked("metrics")),
    "notify test": ("notify test", "notify-test", notify_test),
    "notify run": ("notify run", "notify-run", notify_run),
    "store validate": ("store validate", "store-validate", asked("store", "validate", "disk")),
    "store bucket-policy": ("store bucket-policy", "bucket-policy", asked("store", "bucket-policy", "writer")),
    "keys generate": ("keys generate", "key", generate),
    "keys split": ("keys split", "key-shares", split),
    "keys combine": ("keys combine", "key", combine),
    "recovery-sheet": ("recovery-sheet", "recovery-sheet", asked("recovery-sheet")),
    "drill run": ("drill run", "drill-run", drill),
    "drill due": ("drill due", "drill-due", asked("drill", "due")),
    "drill list": ("drill list", "drill-list", listed_drills),
    "drill show": ("drill show", "drill-show", shown_drill),
    "drill coverage": ("drill coverage", "drill-coverage", asked("drill", "coverage")),
    "copy": ("copy", "copy", asked("copy", "--to", "vault")),
    "copy after a night away": ("copy", "copy", copy_with_trouble),
    "prune": ("prune", "prune", prune),
    "prune plan": ("prune", "prune-plan", asked("prune", "--plan")),
    "prune plan while a store is away": ("prune", "prune-plan", prune_without_a_store),
    "courier export": ("courier export", "courier-export", exported_medium),
    "courier ingest": ("courier ingest", "courier-ingest", ingested_medium),
    "courier want": ("courier want", "courier-want", wanted_page),
    "lock extend": ("lock extend", "lock-extend", asked("lock", "extend")),
    "snapshots held": ("snapshots held", "snapshots-held", held_snapshots),
    "pin": ("pin", "hold", asked("pin", "latest:civil", "--until", "31/12/2100")),
    "hold": ("hold", "hold", asked("hold", "latest:civil", "--reason", "case 12")),
    "catalog rebuild": ("catalog rebuild", "catalog-rebuild", asked("catalog", "rebuild")),
    "catalog upgrade": ("catalog upgrade", "catalog-upgrade", asked("catalog", "upgrade")),
    "completion": ("completion", "completion", asked("completion", "bash")),
    "evidence log": ("evidence log", "evidence-log", asked("evidence", "log")),
    "evidence verify": ("evidence verify", "evidence-verify", verified),
    "evidence export": ("evidence export", "evidence-export", exported),
    "evidence stamp": ("evidence stamp", "evidence-stamp", stamped),
    "evidence report": ("evidence report", "evidence-report", printed),
    "drill sign": ("drill sign", "drill-sign", signed_drill),
    "drill supersede": ("drill supersede", "drill-supersede", superseded),
    "keys show": ("keys show", "keys-show", asked("keys", "show")),
    "keys add": ("keys add", "keys-change", second_recipient),
    "keys remove": ("keys remove", "keys-change", removed),
    "keys revoke": ("keys revoke", "keys-change", revoked),
    "keys reseal": ("keys reseal", "keys-reseal", asked("keys", "reseal", "--plan")),
    "source reseed": ("source reseed", "source", asked("source", "reseed", "civil", "--reason", "a custodian left")),
    "keys trust": ("keys trust", "keys-trust", asked("keys", "trust", "list")),
    "an error": ("backup", "error", asked("backup", "nobody", expect=14)),
    "wrong usage": ("backup", "error", asked("backup", "--no-such-option", expect=2)),
}


def strict(schema: Any) -> Any:
    """Return a schema that also refuses keys that are not published."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {} if "properties" not in schema else {"additionalProperties": False}
    return {key: strict(part) for key, part in schema.items()} | closed


def commands(command: click.Command = root, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}".strip())


EVERY = dict(commands())


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_as_published(case: str, copied: Installation, town: Town, tmp_path: Path) -> None:
    _command, schema, ask = CASES[case]
    answer = ask(copied, town, tmp_path)
    document = json.loads(answer.out)
    published = json.loads(SCHEMAS[schema].read_text(encoding="utf-8"))
    jsonschema.validate(document, strict(published), cls=jsonschema.Draft202012Validator)
    assert document["schema"] == f"drorch.{schema}/1"
    assert document.get("ok", False) is (answer.code == 0) or case == "status with trouble"
    assert answer.err == ""


def test_every_command_and_every_schema_has_a_case() -> None:
    assert {command for command, _, _ in CASES.values()} == set(EVERY) - {"demo", "daemon"}, (
        "a demo is for people, the daemon answers nobody"
    )
    assert {schema for _, schema, _ in CASES.values()} == set(SCHEMAS)


@pytest.mark.parametrize("path", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_describes_every_key_and_demands_it(path: Path) -> None:
    published = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    assert published["properties"]["schema"] == {"const": f"drorch.{path.name.removesuffix('.schema.json')}/1"}
    assert set(published["required"]) == set(published["properties"]) - ON_REQUEST
    for described in objects_within(published):
        keys = described["properties"]
        assert set(keys) - set(described.get("required", ())) <= ON_REQUEST | NOT_ALWAYS, (
            "a key that is gone is noticed"
        )
        assert [key for key, kind in keys.items() if not TYPING & set(kind)] == [], "and one of another type"


def objects_within(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every description of an object, at any depth."""
    if isinstance(schema, list):
        for part in schema:
            yield from objects_within(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "required" in schema:
            yield schema
        for part in schema.values():
            yield from objects_within(part)


def test_a_removed_or_retyped_key_is_noticed() -> None:
    published = strict(json.loads(SCHEMAS["catalog-rebuild"].read_text(encoding="utf-8")))
    good = {"schema": "drorch.catalog-rebuild/1", "ok": True, "snapshots": 3, "drills": 0, "problems": []}
    jsonschema.validate(good, published)
    broken: list[dict[str, Any]] = [
        {key: value for key, value in good.items() if key != "snapshots"},
        good | {"snapshots": "3"},
        good | {"more": 1},
        good | {"problems": [{"store": "disk"}]},
    ]
    for one in broken:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(one, published)


@pytest.mark.parametrize("name", EVERY)
def test_help_has_an_example_and_fits(name: str) -> None:
    told = CliRunner(env={"COLUMNS": "200"}).invoke(root, [*name.split(), "--help"], prog_name="drorch")
    assert told.exit_code == 0
    assert "Example: " in told.output
    assert "drorch " + name in " ".join(told.output.split())
    assert [line for line in told.output.splitlines() if len(line) > 80] == []
    for option in ("--json", "--quiet", "--config"):
        assert option in told.output


def test_the_first_page_lists_every_command_in_80_columns() -> None:
    told = run([*COMMAND, "--help"]).out
    assert [line for line in told.splitlines() if len(line) > 80] == []
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []
    assert run([*COMMAND, "--version"]).out.startswith("drorch ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    assert "_DRORCH_COMPLETE" in run([*COMMAND, "completion", shell]).out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("drorch sta", "status"),
        ("drorch backup l", "land"),
        ("drorch restore latest:c", "latest:civil"),
        ("drorch store validate v", "vault"),
        ("drorch backup --fa", "--failed"),
    ],
)
def test_policies_snapshots_and_stores_complete(town: Town, typed: str, offered: str) -> None:
    env = {
        "PATH": "/usr/bin:/bin",
        "DRORCH_CONFIG": str(town.installation.settings),
        "_DRORCH_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    assert f"plain,{offered}" in run(COMMAND, env=env).out.splitlines()


def test_outside_an_installation_completion_is_silent(tmp_path: Path) -> None:
    env = {
        "PATH": "/usr/bin:/bin",
        "_DRORCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "drorch backup x",
        "COMP_CWORD": "2",
    }
    answer = run(COMMAND, env=env, cwd=tmp_path)
    assert (answer.out.strip(), answer.err) == ("", "")
