"""The sums below the tables: what is protected, proven, copied and stored, and what the daemon does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from drorch.cli.output import WIDTH, wrapped
from drorch.cli.status.contact import contact_words, host_words
from drorch.cli.status.daemon_line import daemon_words
from drorch.cli.status.fitting import NAMES_LENGTH, first_names
from drorch.operations.occurrences.standing import DaemonStanding
from drorch.operations.overview import Overview, SourceStanding, Standing
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.operations.watch.facts import Facts
from drorch.quantities import format_size

_PROVEN_WITHIN = timedelta(days=90)


def sums(
    found: Overview,
    daemon: DaemonStanding,
    facts: Facts | None,
    alerts: Sequence[Alert],
    zone: ZoneInfo,
    *,
    is_brief: bool = False,
) -> list[str]:
    """Return the lines; those about sources only where there is one. ``is_brief`` leaves out what asks for no attention."""
    promised = found.protected
    running = [one.address for one in found.sources if one.is_running]
    words = daemon_words(daemon, zone)
    words += f"; running now: {first_names(running, NAMES_LENGTH)}" if running else ""
    lines = []
    if promised:
        lines.append(_protected_line(promised))
        lines += _elsewhere_lines(promised)
        lines.append(_proven_line(found, promised, facts))
        lines += wrapped(_copies_line(promised, alerts), 11)
        lines += _stored_lines(promised)
        lines += [] if is_brief else _deltas_lines(promised, facts)
        lines += _contact_lines(facts, is_brief=is_brief)
    lines += [] if is_brief else _checked_lines(facts, zone)
    return [*lines, *wrapped(f"Daemon     {words}", 11)]


def _protected_line(promised: Sequence[SourceStanding]) -> str:
    inside = sum(one.is_inside_rpo for one in promised)
    gone = sum(one.standing is Standing.GONE for one in promised)
    unknown = sum(one.is_unknown for one in promised)
    late = len(promised) - inside - gone - unknown
    text = f"Protected  {inside} of {len(promised)} sources are inside their RPO"
    counts = ", ".join(
        f"{count} {word}" for count, word in ((late, "late"), (gone, "gone"), (unknown, "not read")) if count
    )
    return f"{text}{f'({counts})':>{WIDTH - len(text)}}" if counts else text


def _elsewhere_lines(promised: Sequence[SourceStanding]) -> list[str]:
    """Say on whose word it stands where this machine makes no backups."""
    elsewhere = [one for one in promised if one.standing is Standing.ELSEWHERE]
    if not elsewhere:
        return []
    line = f"Elsewhere  {len(elsewhere)} of {len(promised)} are backed up by other machines: told as the stores show it"
    unread = "; the daemon reads them, or `drorch catalog rebuild`" if any(one.is_unknown for one in elsewhere) else ""
    return wrapped(line + unread, 11)


def _proven_line(found: Overview, promised: Sequence[SourceStanding], facts: Facts | None) -> str:
    passed = {} if facts is None else facts.passed_drills
    since = found.at - _PROVEN_WITHIN
    proven = sum(one.address in passed and passed[one.address].ended_at >= since for one in promised)
    return f"Proven     {proven} of {len(promised)} were restored by a drill in the last {_PROVEN_WITHIN.days} days"


def _copies_line(promised: Sequence[SourceStanding], alerts: Sequence[Alert]) -> str:
    complete = sum(one.copies_complete == one.copies_promised > 0 for one in promised)
    away = [alert for alert in alerts if alert.code is AlertCode.STORE_AWAY]
    told = "; ".join(f"{alert.subject}: {alert.text.partition(';')[0]}" for alert in away)
    line = f"Copies     {complete} of {len(promised)} are in every store of their policy"
    return f"{line}; {told}" if told else line


def _deltas_lines(promised: Sequence[SourceStanding], facts: Facts | None) -> list[str]:
    """Say how much of what changed became deltas; of first snapshots everything is new, and they do not count."""
    known = () if facts is None else facts.before
    good = [one.newest_good for one in promised if one.newest_good is not None and one.address in known]
    deltas, full, missed = (
        sum(getattr(one, name) or 0 for one in good) for name in ("delta_bytes", "new_bytes", "missed_bytes")
    )
    if not deltas + full:
        return []
    changed = deltas + full
    line = (
        f"Deltas     {100 * deltas / changed:.0f} % of the {format_size(changed)} that had changed was stored as deltas"
    )
    line += f"; a larger cache: {100 * (deltas + missed) / changed:.0f} %" if missed else ""
    return wrapped(line, 11)


def _contact_lines(facts: Facts | None, *, is_brief: bool) -> list[str]:
    """Return when each store was last heard of, and the other hosts that are silent."""
    if facts is None or not facts.stores:
        return []
    lines = wrapped(f"Contact    {contact_words(facts)}", 11) if facts.silent or not is_brief else []
    hosts = host_words(facts)
    return [*lines, *wrapped(f"Hosts      not heard of: {hosts}", 11)] if hosts else lines


def _stored_lines(promised: Sequence[SourceStanding]) -> list[str]:
    """Return how much of what was read did not have to be stored again, in words; nothing where nothing was read."""
    read = sum(one.newest_good.bytes_read for one in promised if one.newest_good is not None)
    stored = sum(one.stored_bytes for one in promised)
    if not read:
        return []
    share = (
        f" ({100 * stored / read:.1f} %)" if stored <= read else ""
    )  # lists and keys of a tiny source weigh more than it
    return [f"Stored     {format_size(stored)} for {format_size(read)} read by the newest snapshots{share}"]


def _checked_lines(facts: Facts | None, zone: ZoneInfo) -> list[str]:
    """Return how far the stores were read by checks that go on where the last one ended; nothing where none was."""
    told = []
    for one in () if facts is None else facts.rolling:
        ended = "" if one.ended_at is None else f", all of it by {one.ended_at.astimezone(zone):%d/%m}"
        told.append(f"{one.store} {one.percent:.0f} % since {one.began_at.astimezone(zone):%d/%m}{ended}")
    return wrapped(f"Read       {'; '.join(told)}", 11) if told else []
