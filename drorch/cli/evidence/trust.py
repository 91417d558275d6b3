"""Whom the person at this terminal trusts: ``--trust``, else drorch.yaml with its people and ``trusted-signers.txt`` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drorch.cli.named_files import is_file
from drorch.cli.private_keys import text_of
from drorch.cli.repositories import parse_trust
from drorch.errors import IntegrityError, SettingsInvalid, UsageInvalid
from drorch.evidence.sign_off import PersonRole, TrustedPerson
from drorch.evidence.trusted_keys import TrustedKeys, read_trusted_keys
from drorch.format.keyfile import read_public
from drorch.format.signing import SigningPublic
from drorch.policy.installation import Person
from drorch.settings import Settings

TRUST_FILE = "trusted-signers.txt"


def trusted_keys(settings: Settings, trust: str | None) -> TrustedKeys:
    """Return whom to trust; with ``trust`` (a file, or the digest of a trust root) nothing of drorch.yaml.

    Raises ``KeyMissing``, ``KeyWrong`` or ``SettingsInvalid`` for files that cannot be read.
    """
    if trust is not None:
        if is_file(trust):
            return read_trusted_keys(text_of(Path(trust)))
        try:
            return TrustedKeys(root=parse_trust(trust))
        except UsageInvalid as error:
            error.expected = "a file of trusted signers, or the digest of a trust root"
            raise
    known = TrustedKeys(
        root=settings.keys.trust, people=tuple(trusted_person(person) for person in settings.people.values())
    )
    path = trust_path(settings)
    return known.joined(read_trusted_keys(text_of(path))) if path is not None and path.exists() else known


def known_people(settings: Settings) -> tuple[Sequence[TrustedPerson], Sequence[str]]:
    """Return the people whose words on drills count, and why none do when a file of their keys cannot be read."""
    try:
        return trusted_keys(settings, None).people, ()
    except (IntegrityError, SettingsInvalid) as error:
        return (), (f"who signed drills is not known: {error.message}",)


def trust_path(settings: Settings) -> Path | None:
    """Return where this installation keeps its file of trusted signers; ``None`` on a bare machine."""
    return None if settings.file is None else settings.base_directory / TRUST_FILE


def trusted_person(person: Person) -> TrustedPerson:
    """Return a person of drorch.yaml with the key that the file names; raise ``SettingsInvalid`` when it is another's or no signer's."""
    key = read_public(text_of(person.key))
    if not isinstance(key.public, SigningPublic) or key.kind.value != person.role:
        raise SettingsInvalid(
            f"the key of {person.identifier} in `people:` does not fit",
            expected=f"the public key of a {person.role}",
            found=f"{person.key} holds a {key.kind.value}'s",
            hint=f"`drorch keys generate {person.identifier} --role {person.role}` makes one",
        )
    return TrustedPerson(
        identifier=person.identifier, name=person.name, role=PersonRole(person.role), public=key.public
    )
