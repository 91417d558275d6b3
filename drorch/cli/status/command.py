"""``drorch status``: what is protected, what is late and what needs somebody."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence

import click

from drorch import __version__
from drorch.catalog.interface import Severity, SnapshotRecord
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import utc_time
from drorch.cli.status.contact import contact_documents, host_documents
from drorch.cli.status.daemon_line import daemon_document
from drorch.cli.status.view import View
from drorch.cli.watch.looking import alert_fields
from drorch.errors import PARTIAL, PolicyUnknown
from drorch.operations.overview import Overview, SourceStanding
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.facts import Facts
from drorch.settings import Settings, load_policies
from drorch.wiring.watching import look


@click.command(epilog="Example: drorch status --check --json")
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--all", "show_all", is_flag=True, help="Every problem and every policy, however long it gets.")
@click.option("--check", is_flag=True, help="Exit 3 when something is wrong.")
@common_options
def command(source: str | None, show_all: bool, check: bool, invocation: Invocation) -> int:
    """Show what is protected, what is late and what needs you.

    Problems come first, each with what to try. With POLICY or POLICY/NAME it shows each of its sources.
    """
    settings = invocation.settings()
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        found, facts = look(wiring, loaded)
    present = alerts(found, loaded.policies, facts)
    if source is not None:
        present = tuple(alert for alert in present if source in (alert.policy, alert.subject))
        found = _only(found, source, [policy.name for policy in loaded.policies])
    is_well = found.is_well and all(alert.severity is Severity.INFO for alert in present)
    if invocation.output.as_json:
        invocation.output.document("drorch.status/1", _document(found, present, facts, settings))
    elif not (invocation.output.quiet and is_well):
        height = None if show_all else shutil.get_terminal_size().lines - 1  # the prompt has a line too
        view = View(found, facts.daemon, settings, socket.gethostname(), most_lines=height, alerts=present, facts=facts)
        invocation.output.lines(view.lines(only=source))
    return PARTIAL if check and not is_well else 0


def _only(found: Overview, source: str, policies: Sequence[str]) -> Overview:
    chosen = tuple(one for one in found.sources if source in (one.address, one.policy))
    if not chosen and not found.policy_problems:
        raise PolicyUnknown(
            f"there is no policy or source {source}",
            expected=", ".join(policies[:10]) or "a policy: `drorch policy new NAME`",
            found=source,
        )
    alarms = tuple(alarm for alarm in found.alarms if alarm.policy == source)
    return Overview(at=found.at, sources=chosen, policy_problems=found.policy_problems, alarms=alarms)


def _document(found: Overview, present: Sequence[Alert], facts: Facts, settings: Settings) -> dict[str, object]:
    return {
        "at": utc_time(found.at),
        "ok": found.is_well and all(alert.severity is Severity.INFO for alert in present),
        "version": __version__,
        "host": socket.gethostname(),
        "settings": str(settings.file),
        "daemon": daemon_document(facts.daemon),
        "sources": [_source(one, facts) for one in found.sources],
        "stores": list(contact_documents(facts)),
        "hosts": list(host_documents(facts)),
        "alerts": [alert_fields(alert) for alert in present],
        "alarms": [
            {
                "kind": one.kind.value,
                "subject": one.subject,
                "policy": one.policy,
                "text": one.text,
                "details": one.details,
                "try": one.remedy,
                "databases": list(one.databases),
            }
            for one in found.alarms
        ],
        "rolling_checks": [
            {
                "store": one.store,
                "percent": one.percent,
                "began_at": utc_time(one.began_at),
                "last_round_ended_at": None if one.ended_at is None else utc_time(one.ended_at),
            }
            for one in facts.rolling
        ],
        "policy_problems": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
            for one in found.policy_problems
        ],
    }


def _drill(one: SourceStanding, facts: Facts) -> dict[str, object] | None:
    drill = facts.last_drills.get(one.address)
    if drill is None:
        return None
    return {
        "id": drill.drill,
        "verdict": drill.verdict,
        "objectives": drill.objectives,
        "age_s": round((facts.now - drill.ended_at).total_seconds()),
    }


def _deltas(good: SnapshotRecord) -> dict[str, object]:
    return {
        "delta_bytes": good.delta_bytes,
        "new_bytes": good.new_bytes,
        "larger_cache_would_make_deltas": good.missed_bytes,
    }


def _source(one: SourceStanding, facts: Facts) -> dict[str, object]:
    good, last, trouble = one.newest_good, one.last_run, one.trouble
    return {
        "source": one.address,
        "policy": one.policy,
        "state": one.standing.value,
        "last_good_snapshot": None if good is None else good.snapshot,
        "restore_point": None if good is None else utc_time(good.restore_point),
        "rpo_target_s": one.rpo_target_seconds,
        "rpo_actual_s": None if one.rpo_actual_seconds is None else round(one.rpo_actual_seconds),
        "copies": {"complete": one.copies_complete, "promised": one.copies_promised},
        "deltas": None if good is None or good.delta_bytes is None else _deltas(good),
        "last_run": None
        if last is None
        else {"run": last.run_id, "state": last.state.value, "started_at": utc_time(last.started_at)},
        "last_drill": _drill(one, facts),
        "next_due": None if one.due_at is None else utc_time(one.due_at),
        "running": one.is_running,
        "last_seen": None if one.last_seen_at is None else utc_time(one.last_seen_at),
        "problem": None
        if trouble is None
        else {
            "text": trouble.text,
            "details": trouble.details,
            "try": trouble.remedy,
            "code": trouble.code,
            "name": trouble.name,
            "hint": trouble.hint,
        },
    }
