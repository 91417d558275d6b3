"""The part of the field table that says which snapshots stay: numbers, presets, and other numbers for a store.

A store's numbers are laid over the policy's key by key, as a policy's over the defaults: what is not written keeps no less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from drorch.policy.fields import Field, MapOf, ScalarOr, Table
from drorch.policy.kinds import INVALID, Integer, Text, nearest, shown
from drorch.policy.model import Keep, Retention
from drorch.policy.name_kinds import name_kind
from drorch.policy.nodes import Node, Scalar, Section
from drorch.policy.problems import Problems
from drorch.policy.retention_presets import RETENTION_PRESETS, preset_rule


class _KeepKind:
    """A number of snapshots, or ``forever``."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if isinstance(node, Scalar) and node.text == Keep.FOREVER.value:
            return Keep.FOREVER
        return Integer(low=0, high=100_000).read(node, key, problems)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"anyOf": [{"const": Keep.FOREVER.value}, Integer(low=0, high=100_000).schema()]}


class _PresetKind:
    """The name of a retention preset."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        name = Text(longest=60).read(node, key, problems)
        if name is INVALID or name in RETENTION_PRESETS:
            return name
        hint = nearest(name, list(RETENTION_PRESETS)) or f"; known are {', '.join(RETENTION_PRESETS)}"
        problems.add(node.place, f"unknown retention {shown(name)}{hint}")
        return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"enum": list(RETENTION_PRESETS)}


def _keep_field(period: str, meaning: str) -> Field:
    return Field(key=f"keep_{period}", kind=_KeepKind(), summary=meaning)


_NUMBERS = (
    _keep_field("last", "The newest snapshots, whatever their age"),
    _keep_field("hourly", "The newest snapshot of each of so many hours"),
    _keep_field("daily", "The newest snapshot of each of so many days"),
    _keep_field("weekly", "The newest snapshot of each of so many weeks"),
    _keep_field("monthly", "The newest snapshot of each of so many months"),
    _keep_field("yearly", "The newest snapshot of each of so many years, or forever"),
)


def _numbers(**counts: Any) -> Mapping[str, Any]:
    """Return the numbers that are written."""
    return {name: count for name, count in counts.items() if count is not None}


_IN_A_STORE = ScalarOr(scalar=_PresetKind(), table=Table(build=_numbers, fields=_NUMBERS), wrap=preset_rule)


def _rule(*, preset: str | None, stores: Mapping[str, Mapping[str, Any] | Retention], **counts: Any) -> Retention:
    written = _numbers(**counts)
    rule = Retention() if preset is None else preset_rule(preset)
    if written:
        rule = replace(rule, **written, preset=None)
    return replace(rule, stores=MappingProxyType({name: _in_store(rule, own) for name, own in stores.items()}))


def _in_store(rule: Retention, own: Mapping[str, Any] | Retention) -> Retention:
    return own if isinstance(own, Retention) else replace(rule, **own, preset=None)


def _check(values: Mapping[str, Any], node: Section, problems: Problems) -> None:
    """Tell rules that keep nothing."""
    if any(value is INVALID for value in values.values()):
        return
    rule = _rule(**values)
    if rule.keeps_nothing:
        problems.add(node.place, "`retention` keeps nothing; at least one of its numbers must be more than 0")
        return
    stores = node.get("stores")
    for name, own in rule.stores.items():
        if own.keeps_nothing and isinstance(stores, Section):
            problems.add(
                stores.keys[name],
                f"`retention` keeps nothing in {name}; a store without copies is left out of `stores`",
            )


def retention_below(defaults: Node, own: Node | None) -> Node:
    """Return what of the rule in ``defaults`` lies below a policy's ``own``: no numbers below a preset that it names."""
    if not isinstance(defaults, Section) or not isinstance(own, Section) or "preset" not in own.entries:
        return defaults
    return Section(
        defaults.place, {key: node for key, node in defaults.entries.items() if key == "stores"}, defaults.keys
    )


RETENTION = ScalarOr(
    scalar=_PresetKind(),
    wrap=preset_rule,
    table=Table(
        build=_rule,
        check=_check,
        fields=(
            Field(
                key="preset",
                kind=_PresetKind(),
                summary="A rule with a name; numbers beside it are laid over its numbers",
            ),
            *_NUMBERS,
            Field(
                key="stores",
                kind=MapOf(key=name_kind, item=_IN_A_STORE),
                summary="Other numbers for a store, laid over those above, or the name of a preset",
                absent={},
            ),
        ),
    ),
)
