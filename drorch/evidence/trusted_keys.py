"""Whom a reader of evidence trusts: a trust root, people, single machines, and keys that count no more.

A trust file is text that people mail and compare: ``root DIGEST``, the lines of ``.pub`` files (the label is the person or machine), and
``revoked KEY TIME REASON``. It comes from the reader, never from what is being verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from drorch.errors import DrorchError, KeyWrong
from drorch.evidence.sign_off import PersonRole, TrustedPerson
from drorch.format.keyfile import KeyKind, PublicKey, encode_public, read_public
from drorch.format.signing import SigningPublic
from drorch.ids import KeyId, grouped

TITLE = "drorch trusted signers 1"
_PEOPLE = {KeyKind.OPERATOR: PersonRole.OPERATOR, KeyKind.VERIFIER: PersonRole.VERIFIER}
_MACHINES = frozenset({KeyKind.WRITER, KeyKind.MAINTAINER, KeyKind.DRILL_HOST})
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedKey:
    """A key whose word counts no more from ``since`` on."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKeys:
    """``root`` is the digest of ``trust/0``, whole or its first 16 bytes; ``None``: the reader knows none."""

    root: bytes | None = None
    people: tuple[TrustedPerson, ...] = ()
    machines: Mapping[KeyId, PublicKey] = field(default_factory=dict)
    revoked: Mapping[KeyId, RevokedKey] = field(default_factory=dict)

    def with_key(self, key: PublicKey) -> TrustedKeys:
        """Return these and one more; raise ``KeyWrong`` for a key that signs no evidence."""
        if not isinstance(key.public, SigningPublic) or key.kind not in {*_PEOPLE, *_MACHINES}:
            raise KeyWrong(
                f"{key.label} signs no evidence",
                expected="the public key of an operator, a verifier or a machine",
                found=f"a {key.kind.value}'s",
            )
        if key.kind in _MACHINES:
            return replace(self, machines={**self.machines, key.key_id: key})
        person = TrustedPerson(identifier=key.label, name=key.label, role=_PEOPLE[key.kind], public=key.public)
        return replace(self, people=(*(one for one in self.people if one.public.key_id != key.key_id), person))

    def with_revoked(self, key_id: KeyId, since: datetime, reason: str) -> TrustedKeys:
        """Return these without that key from ``since`` on."""
        return replace(self, revoked={**self.revoked, key_id: RevokedKey(since=since, reason=reason)})

    def joined(self, other: TrustedKeys) -> TrustedKeys:
        """Return what both trust together; the root of ``other`` counts where it has one."""
        people = {one.public.key_id: one for one in (*self.people, *other.people)}
        return TrustedKeys(
            root=other.root or self.root,
            people=tuple(people.values()),
            machines={**self.machines, **other.machines},
            revoked={**self.revoked, **other.revoked},
        )

    def encode(self) -> str:
        """Return the text of a trust file."""
        lines = [TITLE]
        lines += [] if self.root is None else [f"root {grouped(self.root)}"]
        lines += [encode_public(key).rstrip("\n") for key in self.machines.values()]
        for person in self.people:
            kind = KeyKind(person.role.value)
            lines.append(
                encode_public(PublicKey(kind=kind, label=person.identifier, public=person.public)).rstrip("\n")
            )
        lines += [
            f"revoked {key_id} {one.since.astimezone(UTC).strftime(_MOMENT)} {one.reason}"
            for key_id, one in self.revoked.items()
        ]
        return "\n".join(lines) + "\n"


def read_trusted_keys(text: str) -> TrustedKeys:
    """Return what a trust file says; raise ``KeyWrong`` or ``FormatUnsupported``."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    if not kept or kept[0] != TITLE:
        raise KeyWrong("not a file of trusted signers", expected=TITLE, found=ascii("".join(kept[:1])[:60]))
    trusted = TrustedKeys()
    for line in kept[1:]:
        trusted = _with_line(trusted, line)
    return trusted


def _with_line(trusted: TrustedKeys, line: str) -> TrustedKeys:
    word, _, rest = line.partition(" ")
    try:
        if word == "root":
            return replace(trusted, root=_root(rest))
        if word == "revoked":
            key_id, since, reason = rest.split(" ", 2)
            moment = datetime.strptime(since, _MOMENT).replace(tzinfo=UTC)
            return trusted.with_revoked(KeyId(bytes.fromhex(key_id)), moment, reason)
    except ValueError as error:
        raise KeyWrong(
            "a file of trusted signers is damaged", expected=f"{word} and its values", found=ascii(line[:60])
        ) from error
    try:
        return trusted.with_key(read_public(line))
    except DrorchError as error:
        raise KeyWrong(
            f"a file of trusted signers is damaged: {error.message}", expected=error.expected, found=error.found
        ) from error


def _root(text: str) -> bytes:
    raw = bytes.fromhex(text.strip().lower().replace("-", ""))
    if len(raw) not in {16, 32}:
        raise ValueError("a root of another length")
    return raw
