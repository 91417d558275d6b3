"""Where a drill restores to: a sandbox, with the target and the reader that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drorch.sandbox.interface import Sandbox, SandboxNeeds
from drorch.sources.interface import Content, Finding, Json, Level, RestoreChoices, Source, Target

DRILL_CHOICES = RestoreChoices(create_roles=True)
"""Owners and grantees are made, as roles that cannot log in: nobody else uses the place, and privileges can be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPlace:
    """A sandbox in use. ``read_back`` captures what was restored, by the engine's own code; ``None`` where only a program could.

    ``reference`` is a second place on the same server, ``None`` without a server.
    """

    sandbox: Sandbox
    target: Target
    read_back: Source | None
    reference: tuple[Target, Source] | None = None

    def lacks(self, content: Content, choices: RestoreChoices = DRILL_CHOICES) -> tuple[str, ...]:
        """Return what the snapshot needs and the place has not, the target's own preflight included; changes nothing."""
        stops = stops_of(self.target.preflight(content, choices))
        return tuple(dict.fromkeys((*self.sandbox.lacks, *(finding.text for finding in stops))))


def stops_of(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that stand in the way."""
    return tuple(finding for finding in findings if finding.level in (Level.STOP, Level.FAIL))


def needs_of(facts: Mapping[str, Json]) -> SandboxNeeds:
    """Return what the snapshot with these facts needs; extensions that every PostgreSQL has count too."""
    extensions = facts.get("extensions")
    named = extensions if isinstance(extensions, Sequence) and not isinstance(extensions, str) else ()
    return SandboxNeeds(
        engine=_text(facts, "engine"),
        server_version=_text(facts, "server_version"),
        extensions=tuple(str(one["name"]) for one in named if isinstance(one, Mapping) and "name" in one),
        locale_provider=_text(facts, "locale_provider"),
        server_identity=_text(facts, "system_identifier"),
    )


def _text(facts: Mapping[str, Json], name: str) -> str:
    found = facts.get(name)
    return found if isinstance(found, str) else ""
