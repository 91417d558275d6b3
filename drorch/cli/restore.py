"""``drorch restore``: bring a snapshot, or tables of it, into a database; ``--plan`` only says what stands in the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path

import click

from drorch.cli.addresses import complete_snapshot
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, finding_lines, labelled, local_time, printable, utc_time, wrapped
from drorch.cli.passwords import password_at
from drorch.cli.private_keys import key_options, recipient_soon
from drorch.cli.progress import Silent, observer
from drorch.cli.repositories import Where, known_lanes, repository, store_options
from drorch.cli.restore_many import ManyRequest, policy_of_many, restore_many
from drorch.cli.times import parse_time
from drorch.errors import PARTIAL, DecisionNeeded, DrorchError, PolicyUnknown, UsageInvalid
from drorch.operations import restore
from drorch.operations.choose import choose
from drorch.quantities import counted, format_duration, format_size
from drorch.repository.listing import ListedSnapshot
from drorch.repository.reader import SnapshotReader
from drorch.settings import load_policies
from drorch.sources.interface import Level, RestoreChoices, Target
from drorch.wiring import Wiring

FETCH_THREADS = 2
SHOWN_FAULTS = 5
SHOWN_DIFFERENCES = 10
_BY_COMMAND = "command:"
_TO = (
    "postgresql://USER@HOST/DB, mariadb://USER@HOST/DB, sqlite:///FILE, files:///DIRECTORY; for what a command wrote: command:TARGET,"
    " by the policy's own restore command, or file:PATH, the bytes as they are."
)


@click.command(epilog="Example: drorch restore latest:land --key custodians.key --to postgresql://postgres@db2/land")
@click.argument("snapshot", metavar="SNAPSHOT|latest:POLICY[/NAME]", shell_complete=complete_snapshot)
@click.option("--to", "target_url", required=True, metavar="URL", help=_TO)
@click.option("--to-password", metavar="WHERE", help="file:PATH, env:NAME or prompt; never the password itself.")
@click.option("--plan", "only_plan", is_flag=True, help="Only say what would happen and what stands in the way.")
@click.option("--table", "tables", multiple=True, metavar="SCHEMA.TABLE", help="Only this table (repeatable).")
@click.option("--path", "paths", multiple=True, metavar="GLOB", help="Only these files, as in .gitignore (repeatable).")
@click.option("--into-schema", metavar="NAME", help="With --table: into this new schema, beside the originals.")
@click.option("--before", metavar="TIME", help="With latest: the newest snapshot not later than TIME.")
@click.option("--replace", is_flag=True, help="Restore beside what is there, check, then swap; the old one stays.")
@click.option("--terminate-sessions", is_flag=True, help="With --replace: end the sessions that use the database.")
@click.option("--create-roles", is_flag=True, help="Make missing roles, without login.")
@click.option(
    "--create-roles-with-logins", "create_logins", is_flag=True, help="And their members, logins and password hashes."
)
@click.option("--map-role", "map_roles", multiple=True, metavar="A=B", help="Give B what belonged to A.")
@click.option("--no-owner", is_flag=True, help="Everything belongs to the restoring account; no grants.")
@click.option("--map-tablespace", "map_tablespaces", multiple=True, metavar="A=B", help="Put in B what was in A.")
@click.option("--allow-older", is_flag=True, help="Try a server that is older than the source.")
@click.option("--locale", metavar="NAME", help="Use this locale when the source's is not there.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="Tables at once.")
@key_options
@store_options
@common_options
def command(
    snapshot: str,
    target_url: str,
    to_password: str | None,
    only_plan: bool,
    tables: tuple[str, ...],
    paths: tuple[str, ...],
    into_schema: str | None,
    before: str | None,
    replace: bool,
    terminate_sessions: bool,
    create_roles: bool,
    create_logins: bool,
    map_roles: tuple[str, ...],
    no_owner: bool,
    map_tablespaces: tuple[str, ...],
    allow_older: bool,
    locale: str | None,
    jobs: int,
    key_path: Path | None,
    passphrase_file: Path | None,
    where: Where,
    invocation: Invocation,
) -> int:
    """Restore a snapshot, checked chunk by chunk, and compared with what was captured.

    A target with data in it is refused; --replace restores beside it and swaps at the end, and the old one stays.
    latest:POLICY into a server without a database restores every source of a fan-out policy under its own name.
    On a bare machine --store and --key are enough; the credentials are those of the usual AWS variables.
    """
    settings = invocation.settings_or_bare()
    choices = RestoreChoices(
        tables=tables,
        paths=paths,
        replace=replace,
        terminate_sessions=terminate_sessions,
        create_roles=create_roles,
        create_logins=create_logins,
        map_roles=dict(_mapping("--map-role", pair) for pair in map_roles),
        no_owner=no_owner,
        map_tablespaces=dict(_mapping("--map-tablespace", pair) for pair in map_tablespaces),
        into_schema=into_schema,
        allow_older=allow_older,
        locale=locale,
        jobs=jobs,
    )
    _require_fitting(target_url, choices)
    recipient = recipient_soon(key_path, passphrase_file)
    with invocation.wiring(settings) as wiring:
        choices = dataclasses.replace(choices, started_at=wiring.clock.now().astimezone(settings.time_zone))
        many = policy_of_many(snapshot, target_url)
        if many is not None:
            request = ManyRequest(
                policy=many,
                server_url=target_url,
                choices=choices,
                before=None
                if before is None
                else parse_time(before, settings.time_zone).astimezone(settings.time_zone),
                only_plan=only_plan,
                recipient=recipient(),
                password=password_at(to_password, "--to-password", settings),
            )
            return restore_many(wiring, repository(wiring, where, invocation.output), request, invocation.output)
        by_command = target_url.startswith(_BY_COMMAND)
        if by_command and to_password is not None:
            raise UsageInvalid(
                "a command gets no password by --to-password",
                expected="`environment:` in the policy's `command:`",
                found="--to-password",
            )
        target = None if by_command else wiring.target(target_url, password_at(to_password, "--to-password", settings))
        opened = repository(wiring, where, invocation.output)
        moment = None if before is None else parse_time(before, settings.time_zone).astimezone(settings.time_zone)
        known = known_lanes(wiring, snapshot)
        chosen = choose(opened, snapshot, before=moment, lanes=known.wanted, lanes_of_others=known.of_others)
        target = target or _command_target(wiring, target_url, chosen.link.manifest.source)
        reader = SnapshotReader(opened, chosen.link, [recipient()], threads=FETCH_THREADS, stores=chosen.stores)
        with closing(reader):
            if only_plan:
                _content, plan = restore.plan(reader, target, choices)
                return _tell_plan(chosen, target.address, plan, wiring, invocation.output)
            bars = observer(invocation.output, "rows")
            with bars or nullcontext(Silent()) as watching:
                report = restore.run(reader, target, choices, observer=watching, clock=wiring.clock)
            _tell(chosen, report, opened.unusable, wiring, invocation.output)
    return PARTIAL if report.outcome.not_as_before else 0


def _command_target(wiring: Wiring, url: str, source: str) -> Target:
    """Return the target of ``command:PLACE``: what runs is the restore command of this machine's policy, never one of the snapshot."""
    by_file = "--to file:PATH writes the bytes to a file, on any machine"
    if wiring.settings.file is None:
        raise UsageInvalid(
            "no policy here says by which command to restore", expected="a drorch.yaml", found="none", hint=by_file
        )
    try:
        promises = load_policies(wiring.settings).find(source)[1]
    except PolicyUnknown as error:
        error.hint = f"the policy of that name says by which command to restore; {by_file}"
        raise
    return wiring.command_target(url, promises[0])


def _require_fitting(url: str, choices: RestoreChoices) -> None:
    """Raise ``UsageInvalid`` for an option that would be ignored."""
    given = {
        "--into-schema": choices.into_schema is not None,
        "--map-tablespace": bool(choices.map_tablespaces),
        "--create-roles-with-logins": choices.create_logins,
    }
    scheme = url.partition(":")[0]
    for option, is_given in given.items():
        of_mariadb = option == "--create-roles-with-logins" and scheme in ("mariadb", "mysql")
        if is_given and not of_mariadb and scheme not in ("postgresql", "postgres"):
            raise UsageInvalid(f"{option} is for PostgreSQL", expected="--to postgresql://...", found=f"{scheme}:")
    if choices.into_schema is not None and not choices.tables:
        raise UsageInvalid("--into-schema goes with --table", expected="--table SCHEMA.TABLE", found="a whole database")


def _mapping(option: str, pair: str) -> tuple[str, str]:
    old, equals, new = pair.partition("=")
    if not (old and equals and new):
        raise UsageInvalid(f"{option} takes two names", expected=f"{option} OLD=NEW", found=pair)
    return old, new


def _tell_plan(chosen: ListedSnapshot, address: str, plan: restore.RestorePlan, wiring: Wiring, output: Output) -> int:
    stops = len(plan.stops)
    if output.as_json:
        output.document("drorch.restore-plan/1", {"ok": not stops, **_plan_document(chosen, address, plan)})
    else:
        output.lines(_plan_lines(chosen, address, plan, wiring))
        points = "1 point needs" if stops == 1 else f"{stops} points need"
        output.lines(["", f"{points} your decision." if stops else "Nothing stands in the way."])
        output.lines(["Nothing was changed; of the target only its catalog was read."])
    return DecisionNeeded.exit_code if stops else 0


def _plan_lines(chosen: ListedSnapshot, address: str, plan: restore.RestorePlan, wiring: Wiring) -> list[str]:
    manifest = chosen.link.manifest
    age = (wiring.clock.now() - manifest.restore_point).total_seconds()
    moment = local_time(manifest.restore_point, str(wiring.settings.time_zone))
    lines = ["PLAN  nothing is changed"]
    lines += labelled(
        "snapshot", f"{chosen.short_id}  {manifest.source}  {moment}  ({format_duration(age)} old)", column=15
    )
    lines += labelled("from", ", ".join(chosen.stores), column=15)
    lines += labelled("to", address, column=15)
    lines += labelled("will read", f"{format_size(plan.bytes)}{_in_things(plan)}", column=15)
    return [*lines, "", *finding_lines(plan.findings)]


def _in_things(plan: restore.RestorePlan) -> str:
    rows = f", {counted(plan.rows, 'row')}" if plan.things == "tables" else ""
    return f" in {plan.tables:,} {plan.things}{rows}" if plan.tables else ""


def _plan_document(chosen: ListedSnapshot, address: str, plan: restore.RestorePlan) -> dict[str, object]:
    return {
        "snapshot": str(chosen.link.manifest.run),
        "source": chosen.link.manifest.source,
        "restore_point": utc_time(chosen.link.manifest.restore_point),
        "stores": list(chosen.stores),
        "target": address,
        "tables": plan.tables,
        "rows": plan.rows,
        "bytes": plan.bytes,
        "findings": [
            {"level": finding.level.value, "text": finding.text, "remedy": finding.remedy} for finding in plan.findings
        ],
    }


def _tell(
    chosen: ListedSnapshot,
    report: restore.RestoreReport,
    unusable: Mapping[str, DrorchError],
    wiring: Wiring,
    output: Output,
) -> None:
    if output.as_json:
        document = _plan_document(chosen, report.outcome.place, report.plan)
        document |= {
            "ok": not report.outcome.not_as_before,
            "tables": report.outcome.tables,
            "rows": report.outcome.rows,
            "bytes": report.size_bytes,
            "duration_s": round(report.duration_seconds, 3),
            "by_hand": list(report.outcome.by_hand),
            "not_as_before": list(report.outcome.not_as_before),
            "undo": list(report.outcome.lines),
            "stores_left_out": sorted(unusable),
            "faults": [{"store": fault.store, "object": fault.name} for fault in report.faults],
        }
        output.document("drorch.restore/1", document)
        return
    if output.quiet:
        return
    outcome = report.outcome
    moment = local_time(chosen.link.manifest.restore_point, str(wiring.settings.time_zone))
    word = "PARTIAL" if outcome.not_as_before else "OK"
    duration = format_duration(report.duration_seconds)
    lines = wrapped(f"{word}  {outcome.place} is the snapshot of {moment}; {duration}", 4)
    plan = report.plan
    came = f"{outcome.tables:,} of {plan.tables:,} {plan.things}"
    came += f", {counted(outcome.rows, 'row')}" if plan.things == "tables" else ""
    lines.append(f"  {came if plan.tables else format_size(plan.bytes)}, every byte as at backup")
    for text in outcome.not_as_before[:SHOWN_DIFFERENCES]:
        lines += wrapped(f"  {printable(text)}", 4)
    if len(outcome.not_as_before) > SHOWN_DIFFERENCES:
        lines.append(f"  and {len(outcome.not_as_before) - SHOWN_DIFFERENCES:,} more; --json names them")
    lines += [f"  {line}" for line in outcome.lines]
    if outcome.by_hand:
        lines.append("  to be switched on by hand:")
        lines += [line for text in outcome.by_hand for line in wrapped(f"    {text}", 4)]
    notes = [finding for finding in report.plan.findings if finding.level is Level.NOTE]
    lines += finding_lines(notes)
    for name, error in unusable.items():
        lines += wrapped(f"  note  {name} could not be used ({error.message}); read from {', '.join(chosen.stores)}", 8)
    for fault in report.faults[:SHOWN_FAULTS]:
        lines += wrapped(
            f"  note  {fault.name} in {fault.store} could not be used ({fault.reason}); another copy was", 8
        )
    if len(report.faults) > SHOWN_FAULTS:
        lines.append(f"  note  and {len(report.faults) - SHOWN_FAULTS:,} more such objects; `drorch verify` says more")
    output.lines(lines)
