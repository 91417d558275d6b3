"""What ``policy show`` prints: what will happen and when, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from drorch.policy.advice import notes
from drorch.policy.fields import Line, MapOf, OneOf, ScalarOr, Table, WithColumns, lines_in_force
from drorch.policy.kinds import Kind
from drorch.policy.model import Hooks, Policy, Retention, source_address
from drorch.policy.nodes import Node, Section, built_in, flow_text, key_text
from drorch.policy.policy_fields import POLICY
from drorch.policy.problems import BUILT_IN, Place, wrapped
from drorch.policy.retention_presets import RETENTION_PRESETS
from drorch.policy.schedule import next_occurrence
from drorch.policy.words import listed, retention_words, schedule_words, source_words
from drorch.quantities import format_promise

_WIDTH = 80
_LABEL = 10
_COMMENT_COLUMN = 46
_MOST_SOURCES = 5
_NEXT = 3
NOT_ACTED_ON = "not acted on by this version"


def explain(policy: Policy, *, now: datetime) -> str:
    """Return the policy in plain words at 80 columns; ends with a line end. ``now`` is aware."""
    lines = [policy.name, *_description(policy), ""]
    for label, statements in _chapters(policy, now):
        for position, statement in enumerate(statements):
            for number, line in enumerate(wrapped(statement, _WIDTH - _LABEL)):
                lines.append((label if position == number == 0 else "").ljust(_LABEL) + line)
    lines += ["", *_origins(policy)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _description(policy: Policy) -> list[str]:
    return [f"  {line}" for text in policy.description.splitlines() for line in wrapped(text, _WIDTH - 2)]


def _chapters(policy: Policy, now: datetime) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "what", (*source_words(policy.source), *_fan_out(policy))
    yield "when", tuple(_when(policy, now))
    yield (
        "where",
        (
            f"a copy in {listed(policy.stores)}"
            if len(policy.stores) == 1
            else f"a copy in each of {listed(policy.stores)}",
        ),
    )
    objectives = policy.objectives
    yield (
        "promise",
        (
            f"at most {format_promise(objectives.rpo_seconds)} lost, usable again after at most {format_promise(objectives.rto_seconds)}",
        ),
    )
    yield "keep", tuple(_keep(policy))
    yield "who", tuple(_who(policy))
    if policy.probes:
        yield "probes", (f"asked at every backup: {listed(policy.probes)}",)
    for note in notes(policy, now):
        yield "note", (note,)


def _fan_out(policy: Policy) -> tuple[str, ...]:
    if policy.promises[0].needs_discovery:
        return (f"each is a source of its own: {policy.name}/NAME",)
    if policy.for_each is None:
        return ()
    shown = [promise.address for promise in policy.promises[:_MOST_SOURCES]]
    more = len(policy.promises) - len(shown)
    rest = f" and {more} more" if more else ""
    return (f"and so for each of the {len(policy.promises)} lines of {policy.for_each}: {', '.join(shown)}{rest}",)


def _when(policy: Policy, now: datetime) -> Iterator[str]:
    schedule = policy.schedule
    window = f", only {policy.window}" if policy.window else ""
    spread = f", starts spread over {format_promise(policy.spread_seconds)}" if policy.spread_seconds else ""
    yield f"{schedule_words(schedule)}{window}{spread} (`{schedule}`, {schedule.zone.key})"
    occurrences = next_occurrences(policy, now)
    if occurrences:
        yield "next " + _moments(occurrences)
    if policy.after:
        yield f"after {listed(policy.after)}"
    if policy.group is not None:
        yield f"together with group {policy.group.name}, within {format_promise(policy.group.max_skew_seconds)}: whoever runs one of them runs all"
    if policy.hooks is not None:
        yield from _hooks(policy.hooks)
    if policy.blackouts:
        yield f"never in {listed([str(one) for one in policy.blackouts])}"
    yield f"the daemon starts it; without one let cron run `drorch backup {policy.name}`"


def _hooks(hooks: Hooks) -> Iterator[str]:
    longest = f", at most {format_promise(hooks.timeout_seconds)}"
    if hooks.before:
        yield f"before each capture runs {hooks.before[0]}{longest}; if it fails, so does the run"
    if hooks.after:
        yield f"after each capture runs {hooks.after[0]}{longest}, whatever happened"


def _moments(moments: Sequence[datetime]) -> str:
    """Return local times with their offset from UTC, once if it is the same for all."""
    offsets = [moment.isoformat()[-6:] for moment in moments]
    texts = [f"{moment:%d/%m/%Y %H:%M}" for moment in moments]
    if len(set(offsets)) == 1:
        return ", ".join(texts) + f" {offsets[0]}"
    return ", ".join(f"{text} {offset}" for text, offset in zip(texts, offsets, strict=True))


def next_occurrences(policy: Policy, now: datetime) -> tuple[datetime, ...]:
    """Return the next three occurrences, in the zone of the schedule."""
    found: list[datetime] = []
    moment: datetime | None = now
    while moment is not None and len(found) < _NEXT:
        moment = next_occurrence(policy.schedule, moment)
        if moment is not None:
            found.append(moment.astimezone(policy.schedule.zone))
    return tuple(found)


def _keep(policy: Policy) -> Iterator[str]:
    preset = RETENTION_PRESETS.get(policy.retention.preset or "")
    yield f"{retention_words(policy.retention)}{_named(policy.retention)}"
    if preset is not None:
        yield preset.basis
        if preset.ours:
            yield preset.ours
    for store, rule in policy.retention.stores.items():
        if store in policy.stores:
            yield f"in {store} {retention_words(rule)} instead{_named(rule)}"


def _named(rule: Retention) -> str:
    return f" ({rule.preset})" if rule.preset else ""


def _who(policy: Policy) -> Iterator[str]:
    many = " and others" if policy.for_each and len({promise.owner for promise in policy.promises}) > 1 else ""
    classification = f", {policy.classification.replace('_', ' ')} data" if policy.classification else ""
    yield f"owner {policy.owner}{many}; security level {policy.security_level}{classification}"
    if policy.custodian is not None:
        yield f"custodian {policy.custodian}"
    if policy.successors:
        yield f"passes to {listed(str(unit) for unit in policy.successors)}"
    yield from policy.legal_basis


def _origins(policy: Policy) -> Iterator[str]:
    """Yield every value in force below the file that it comes from."""
    by_file: dict[str, list[Line]] = {}
    for line in lines_in_force(POLICY, policy.written):
        if _is_written(line) or flow_text(line.node) not in {"[]", "{}"}:
            by_file.setdefault(line.node.place.file, []).append(line)
    for file in sorted(by_file, key=lambda name: (name == BUILT_IN.file, name != policy.file, name)):
        yield f"from {file}" if file else "built in"
        for line in sorted(by_file[file], key=lambda line: line.node.place.line):
            yield _origin_line(line)
    if any(_is_marked(line) for lines in by_file.values() for line in lines):
        yield f"* {NOT_ACTED_ON}"


def _is_written(line: Line) -> bool:
    return line.node.place != BUILT_IN


def _is_marked(line: Line) -> bool:
    return _is_written(line) and not line.is_acted_on


def _origin_line(line: Line) -> str:
    number = f"line {line.node.place.line}" if _is_written(line) else ""
    mark = " *" if _is_marked(line) else ""
    text = f"  {number:<10}{'.'.join(line.path)}: {flow_text(line.node)}"
    room = _WIDTH - len(mark)
    return (text if len(text) <= room else text[: room - 3] + "...") + mark


def merged_yaml(policy: Policy) -> str:
    """Return the policy with all defaults in it, as YAML that reads back as the same; comments say where from."""
    lines = [
        f"{text.ljust(_COMMENT_COLUMN)}  # from {_origin(place)}" if place else text
        for text, place in _yaml_lines(POLICY, policy.written, 0)
    ]
    return "\n".join(lines) + "\n"


def policy_text(policy: Policy) -> str:
    """Return the merged policy without comments: what the catalog keeps and hashes."""
    return "\n".join(text for text, _place in _yaml_lines(POLICY, policy.written, 0)) + "\n"


def _yaml_lines(kind: Kind, node: Section, depth: int) -> Iterator[tuple[str, Place | None]]:
    """Yield each line, and where its value comes from if it has one."""
    indent = "  " * depth
    for key, value, inner in _entries(kind, node):
        if isinstance(value, Section) and value.entries and isinstance(inner, Table | OneOf | MapOf):
            yield f"{indent}{key_text(key)}:", None
            yield from _yaml_lines(inner, value, depth + 1)
        else:
            yield f"{indent}{key_text(key)}: {flow_text(value)}", value.place


def _entries(kind: Kind, node: Section) -> Iterator[tuple[str, Node, Kind]]:
    """Yield key, value and kind of the value of every entry in force."""
    if isinstance(kind, MapOf):
        for key, value in node.entries.items():
            yield key, value, kind.item
        return
    for field in kind.fields if isinstance(kind, Table) else kind.options if isinstance(kind, OneOf) else ():
        found = node.get(field.key)
        if found is None and field.default is not None:
            found = built_in(field.default)
        if found is None:
            continue
        inner = field.kind.kind if isinstance(field.kind, WithColumns) else field.kind
        yield field.key, found, inner.table if isinstance(inner, ScalarOr) and isinstance(found, Section) else inner


def _origin(place: Place) -> str:
    return "drorch itself" if place == BUILT_IN else f"{place.file}:{place.line}"


def as_json(policy: Policy, *, now: datetime) -> dict[str, Any]:
    """Return what ``policy show --json`` gives (schema ``drorch.policy/1``); times in UTC."""
    return {
        "schema": "drorch.policy/1",
        "policy": policy.name,
        "file": policy.file,
        "description": policy.description,
        "schedule": str(policy.schedule),
        "time_zone": policy.schedule.zone.key,
        "next": [f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in next_occurrences(policy, now)],
        "stores": list(policy.stores),
        "rpo_target_s": policy.objectives.rpo_seconds,
        "rto_target_s": policy.objectives.rto_seconds,
        "security_level": policy.security_level,
        "sources": [
            {
                "source": promise.address,
                "engine": promise.source.engine,
                "address": source_address(promise.source),
                "owner": promise.owner.text,
                "needs_discovery": promise.needs_discovery,
            }
            for promise in policy.promises
        ],
        "values": [
            {
                "key": ".".join(line.path),
                "value": flow_text(line.node),
                "file": line.node.place.file or None,
                "line": line.node.place.line or None,
                "acted_on": line.is_acted_on,
            }
            for line in lines_in_force(POLICY, policy.written)
        ],
        "notes": list(notes(policy, now)),
    }
