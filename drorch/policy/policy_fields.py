"""The field table of a policy file, and of ``defaults:`` in drorch.yaml, which is a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drorch.policy.fields import ArgumentsKind, Field, ListOf, MapOf, OneOf, ScalarOr, Table, WithColumns
from drorch.policy.kinds import INVALID, ClassificationKind, Integer, Text
from drorch.policy.model import Group, Hooks, Objectives, UnitReference
from drorch.policy.name_kinds import address_kind, name_kind
from drorch.policy.nodes import Node, Section
from drorch.policy.parsed_kinds import ScheduleKind, blackout_kind, duration, window_kind
from drorch.policy.problems import Problems
from drorch.policy.retention_fields import RETENTION
from drorch.policy.source_fields import ENVIRONMENT, SOURCE

_IN_DEFAULTS = "; write it here or below `defaults:` in drorch.yaml"
EXPANDED_KEYS = ("source", "owner", "custodian", "successors")

_argument = Text(longest=4_000, exact=True)


class _UnitKind:
    """An administrative unit: text, wrapped."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        text = Text(longest=300).read(node, key, problems)
        return INVALID if text is INVALID else UnitReference(text)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "string", "minLength": 1, "maxLength": 300}


OBJECTIVES = Table(
    build=Objectives,
    fields=(
        Field(
            key="rpo",
            attribute="rpo_seconds",
            kind=duration("1m", "3660d"),
            summary="At most so much work may be lost",
            required=True,
            missing=_IN_DEFAULTS,
        ),
        Field(
            key="rto",
            attribute="rto_seconds",
            kind=duration("1m", "3660d"),
            summary="The data is usable again after at most so long",
            required=True,
            missing=_IN_DEFAULTS,
        ),
    ),
)

GROUP = Table(
    build=Group,
    fields=(
        Field(key="name", kind=name_kind, summary="Policies of one name are captured together", required=True),
        Field(
            key="max_skew",
            attribute="max_skew_seconds",
            kind=duration("1s", "1d"),
            summary="All captures start within this time",
            default="60s",
        ),
    ),
)


def _check_hooks(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    if values["before"] == () and values["after"] == ():
        problems.add(node.place, "`hooks` has neither `before` nor `after`")


HOOKS = Table(
    build=Hooks,
    check=_check_hooks,
    fields=(
        Field(
            key="before",
            kind=ArgumentsKind(argument=_argument),
            summary="Program run before; if it fails, so does the run",
            absent=(),
        ),
        Field(
            key="after",
            kind=ArgumentsKind(argument=_argument),
            summary="Program run after, whatever happened",
            absent=(),
        ),
        Field(
            key="timeout",
            attribute="timeout_seconds",
            kind=duration("1s", "1d"),
            summary="How long each may take",
            default="5m",
        ),
        ENVIRONMENT,
    ),
)

DRILL = Table(
    build=lambda at_least_seconds: at_least_seconds,
    fields=(
        Field(
            key="at_least",
            attribute="at_least_seconds",
            kind=duration("1d", "3660d"),
            summary="`status` complains when the last drill is older",
            required=True,
        ),
    ),
)

_FIELDS = (
    Field(key="name", kind=name_kind, summary="Unique name; what people type", required=True),
    Field(key="description", kind=Text(longest=2_000, lines=True), summary="One sentence for people", absent=""),
    Field(
        key="for_each",
        kind=Text(
            longest=200,
            exact=True,
            pattern=r"[^/\x00]+\.csv",
            meaning="a CSV file beside the policy, such as `districts.csv`",
        ),
        summary="A CSV file with an id column: one source for each line, {column} is filled in",
    ),
    Field(key="source", kind=SOURCE, summary="What is backed up: one engine", required=True),
    Field(
        key="schedule",
        kind=ScheduleKind(),
        summary="When: five-field cron, every 6h, or once for what no longer changes",
        required=True,
    ),
    Field(
        key="spread",
        attribute="spread_seconds",
        kind=duration("1m", "7d"),
        summary="Starts of many sources are spread over this time",
        absent=0,
        is_inherited=True,
    ),
    Field(
        key="window",
        kind=window_kind,
        summary="Starts only in these hours, local time",
        is_inherited=True,
    ),
    Field(
        key="blackouts",
        kind=ListOf(item=blackout_kind),
        summary="Days or hours in which nothing starts",
        default=(),
        is_inherited=True,
    ),
    Field(
        key="after",
        kind=ListOf(item=name_kind),
        summary="Policies that run first, of those that one command runs",
        default=(),
    ),
    Field(
        key="group",
        kind=ScalarOr(scalar=name_kind, table=GROUP, wrap=lambda name: Group(name=name, max_skew_seconds=60)),
        summary="Consistency group: captured at the same time as the others of it",
    ),
    Field(key="hooks", kind=HOOKS, summary="Programs before and after a capture", is_inherited=True),
    Field(
        key="objectives",
        kind=OBJECTIVES,
        summary="What is promised: rpo and rto",
        required=True,
        missing=_IN_DEFAULTS,
        is_inherited=True,
    ),
    Field(
        key="retention",
        kind=RETENTION,
        summary="Which snapshots stay: keep_* numbers or the name of a preset; a store may have other numbers",
        required=True,
        missing=_IN_DEFAULTS,
        is_inherited=True,
    ),
    Field(
        key="stores",
        kind=ListOf(item=name_kind, least=1),
        summary="Stores of drorch.yaml; each gets a copy",
        required=True,
        missing=_IN_DEFAULTS,
        is_inherited=True,
    ),
    Field(
        key="security_level",
        kind=Integer(low=1, high=5),
        summary="Level of the system, 1 to 5 (Decree 331/2026)",
        required=True,
        missing=_IN_DEFAULTS,
        is_inherited=True,
    ),
    Field(
        key="classification",
        kind=ClassificationKind(options=("public", "internal", "personal", "sensitive_personal")),
        summary="What kind of data it is; state secrets are refused",
        is_inherited=True,
    ),
    Field(
        key="owner",
        kind=WithColumns(kind=_UnitKind()),
        summary='Who answers for the data: "scheme:code" or free text',
        required=True,
        missing=_IN_DEFAULTS,
        is_inherited=True,
    ),
    Field(key="custodian", kind=WithColumns(kind=_UnitKind()), summary="Who keeps it now", is_inherited=True),
    Field(
        key="successors",
        kind=WithColumns(kind=ListOf(item=_UnitKind())),
        summary="Units that the data passes to",
        default=(),
        is_inherited=True,
    ),
    Field(
        key="legal_basis", kind=ListOf(item=Text(longest=500)), summary="Why it is kept", default=(), is_inherited=True
    ),
    Field(
        key="probes",
        kind=MapOf(
            key=Text(longest=63, pattern=r"[a-z][a-z0-9_]*", meaning="a probe's name; these are made of `a-z 0-9 _`"),
            item=Text(longest=10_000, lines=True, exact=True),
        ),
        summary="Questions in SQL, asked at backup and again at every drill",
        default={},
    ),
    Field(
        key="drill",
        attribute="drill_at_least_seconds",
        kind=DRILL,
        summary="Restore drills",
        is_inherited=True,
    ),
    Field(
        key="notify",
        kind=ListOf(item=name_kind),
        summary="Notifications of drorch.yaml that hear of it; none: all of them",
        default=(),
        is_inherited=True,
    ),
    Field(key="was", kind=address_kind, summary="The name that this policy had before; its sources go on"),
)


def _elsewhere(key: str) -> str:
    """Return where ``key`` belongs when it stands at the top of a policy by mistake."""
    assert isinstance(SOURCE.kind, OneOf)
    for engine in SOURCE.kind.options:
        if isinstance(engine.kind, Table) and any(field.key == key for field in engine.kind.fields):
            return f"`source:`, below the engine (`{engine.key}:`)"
    for field in _FIELDS:
        table = field.kind.table if isinstance(field.kind, ScalarOr) else field.kind
        if isinstance(table, Table) and any(inner.key == key for inner in table.fields):
            return f"`{field.key}:`"
    return ""


def _without_requirements(field: Field) -> Field:
    """Return the field as it may stand in ``defaults``: what is missing there may come from the policy."""
    kind = field.kind
    if isinstance(kind, Table) and kind is OBJECTIVES:
        kind = replace(kind, fields=tuple(replace(inner, required=False) for inner in kind.fields))
    return replace(field, kind=kind, required=False, default=None)


POLICY = Table(fields=_FIELDS, build=dict, elsewhere=_elsewhere)
DEFAULTS = Table(fields=tuple(_without_requirements(field) for field in _FIELDS if field.is_inherited), build=dict)
