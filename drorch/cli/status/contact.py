"""Which stores and hosts were heard of last, and when: said for each, also while all is well."""

from __future__ import annotations

from collections.abc import Iterator

from drorch.cli.output import printable, utc_time
from drorch.operations.overview.due import ago
from drorch.operations.watch.facts import Facts


def contact_words(facts: Facts) -> str:
    """Return ``hanoi 2h ago, dalat 9d ago (away)``; stores that are away first."""
    silent = facts.silent
    names = sorted(facts.contact_of_stores, key=lambda name: (name not in silent, name))
    return printable(", ".join(_words(name, facts) for name in names))


def _words(name: str, facts: Facts) -> str:
    at = facts.contact_of_stores[name]
    when = "never" if at is None else ago((facts.now - at).total_seconds())
    return f"{name} {when} (away)" if name in facts.silent else f"{name} {when}"


def contact_documents(facts: Facts) -> Iterator[dict[str, object]]:
    """Yield each store of a policy, by name; ``failure`` is what it last said when it did not answer."""
    for name, at in sorted(facts.contact_of_stores.items()):
        yield {
            "store": name,
            "last_contact": None if at is None else utc_time(at),
            "age_s": None if at is None else round((facts.now - at).total_seconds()),
            "away": name in facts.silent,
            "failure": facts.silent.get(name),
        }


def host_documents(facts: Facts) -> Iterator[dict[str, object]]:
    """Yield each host whose daemon uses this catalog, by name."""
    for host, at in sorted(facts.heartbeats.items()):
        yield {"host": host, "last_contact": utc_time(at), "age_s": round((facts.now - at).total_seconds())}


def host_words(facts: Facts) -> str:
    """Return the other hosts that were not heard of for an hour: ``đảo-phú-quý 9d ago``."""
    silent = {
        host: at
        for host, at in facts.heartbeats.items()
        if host != facts.host and (facts.now - at).total_seconds() > _SILENT_AFTER_SECONDS
    }
    return printable(
        ", ".join(f"{host} {ago((facts.now - at).total_seconds())}" for host, at in sorted(silent.items()))
    )


_SILENT_AFTER_SECONDS = 3_600
