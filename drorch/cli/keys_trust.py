"""``drorch keys trust``: the file that says whose signatures on evidence count."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.cli.evidence.trust import TRUST_FILE, trust_path, trusted_keys
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.named_files import replace_file
from drorch.cli.output import local_time, utc_time, wrapped
from drorch.cli.private_keys import text_of
from drorch.cli.times import parse_time
from drorch.clock import SystemClock
from drorch.errors import UsageInvalid
from drorch.evidence.trusted_keys import TrustedKeys, read_trusted_keys
from drorch.format.keyfile import read_public
from drorch.ids import KeyId, grouped

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"The file of trusted signers; {TRUST_FILE} beside drorch.yaml by default.",
)


@click.command(short_help="Say whose signatures on evidence count.", epilog="Example: drorch keys trust list")
@click.argument("action", type=click.Choice(["list", "add", "revoke"]))
@click.argument("which", required=False, metavar="[FILE.pub|KEY]")
@click.option("--since", metavar="TIME", help="From when a revoked key counts no more; now by default.")
@click.option("--reason", metavar="TEXT", help="Why a key is revoked; stays in the file.")
@_file
@common_options
def command(
    action: str,
    which: str | None,
    since: str | None,
    reason: str | None,
    path: Path | None,
    invocation: Invocation,
) -> int:
    """List, add or revoke signers of evidence: people, and single machines.

    An auditor keeps a file of his own (--file) and gives it by --trust. The people of drorch.yaml need not be added.
    """
    settings = invocation.settings_or_bare()
    place = path or trust_path(settings)
    if place is None:
        raise UsageInvalid("there is no drorch.yaml here", expected="--file FILE", found="none")
    known = read_trusted_keys(text_of(place)) if place.exists() else TrustedKeys()
    if action == "add":
        known = known.with_key(read_public(text_of(Path(_required(which, "FILE.pub")))))
    elif action == "revoke":
        moment = SystemClock().now() if since is None else parse_time(since, settings.time_zone)
        known = known.with_revoked(_key_id(_required(which, "KEY"), known), moment, _required(reason, "--reason TEXT"))
    if action != "list":
        replace_file(place, known.encode().encode())
    shown = known if path is not None or action != "list" else trusted_keys(settings, None)
    _tell(shown, place, invocation, str(settings.time_zone))
    return 0


def _required(value: str | None, what: str) -> str:
    if not value:
        raise UsageInvalid("something is missing", expected=what, found="nothing")
    return value


def _key_id(text: str, known: TrustedKeys) -> KeyId:
    """Return the key that is meant: by its first digits among those that are known, else whole."""
    digits = text.lower().replace("-", "")
    keys = [*known.machines, *(person.public.key_id for person in known.people)]
    fitting = [key for key in keys if len(digits) >= 8 and str(key).startswith(digits)]
    return fitting[0] if len(fitting) == 1 else KeyId.parse(digits)


def _tell(trusted: TrustedKeys, path: Path, invocation: Invocation, zone: str) -> None:
    if invocation.output.as_json:
        invocation.output.document("drorch.keys-trust/1", _document(trusted, path))
        return
    lines = [] if trusted.root is None else [f"root      {grouped(trusted.root[:16])}"]
    for person in trusted.people:
        lines += wrapped(f"{person.role.value:<9} {grouped(person.public.key_id.raw[:8])}  {person.identifier}", 10)
    for key_id, machine in trusted.machines.items():
        lines += wrapped(f"machine   {grouped(key_id.raw[:8])}  {machine.label} ({machine.kind.value})", 10)
    for key_id, revoked in trusted.revoked.items():
        since = local_time(revoked.since, zone)[:10]
        lines += wrapped(f"revoked   {grouped(key_id.raw[:8])}  since {since}: {revoked.reason}", 10)
    if not invocation.output.quiet:
        invocation.output.lines(lines or ["nobody is trusted yet; drorch keys trust add FILE.pub"])


def _document(trusted: TrustedKeys, path: Path) -> dict[str, object]:
    return {
        "ok": True,
        "file": str(path),
        "root": None if trusted.root is None else grouped(trusted.root),
        "people": [
            {"person": one.identifier, "role": one.role.value, "key": str(one.public.key_id)} for one in trusted.people
        ],
        "machines": [
            {"machine": one.label, "kind": one.kind.value, "key": str(key_id)}
            for key_id, one in trusted.machines.items()
        ],
        "revoked": [
            {"key": str(key_id), "since": utc_time(one.since), "reason": one.reason}
            for key_id, one in trusted.revoked.items()
        ],
    }
