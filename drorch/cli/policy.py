"""``drorch policy``: write, check and explain policy files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.cli.passwords import password_at
from drorch.clock import SystemClock
from drorch.errors import (
    PolicyInvalid,
    SourceUnsupported,
    StateSecretRefused,
    TargetRefused,
    UsageInvalid,
)
from drorch.operations.estate.seen import known_sources
from drorch.policy.model import SourcePromise
from drorch.policy.problems import render_problems, summarise
from drorch.settings import Settings, load_policies, load_restore_tests
from drorch.wiring import Wiring


@click.group(epilog="Example: drorch policy validate")
def command() -> None:
    """Write and check policy files; say in plain words what they promise."""


@command.command(epilog="Example: drorch policy validate", short_help="Check drorch.yaml, policies and restore tests.")
@common_options
def validate(invocation: Invocation) -> int:
    """Check drorch.yaml, every policy and every restore test; all problems at once, with file, line and column.

    Notes, such as one database in two policies or a group of one, are no problems: they go to stderr and change no exit code.
    """
    from drorch.policy.advice import lonely_groups, twins

    settings = invocation.settings()
    loaded = load_policies(settings)
    tests = load_restore_tests(settings, loaded)
    problems = tuple(sorted((*loaded.problems, *tests.problems)))
    files = loaded.file_count + tests.file_count
    told = (*twins(loaded.policies), *lonely_groups(loaded.policies))
    if invocation.output.as_json:
        listed = [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message} for one in problems
        ]
        invocation.output.document(
            "drorch.policy-validate/1",
            {"ok": not problems, "files": files, "problems": listed, "notes": list(told)},
        )
    elif problems:
        invocation.output.lines(
            [*render_problems(problems).splitlines(), f"{summarise(problems, files)}. Nothing was loaded."]
        )
    elif not invocation.output.quiet:
        count = len(loaded.policies)
        proofs = f", {len(tests.tests)} restore test{'' if len(tests.tests) == 1 else 's'}" if tests.tests else ""
        invocation.output.lines([f"OK  {count} {'policy' if count == 1 else 'policies'}{proofs}, no problem"])
    for note in () if invocation.output.as_json else told:
        invocation.output.message("\n".join(wrapped(f"note  {note}", 6)))
    if any(problem.is_state_secret for problem in problems):
        return StateSecretRefused.exit_code
    return PolicyInvalid.exit_code if problems else 0


@command.command(
    epilog="Example: drorch policy show lamdong-land", short_help="Say in plain words what a policy promises."
)
@click.argument("name", shell_complete=complete_source)
@click.option("--yaml", "as_yaml", is_flag=True, help="The merged text, with the place where each value comes from.")
@click.option(
    "--at", metavar="TIME", help="The text in force at TIME (a date alone: at its end), as the catalog kept it."
)
@common_options
def show(name: str, as_yaml: bool, at: str | None, invocation: Invocation) -> int:
    """Say in plain words what a policy promises, when it runs next, and where each value comes from.

    Keys that this version does not act on yet are marked.
    """
    from drorch.policy.explain import as_json, explain, merged_yaml

    settings = invocation.settings()
    if at is not None:
        return _show_at(name, at, invocation)
    policy, _promises = load_policies(settings).find(name)
    now = SystemClock().now()
    if invocation.output.as_json:
        document = as_json(policy, now=now)
        invocation.output.document(document.pop("schema"), {"ok": True, **document})
    else:
        invocation.output.lines((merged_yaml(policy) if as_yaml else explain(policy, now=now)).splitlines())
    return 0


def _show_at(name: str, at: str, invocation: Invocation) -> int:
    from drorch.cli.times import parse_time
    from drorch.operations.policy_history import text_at

    settings = invocation.settings()
    moment = parse_time(at, settings.time_zone, end_of_day=True) + timedelta(milliseconds=999)  # shown to the second
    policy = name.partition("/")[0]
    with invocation.wiring(settings) as wiring:
        found = text_at(wiring.catalog(), policy, moment, text_now=_text_now(settings, policy))
    if invocation.output.as_json:
        document = {"name": name, "sha256": found.digest, "text": found.text, "remembered": found.is_remembered}
        invocation.output.document("drorch.policy-text/1", {"ok": True, **document})
    else:
        invocation.output.lines(found.text.splitlines())
        if not found.is_remembered:
            note = "note  the catalog did not see that time; a snapshot of it names this text by its digest"
            invocation.output.message("\n".join(wrapped(note, 6)))
    return 0


def _text_now(settings: Settings, name: str) -> str | None:
    """Return the text of a policy file as it is now, if there is a good one of that name."""
    from drorch.policy.explain import policy_text

    found = [policy for policy in load_policies(settings).policies if policy.name == name]
    return policy_text(found[0]) if found else None


@command.command(
    epilog="Example: drorch policy new lamdong-land --engine postgresql",
    short_help="Write a policy file to be filled in.",
)
@click.argument("name")
@click.option(
    "--engine", type=click.Choice(["postgresql", "mariadb", "sqlite", "files", "command"]), default="postgresql"
)
@common_options
def new(name: str, engine: str, invocation: Invocation) -> int:
    """Write policies/NAME.yaml, to be filled in: eight lines protect a database."""
    from drorch.policy.new import template

    settings = invocation.settings()
    path = settings.policy_directory / f"{name}.yaml"
    text = template(name, engine)
    try:
        settings.policy_directory.mkdir(mode=0o750, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TargetRefused(f"{path} is there already", expected="a new name") from error
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error
    if invocation.output.as_json:
        invocation.output.document("drorch.policy-new/1", {"ok": True, "file": str(path)})
    elif not invocation.output.quiet:
        invocation.output.lines([f"OK  {path}", "  fill it in, then: drorch policy validate, drorch doctor " + name])
    return 0


@command.command(
    epilog="Example: drorch policy grants lamdong-land | psql -h db1 -U postgres land",
    short_help="Print what makes the account that a policy needs.",
)
@click.argument("name", shell_complete=complete_source)
@click.option("--ask", is_flag=True, help="Log in as the policy says and ask the server what must be granted.")
@click.option("--connect", "url", metavar="URL", help="The same, as an administrator: postgresql://USER@HOST/DB")
@click.option("--connect-password", metavar="WHERE", help="file:PATH, env:NAME or prompt; never the password itself.")
@common_options
def grants(name: str, ask: bool, url: str | None, connect_password: str | None, invocation: Invocation) -> int:
    """Print what makes the account that a policy needs, and nothing more than it needs.

    Without --ask or --connect no server is asked, and the text covers every version; with one of them it names this
    server's schemas, owners, tables with row security and large objects.
    """
    from drorch.policy.grants import grants as grants_text

    settings = invocation.settings()
    _policy, promises = load_policies(settings).find(name)
    texts = [grants_text(promise) for promise in promises]
    if ask or url is not None:
        if url is not None and len(promises) > 1:
            raise UsageInvalid(
                "an address is that of one database", expected=f"--connect with {name}/NAME, or --ask", found=name
            )
        password = password_at(connect_password, "--connect-password", settings)
        with invocation.wiring(settings) as wiring:
            if "/" in name:
                promises = known_sources(wiring.catalog(), promises, name)
            texts = [_asked(promise, url, password, wiring) for promise in promises]
    if invocation.output.as_json:
        listed = [{"source": promise.address, "text": text} for promise, text in zip(promises, texts, strict=True)]
        invocation.output.document("drorch.policy-grants/1", {"ok": True, "grants": listed})
    else:
        invocation.output.lines("\n".join(texts).splitlines())
    return 0


def _asked(promise: SourcePromise, url: str | None, password: Callable[[], str] | None, wiring: Wiring) -> str:
    """Return the text for one source as its server needs it."""
    from drorch.policy.grants import grants as grants_text

    if promise.needs_discovery:
        raise SourceUnsupported(
            f"{promise.address} means all databases that its server has; each is asked by itself",
            expected=f"{promise.address}/NAME, or the text without --ask and --connect",
            found=promise.address,
            hint=f"`drorch status {promise.policy_name} --all` lists them",
        )
    facts = wiring.postgresql_facts(promise, url, password)
    if url is not None:
        wanted = getattr(promise.source, "database", None)
        if facts is None or wanted not in (None, facts.database):
            raise UsageInvalid(
                "the address is not that of the policy's database",
                expected=f"database {wanted}" if facts else "a policy of a PostgreSQL database",
                found=f"database {facts.database}" if facts else promise.source.engine,
            )
    return grants_text(promise, facts)


@command.command(
    epilog="Example: drorch policy schema > policies/schema.json",
    short_help="Print the JSON Schema of policy files, for editors.",
)
@click.option("--settings", "of_settings", is_flag=True, help="The schema of drorch.yaml instead.")
@click.option("--restore-test", "of_test", is_flag=True, help="The schema of restore tests instead.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.")
@common_options
def schema(of_settings: bool, of_test: bool, output: Path | None, invocation: Invocation) -> int:
    """Print the JSON Schema of policy files, for editors."""
    from drorch.policy.schema import policy_schema, restore_test_schema, schema_text, settings_schema

    if of_settings and of_test:
        raise UsageInvalid("two schemas at once", expected="--settings or --restore-test", found="both")
    text = schema_text(settings_schema() if of_settings else restore_test_schema() if of_test else policy_schema())
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TargetRefused(f"{output} cannot be written", found=error.strerror or "") from error
    elif invocation.output.as_json:
        invocation.output.document("drorch.policy-schema/1", {"ok": True, "json_schema": json.loads(text)})
    else:
        invocation.output.lines(text.splitlines())
    return 0
