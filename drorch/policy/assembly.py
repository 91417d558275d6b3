"""Nodes -> policies: defaults laid under, lists filled in, and what no single file can tell (names, cycles, groups)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from drorch.errors import PolicyInvalid, PolicyUnknown, StateSecretRefused
from drorch.policy.fan_out import ListLine, filled, places_of_columns, tell_unknown_columns
from drorch.policy.fields import Table
from drorch.policy.kinds import INVALID, nearest, shown
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.nodes import Listing, Node, Scalar, Section, merged
from drorch.policy.policy_fields import DEFAULTS, EXPANDED_KEYS, POLICY
from drorch.policy.problems import Place, Problem, Problems, render_problems, summarise
from drorch.policy.retention_fields import retention_below
from drorch.policy.schedule import parse_schedule
from drorch.policy.window_time import leaves_time


def _part(*, is_expanded: bool) -> Table:
    chosen = [field for field in POLICY.fields if (field.key in EXPANDED_KEYS) == is_expanded]
    others = [field.key for field in POLICY.fields if field not in chosen]
    return Table(fields=tuple(chosen), build=dict, is_strict=False, also_known=tuple(others))


_EXPANDED = _part(is_expanded=True)
_FIXED = _part(is_expanded=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFacts:
    """What policies need to know of drorch.yaml; ``None``: not known, so names are not checked."""

    zone: ZoneInfo
    stores: tuple[str, ...] | None = None
    notifications: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One file that was read: its map, and the file and the lines of its list if it names one."""

    file: str
    section: Section
    lines: tuple[ListLine, ...] | None
    list_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicies:
    """What came of reading policy files. A policy with a problem is not in ``policies``."""

    policies: tuple[Policy, ...]
    problems: tuple[Problem, ...]
    file_count: int

    def summary(self) -> str:
        """Return ``4 problems in 2 of 6 files``."""
        return summarise(self.problems, self.file_count)

    def error(self) -> PolicyInvalid | StateSecretRefused:
        """Return the problems as one error."""
        kind = StateSecretRefused if any(problem.is_state_secret for problem in self.problems) else PolicyInvalid
        return kind(
            self.summary(),
            found=render_problems(self.problems),
            hint="" if kind is StateSecretRefused else "`drorch policy validate` lists them; mend them and try again",
            still_good="Nothing was loaded.",
        )

    def require(self) -> tuple[Policy, ...]:
        """Return all policies; raise ``StateSecretRefused`` or ``PolicyInvalid`` if there is any problem."""
        if self.problems:
            raise self.error()
        return self.policies

    def require_those(self, addresses: Sequence[str]) -> None:
        """Raise as ``require`` when a policy that is asked for may be in a file with problems; others stop nobody."""
        names = {policy.name for policy in self.policies}
        if any(address.partition("/")[0] not in names for address in addresses):
            self.require()

    def find(self, address: str) -> tuple[Policy, tuple[SourcePromise, ...]]:
        """Return the policy and the sources that ``POLICY`` or ``POLICY/NAME`` means; raise ``PolicyUnknown``.

        A ``POLICY/NAME`` of a policy that discovers its databases gives the promise that does so: only the server
        knows whether NAME is one of them.
        """
        name, slash, _rest = address.partition("/")
        policy = next((policy for policy in self.policies if policy.name == name), None)
        if policy is None:
            known = [policy.name for policy in self.policies]
            raise PolicyUnknown(
                f"there is no policy {shown(name)}{nearest(name, known)}", expected=_some_of(known), found=shown(name)
            )
        if not slash:
            return policy, policy.promises
        chosen = tuple(promise for promise in policy.promises if promise.address == address or promise.needs_discovery)
        if not chosen:
            known = [promise.address for promise in policy.promises]
            raise PolicyUnknown(
                f"there is no source {shown(address)}{nearest(address, known)}",
                expected=_some_of(known),
                found=shown(address),
            )
        return policy, chosen


def assemble(
    files: Sequence[PolicyFile],
    defaults: Section | None,
    facts: SettingsFacts,
    problems: Problems,
    *,
    file_count: int,
) -> LoadedPolicies:
    """Return every policy that is whole; add every problem to ``problems``."""
    if defaults is not None:
        DEFAULTS.read(defaults, "defaults", problems)
        _tell_unknown_names(defaults, facts, problems)
    built: list[tuple[Policy, str]] = []
    for file in files:
        told = problems.told
        section = _with_defaults(file.section, defaults)
        policy = _policy(file, section, facts, problems)
        _tell_unknown_names(section, facts, problems)
        if policy is not None and problems.told == told:
            built.append((policy, file.list_file))
    _tell_twins(files, problems)
    _tell_after(files, problems)
    found = problems.sorted()
    with_problems = {problem.file for problem in found}
    policies = tuple(policy for policy, list_file in built if not {policy.file, list_file} & with_problems)
    return LoadedPolicies(policies=policies, problems=found, file_count=file_count)


def _with_defaults(section: Section, defaults: Section | None) -> Section:
    if defaults is None:
        return section
    inherited = {field.key for field in DEFAULTS.fields}
    known = {key: node for key, node in defaults.entries.items() if key in inherited}
    if "retention" in known:
        known["retention"] = retention_below(known["retention"], section.get("retention"))
    return merged(Section(defaults.place, known, defaults.keys), section)


def _policy(file: PolicyFile, section: Section, facts: SettingsFacts, problems: Problems) -> Policy | None:
    """Return the policy of one file, ``None`` if it has a problem. Every part is read, whatever is wrong elsewhere."""
    told = problems.told
    POLICY.tell_unknown(section, problems)
    fixed = _FIXED.read(section, "policy", problems)
    expanded = _expanded(section, file.lines, problems)
    if fixed is INVALID or not expanded or problems.told > told:
        return None
    fixed["schedule"] = parse_schedule(fixed["schedule"], facts.zone)
    if fixed["window"] is not None and not leaves_time(fixed["schedule"], fixed["window"]):
        problems.add(
            section.at("window"),
            f"`{fixed['schedule']}` never comes between {str(fixed['window']).replace('-', ' and ')}: this window leaves no time",
        )
        return None
    lines: Sequence[ListLine | None] = file.lines or [None]
    promises = tuple(
        _promise(fixed["name"], None if line is None else line.identifier, values, _former_address(fixed, line))
        for line, values in zip(lines, expanded, strict=True)
    )
    first = {key: expanded[0][key] for key in ("owner", "custodian", "successors")}
    return Policy(**fixed, **first, file=file.file, promises=promises, written=section)


def _expanded(section: Section, lines: tuple[ListLine, ...] | None, problems: Problems) -> list[Mapping[str, Any]]:
    """Return the values that lists may fill in, for each line of the list; empty if any has a problem."""
    if lines == ():  # an unusable list, which was told: what it fills in cannot be read, the rest can
        own = Problems()
        _EXPANDED.read(section, "policy", own)
        columns = {(place.file, place.line, place.column) for place in places_of_columns(section)}
        problems.extend(
            problem for problem in own.sorted() if (problem.file, problem.line, problem.column) not in columns
        )
        return []
    tell_unknown_columns(section, tuple(lines[0].cells) if lines else (), problems)
    if lines is None:
        values = _EXPANDED.read(section, "policy", problems)
        return [] if values is INVALID else [values]
    read: list[Any] = []
    found: list[tuple[ListLine, tuple[Problem, ...]]] = []
    for line in lines:
        own = Problems()
        read.append(_EXPANDED.read(filled(section, line), "policy", own))
        found.append((line, own.sorted()))
    _tell_lines(found, problems)
    return [] if any(values is INVALID for values in read) else read


def _tell_lines(found: Sequence[tuple[ListLine, tuple[Problem, ...]]], problems: Problems) -> None:
    """Tell what is wrong with every line at the policy, what is wrong with one line at the line."""
    times = Counter(problem for _line, own in found for problem in own)
    for line, own in found:
        for problem in own:
            if times[problem] == len(found) > 1:
                problems.extend([problem])
            else:
                problems.add(
                    line.place, f"{problem.message} ({problem.location})", is_state_secret=problem.is_state_secret
                )


def _promise(policy_name: str, source_name: str | None, values: Mapping[str, Any], was: str | None) -> SourcePromise:
    return SourcePromise(
        address=policy_name if source_name is None else f"{policy_name}/{source_name}",
        policy_name=policy_name,
        source_name=source_name,
        source=values["source"],
        owner=values["owner"],
        custodian=values["custodian"],
        successors=values["successors"],
        needs_discovery=getattr(values["source"], "databases", None) is not None,
        was=was,
    )


def _former_address(fixed: Mapping[str, Any], line: ListLine | None) -> str | None:
    """Return the address that a source had before: a list may name it in a column ``was``, the policy for all of its sources."""
    cell = "" if line is None else line.cells.get("was", "")
    if cell:
        return cell if "/" in cell else f"{fixed['name']}/{cell}"
    if fixed["was"] is None or line is None:
        return fixed["was"]  # type: ignore[no-any-return]
    return f"{fixed['was']}/{line.identifier}"


def _tell_unknown_names(section: Section, facts: SettingsFacts, problems: Problems) -> None:
    for key, known, noun in (
        ("stores", facts.stores, "store"),
        ("notify", facts.notifications, "notification"),
    ):
        for item in _texts(section.get(key)):
            _tell_unknown_name(item.text, item.place, known, noun, problems)
    retention = section.get("retention")
    stores = retention.get("stores") if isinstance(retention, Section) else None
    for name, place in (stores.keys if isinstance(stores, Section) else {}).items():
        _tell_unknown_name(name, place, facts.stores, "store", problems)


def _tell_unknown_name(name: str, place: Place, known: Sequence[str] | None, noun: str, problems: Problems) -> None:
    if known is not None and name not in known:
        hint = nearest(name, known) or (f"; known are {', '.join(known[:8])}" if known else "; drorch.yaml has none")
        problems.add(place, f"unknown {noun} {shown(name)}{hint}")


def _texts(node: Node | None) -> list[Scalar]:
    return [item for item in node.items if isinstance(item, Scalar)] if isinstance(node, Listing) else []


def _names(files: Sequence[PolicyFile]) -> list[tuple[str, Scalar]]:
    return [(name.text, name) for file in files if isinstance(name := file.section.get("name"), Scalar)]


def _tell_twins(files: Sequence[PolicyFile], problems: Problems) -> None:
    first: dict[str, Place] = {}
    for name, scalar in _names(files):
        if name in first:
            problems.add(scalar.place, f"another policy is called {shown(name)}: {first[name]}")
        first.setdefault(name, scalar.place)


def _tell_after(files: Sequence[PolicyFile], problems: Problems) -> None:
    """Tell names in ``after`` that are no policy, and policies that wait for each other."""
    known = [name for name, _scalar in _names(files)]
    waits: dict[str, list[Scalar]] = {}
    for file in files:
        items = _texts(file.section.get("after"))
        name = file.section.get("name")
        if isinstance(name, Scalar):
            waits.setdefault(name.text, items)
        for item in items:
            if item.text not in known:
                problems.add(item.place, f"unknown policy {shown(item.text)}{nearest(item.text, known)}")
    waits = _with_mates(waits, _groups(files))
    for start, items in waits.items():
        cycle = _cycle(start, waits)
        if cycle and min(cycle) == start:
            chain = " -> ".join([*cycle, start])
            problems.add(_step(items, cycle).place, f"`after` goes in a circle: {chain}")


def _groups(files: Sequence[PolicyFile]) -> Mapping[str, str]:
    """Return the group of each policy that is in one."""
    found: dict[str, str] = {}
    for file in files:
        name, group = file.section.get("name"), file.section.get("group")
        group = group.get("name") if isinstance(group, Section) else group
        if isinstance(name, Scalar) and isinstance(group, Scalar):
            found[name.text] = group.text
    return found


def _with_mates(waits: Mapping[str, Sequence[Scalar]], groups: Mapping[str, str]) -> dict[str, list[Scalar]]:
    """Return whom each policy waits for: a group runs as one, so each of it waits for whom any of it waits."""
    found: dict[str, list[Scalar]] = {}
    for name, items in waits.items():
        mates = {mate for mate, group in groups.items() if name in groups and group == groups[name]}
        others = [item for mate in sorted(mates - {name}) for item in waits.get(mate, ()) if item.text not in mates]
        found[name] = [*items, *others]
    return found


def _step(items: Sequence[Scalar], cycle: Sequence[str]) -> Scalar:
    following = cycle[1] if len(cycle) > 1 else cycle[0]
    return next(item for item in items if item.text == following)


def _cycle(start: str, waits: Mapping[str, Sequence[Scalar]]) -> list[str]:
    """Return the shortest way from ``start`` back to itself, without the return; empty if there is none."""
    ways = [[start]]
    seen: Counter[str] = Counter()
    while ways:
        way = ways.pop(0)
        for item in waits.get(way[-1], ()):
            if item.text == start:
                return way
            if not seen[item.text]:
                seen[item.text] += 1
                ways.append([*way, item.text])
    return []


def _some_of(known: Sequence[str]) -> str:
    return ", ".join(known[:10]) or "a policy: `drorch policy new NAME`"
