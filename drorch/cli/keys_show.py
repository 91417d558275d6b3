"""``drorch keys show``: who may read and write, as the trust record in force says."""

from __future__ import annotations

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, wrapped
from drorch.ids import grouped
from drorch.operations.rotate_keys.listed import ListedKey, RevokedKey, listed_keys, revoked_keys
from drorch.repository.opening import Repository


@click.command(epilog="Example: drorch keys show", short_help="Show who may read and write.")
@common_options
def command(invocation: Invocation) -> int:
    """Show the keys of the repository: root keys, recipients, hosts, and those that were revoked.

    It needs no key. `drorch keys add`, `remove` and `revoke` change them.
    """
    with invocation.wiring() as wiring:
        repository = wiring.repository()
    if invocation.output.as_json:
        invocation.output.document("drorch.keys-show/1", _document(repository))
    else:
        invocation.output.lines(_lines(repository))
    return 0


def _lines(repository: Repository) -> list[str]:
    trust = repository.trust
    lines = [
        f"trust root  {grouped(trust.root_digest.raw[:16])}",
        f"record      {trust.number}; {trust.last.threshold} of {len(trust.last.roots)} root keys sign the next one",
    ]
    for key in listed_keys(trust):
        lines += wrapped(f"{key.kind.value:<11} {_named(key)}, since record {key.since}", 12)
    for one in revoked_keys(trust):
        counts = f"; {one.chains} of its lanes and ledger count up to a named end" if one.chains else ""
        lines += wrapped(f"revoked     {one.kind.value} {_named(one)}, by record {one.since}{counts}", 12)
    for name in sorted(repository.short_of_trust):
        lines += wrapped(f"behind      {name} lacks the last records: drorch copy --to {name}", 12)
    for name, error in repository.unusable.items():
        lines += wrapped(f"away        {name}: {error.message}", 12)
    return lines


def _named(key: ListedKey | RevokedKey) -> str:
    return f"{grouped(key.key_id.raw[:8])}  {printable(key.label) or 'without a name'}"


def _document(repository: Repository) -> dict[str, object]:
    trust = repository.trust
    return {
        "ok": True,
        "repository": str(trust.repository),
        "trust": grouped(trust.root_digest.raw[:16]),
        "record": trust.number,
        "threshold": trust.last.threshold,
        "keys": [
            {"kind": key.kind.value, "label": key.label, "key": str(key.key_id), "since": key.since}
            for key in listed_keys(trust)
        ],
        "revoked": [
            {
                "kind": one.kind.value,
                "label": one.label,
                "key": str(one.key_id),
                "since": one.since,
                "chains": one.chains,
            }
            for one in revoked_keys(trust)
        ],
        "behind": sorted(repository.short_of_trust),
        "away": sorted(repository.unusable),
    }
