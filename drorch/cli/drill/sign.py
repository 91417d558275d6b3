"""``drorch drill sign``: a person's word on a drill."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.catalog.interface import DrillSignature
from drorch.cli.evidence.trust import trusted_keys, trusted_person
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, wrapped
from drorch.cli.private_keys import key_options, read_signer
from drorch.errors import PARTIAL, UsageInvalid
from drorch.evidence.sign_off import TrustedPerson
from drorch.ids import SHORT_LENGTH, grouped
from drorch.operations.proof import signing
from drorch.operations.proof.signing import Signed, SignRequest
from drorch.settings import Settings


@click.command(
    epilog="Example: drorch drill sign 01KB3W0T --as verifier1 --key verifier1.key",
    short_help="Put your name to a drill.",
)
@click.argument("wanted", metavar="ID")
@click.option("--as", "person", required=True, metavar="PERSON", help="Who you are, by the name in `people:`.")
@click.option("--object", "objects", is_flag=True, help="You do not stand for it; say why by --comment.")
@click.option("--comment", default="", metavar="TEXT", help="What you want to be read with it.")
@key_options
@common_options
def command(
    wanted: str,
    person: str,
    objects: bool,
    comment: str,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Sign the statement of a drill with your own key, as its operator or verifier.

    The verdict stays what the machine found; this says whether you stand for it. The evidence is verified before. Operator and verifier are two people.
    """
    if objects and not comment:
        raise UsageInvalid("an objection needs a reason", expected="--comment TEXT", found="none")
    settings = invocation.settings()
    who = _who(settings, person)
    key = read_signer(key_path, passphrase_file, who.role.value)
    request = SignRequest(
        wanted=wanted, person=who, agrees=not objects, comment=comment, trusted=trusted_keys(settings, None)
    )
    with invocation.wiring(settings) as wiring:
        signed = signing.sign(request, key, wiring.ledger_writer())
        word = signed.word
        wiring.catalog().record_drill_signature(
            DrillSignature(drill=word.drill, person=word.person, role=word.role.value, signed_at=word.at)
        )
    _tell(signed, invocation)
    return PARTIAL if signed.appended.failures else 0


def _who(settings: Settings, person: str) -> TrustedPerson:
    known = settings.people.get(person)
    if known is None:
        raise UsageInvalid(
            f"nobody is called {person}",
            expected=", ".join(settings.people) or "somebody in `people:` of drorch.yaml",
            found=person,
            hint="a person is a public key: `people:` in drorch.yaml",
        )
    return trusted_person(known)


def _tell(signed: Signed, invocation: Invocation) -> None:
    word, appended = signed.word, signed.appended
    if invocation.output.as_json:
        content = {
            "ok": not appended.failures,
            "drill": word.drill,
            "person": word.person,
            "role": word.role.value,
            "agrees": word.agrees,
            "verdict": signed.verdict,
            "entry": appended.numbers[0],
            "head": str(appended.head.digest),
            "stores": list(appended.stores),
        }
        invocation.output.document("drorch.drill-sign/1", content)
    elif not invocation.output.quiet:
        says = "stands for" if word.agrees else "OBJECTS to"
        text = (
            f"OK  {word.role.value} {word.person} {says} drill {word.drill[:SHORT_LENGTH]} (verdict {signed.verdict})"
        )
        lines = wrapped(printable(text), 4)
        lines += wrapped(f"  ledger entry {appended.numbers[0]:,} in {', '.join(appended.stores)}", 4)
        lines += [f"  head {grouped(appended.head.digest.raw[:16])}"]
        lines += [
            line
            for store, error in appended.failures.items()
            for line in wrapped(printable(f"  note  {store} follows later: {error.message}"), 8)
        ]
        invocation.output.lines(lines)
