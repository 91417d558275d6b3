"""In which order policies run: ``after`` and consistency groups, for those that one command runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drorch.policy.model import FilesSource, Policy

_FILES_COME_LATER = 1_000_000


def unit_of(policy: Policy) -> str:
    """Return what runs as one: the policy's group, or the policy alone."""
    return f"{policy.name}" if policy.group is None else f"group:{policy.group.name}"


def units_before(policies: Iterable[Policy], all_policies: Iterable[Policy]) -> frozenset[str]:
    """Return the units that must have ended before one with ``policies`` begins, among those of ``all_policies``."""
    own = list(policies)
    unit_by_policy = {policy.name: unit_of(policy) for policy in all_policies}
    wanted = {unit_by_policy[name] for policy in own for name in policy.after if name in unit_by_policy}
    return frozenset(wanted - {unit_of(policy) for policy in own})


def with_mates(policies: Sequence[Policy], chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the names of ``chosen`` policies and of all others in their groups: a group is captured whole or it is none."""
    names = list(dict.fromkeys(chosen))
    groups = {policy.group.name for policy in policies if policy.group is not None and policy.name in names}
    mates = [policy.name for policy in policies if policy.group is not None and policy.group.name in groups]
    return tuple(dict.fromkeys([*names, *mates]))


def ranks(policies: Iterable[Policy]) -> Mapping[str, int]:
    """Return, for the policies of one group, in which order their captures begin: databases before files, and as ``after`` says."""
    members = {policy.name: policy for policy in policies}

    def depth(name: str, seen: tuple[str, ...] = ()) -> int:
        before = [one for one in members[name].after if one in members and one not in seen]
        return 1 + max(depth(one, (*seen, name)) for one in before) if before else 0

    return {
        name: depth(name) + (_FILES_COME_LATER if isinstance(policy.source, FilesSource) else 0)
        for name, policy in members.items()
    }
