"""Key files (FORMAT 13): text forms of private and public keys, to be kept, mailed and compared by people.

Pure: text in, values out. A private key's seed stands in no message and no ``repr``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from drorch.errors import DrorchError, FormatUnsupported, KeyWrong
from drorch.format.derivation import KEY_BYTES, NONCE_BYTES
from drorch.format.keys import SEED_BYTES, HostKey, RecipientKey
from drorch.format.signing import ED25519_PUBLIC_BYTES, SigningKey, SigningPublic
from drorch.format.trust_record import ML_KEM_PUBLIC_BYTES, Recipient, Role
from drorch.ids import Digest, KeyId, RepositoryId

VERSION = 1
LABEL_LIMIT = 100
_PRIVATE = "drorch private key"
_HOST = "drorch host key"
_SALT_BYTES = 16
_CHECK_BYTES = 4
_MEMORY_LIMIT_BYTES = 2**30  # what a key file may ask scrypt to use


class KeyKind(Enum):
    """What a key is for; the values stand in key files."""

    RECIPIENT = "recipient"
    ROOT = "root"
    WRITER = "writer"
    MAINTAINER = "maintainer"
    DRILL_HOST = "drill-host"
    OPERATOR = "operator"
    VERIFIER = "verifier"


KIND_OF_ROLE: Mapping[Role, KeyKind] = {
    Role.WRITER: KeyKind.WRITER,
    Role.MAINTAINER: KeyKind.MAINTAINER,
    Role.DRILL_HOST: KeyKind.DRILL_HOST,
}
ROLE_OF_KIND: Mapping[KeyKind, Role] = {kind: role for role, kind in KIND_OF_ROLE.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScryptCost:
    """Work that a guess of the passphrase takes; memory is 128 · n · r bytes. OWASP's first choice: 128 MiB, half a second."""

    n: int = 2**17
    r: int = 8
    p: int = 1

    @property
    def memory_bytes(self) -> int:
        """What it needs of the machine that opens the key."""
        return 128 * self.r * max(self.n, self.p)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrigin:
    """The repository that a key belongs to, once it is known: ``trust_root`` is the digest of ``trust/0``."""

    repository: RepositoryId
    trust_root: Digest


PublicHalf: TypeAlias = Recipient | SigningPublic


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key with what it is for. ``public`` is a ``Recipient`` for kind recipient, else a ``SigningPublic``."""

    kind: KeyKind
    label: str
    public: PublicHalf

    @property
    def key_id(self) -> KeyId:
        """The recipient id or key id."""
        return self.public.recipient_id if isinstance(self.public, Recipient) else self.public.key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A private key file, still closed: what can be read without the passphrase."""

    kind: KeyKind
    label: str
    key_id: KeyId
    origin: KeyOrigin | None
    _cost: ScryptCost = field(repr=False)
    _salt: bytes = field(repr=False)
    _front: bytes = field(repr=False)
    _sealed: bytes = field(repr=False)

    def open(self, passphrase: str) -> bytes:
        """Return the key's 32-byte seed; raise ``KeyWrong`` when the passphrase is wrong or the file was altered."""
        key = _stretch(passphrase, self._salt, self._cost)
        try:
            seed = AESGCM(key).decrypt(self._sealed[:NONCE_BYTES], self._sealed[NONCE_BYTES:], self._front)
        except InvalidTag as error:
            raise KeyWrong(
                f"the key file of {self.label} does not open",
                expected="its passphrase",
                found="another one, or a file that was altered",
                hint="mind the keyboard layout and capitals",
            ) from error
        if len(seed) != SEED_BYTES or public_of(self.kind, seed, self.label).key_id != self.key_id:
            raise KeyWrong(
                f"the key file of {self.label} holds another key than it says", expected=str(self.key_id)[:16]
            )
        return seed


def public_of(kind: KeyKind, seed: bytes, label: str) -> PublicKey:
    """Return the public half of the key that ``seed`` stands for."""
    public: PublicHalf = (
        RecipientKey.from_seed(seed, label).public() if kind is KeyKind.RECIPIENT else SigningKey.from_seed(seed).public
    )
    return PublicKey(kind=kind, label=label, public=public)


def seal_key_file(
    *,
    kind: KeyKind,
    seed: bytes,
    label: str,
    passphrase: str,
    random_bytes: Callable[[int], bytes],
    origin: KeyOrigin | None = None,
    cost: ScryptCost | None = None,
) -> str:
    """Return the text of a private key file. Raises ``KeyWrong`` for an empty passphrase or an unfit label."""
    if not passphrase:
        raise KeyWrong("an empty passphrase protects nothing", expected="a passphrase", found="none")
    cost, salt, nonce = cost or ScryptCost(), random_bytes(_SALT_BYTES), random_bytes(NONCE_BYTES)
    front = _front(
        _PRIVATE,
        [
            ("kind", kind.value),
            ("label", checked_label(label)),
            ("id", str(public_of(kind, seed, label).key_id)),
            *_origin_lines(origin),
            ("scrypt", f"{cost.n} {cost.r} {cost.p} {salt.hex()}"),
        ],
    )
    sealed = nonce + AESGCM(_stretch(passphrase, salt, cost)).encrypt(nonce, seed, front.encode())
    return f"{front}sealed: {sealed.hex()}\n"


def read_key_file(text: str) -> KeyFile:
    """Return a private key file, closed; raise ``KeyWrong`` or ``FormatUnsupported``."""
    values = _values(text, _PRIVATE, ("kind", "label", "id", "repository", "trust", "scrypt", "sealed"))
    sealed = _hexadecimal(values, "sealed", NONCE_BYTES + SEED_BYTES + 16)
    cost, salt = _scrypt(values.get("scrypt", ""))
    return KeyFile(
        kind=_kind(values.get("kind", "")),
        label=checked_label(values.get("label", "")),
        key_id=KeyId(_hexadecimal(values, "id", 32)),
        origin=_origin(values),
        _cost=cost,
        _salt=salt,
        _front=_front(_PRIVATE, [(name, value) for name, value in values.items() if name != "sealed"]).encode(),
        _sealed=sealed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeyFile:
    """What a host keeps in clear (its file must be readable by its account only)."""

    role: Role
    label: str
    origin: KeyOrigin
    key: HostKey = field(repr=False)

    def public(self) -> PublicKey:
        """Return the host's public key, for the trust record."""
        return PublicKey(kind=KIND_OF_ROLE[self.role], label=self.label, public=self.key.signing_key().public)

    def encode(self) -> str:
        """Return the text of the file."""
        front = _front(
            _HOST,
            [
                ("kind", KIND_OF_ROLE[self.role].value),
                ("label", checked_label(self.label)),
                *_origin_lines(self.origin),
                ("signing-seed", self.key.signing_seed.hex()),
                ("lane-master", self.key.lane_master.hex()),
            ],
        )
        return f"{front}check: {_check(front.encode()).hex()}\n"


def read_host_key_file(text: str) -> HostKeyFile:
    """Return a host's key; raise ``KeyWrong`` or ``FormatUnsupported``."""
    known = ("kind", "label", "repository", "trust", "signing-seed", "lane-master", "check")
    values = _values(text, _HOST, known)
    front = _front(_HOST, [(name, value) for name, value in values.items() if name != "check"])
    if values.get("check") != _check(front.encode()).hex():
        raise KeyWrong("the host key file is damaged", expected="a check that fits", found=values.get("check", "none"))
    role, origin = ROLE_OF_KIND.get(_kind(values.get("kind", ""))), _origin(values)
    if role is None or origin is None:
        raise KeyWrong("not a host's key file", expected="a host's kind, a repository and its trust root")
    key = HostKey(_hexadecimal(values, "signing-seed", SEED_BYTES), _hexadecimal(values, "lane-master", KEY_BYTES))
    return HostKeyFile(role=role, label=checked_label(values.get("label", "")), origin=origin, key=key)


def encode_public(key: PublicKey) -> str:
    """Return the one line of a ``.pub`` file, line feed included."""
    public = key.public
    raw = public.ml_kem_1024 + public.p384 if isinstance(public, Recipient) else public.ed25519 + public.ml_dsa_87
    text = base64.b64encode(raw + _check(raw)).decode()
    return f"drorch-{key.kind.value}-{VERSION} {text} {checked_label(key.label)}\n"


def read_public(text: str) -> PublicKey:
    """Return the public key of a ``.pub`` file; raise ``KeyWrong`` or ``FormatUnsupported``."""
    words = _stripped(text).split(" ", 2)
    name, _, version = words[0].removeprefix("drorch-").rpartition("-")
    if len(words) != 3 or not words[0].startswith("drorch-") or not version.isdecimal():
        is_private = text.startswith(_PRIVATE)
        raise KeyWrong(
            "a private key where a public one belongs" if is_private else "not a public key",
            expected="drorch-<kind>-1 <key> <label>",
            found=_shown(text),
            hint="name the file NAME.pub beside it; the private half never comes to this machine" if is_private else "",
        )
    _check_version(version, "a public key")
    kind, label, raw = _kind(name), checked_label(words[2]), _checked_bytes(words[1])
    try:
        public: PublicHalf = (
            Recipient.checked(raw[:ML_KEM_PUBLIC_BYTES], raw[ML_KEM_PUBLIC_BYTES:], label)
            if kind is KeyKind.RECIPIENT
            else SigningPublic.checked(raw[:ED25519_PUBLIC_BYTES], raw[ED25519_PUBLIC_BYTES:])
        )
    except DrorchError as error:
        raise KeyWrong("not a public key", expected=error.expected, found=error.found) from error
    return PublicKey(kind=kind, label=label, public=public)


def checked_label(label: str) -> str:
    """Return ``label`` if it is one line of 1 to 100 printable characters; raise ``KeyWrong``."""
    if not 0 < len(label) <= LABEL_LIMIT or not label.isprintable() or label != label.strip():
        raise KeyWrong(
            "not a label for a key", expected=f"1 to {LABEL_LIMIT} printable characters", found=_shown(label)
        )
    return label


def _front(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """Return everything above the last line: what is authenticated with the seed, byte for byte."""
    return "".join(f"{line}\n" for line in (f"{title} {VERSION}", *(f"{name}: {value}" for name, value in lines)))


def _values(text: str, title: str, known: tuple[str, ...]) -> dict[str, str]:
    lines = [line.rstrip() for line in _stripped(text).split("\n")]
    found_title, _, version = lines[0].rpartition(" ")
    if found_title != title or not version.isdecimal():
        raise KeyWrong(
            f"not a {title.removeprefix('drorch ')} file", expected=f"{title} {VERSION}", found=_shown(lines[0])
        )
    _check_version(version, f"a {title.removeprefix('drorch ')} file")
    values: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(": ")
        if not colon or name not in known or name in values:
            raise KeyWrong("a key file is damaged", expected="each of: " + ", ".join(known), found=_shown(name))
        values[name] = value
    return values


def _stripped(text: str) -> str:
    return text.removeprefix("\ufeff").strip()  # some editors put a byte order mark in front


def _check_version(version: str, what: str) -> None:
    if version != str(VERSION):
        raise FormatUnsupported(f"{what} of another version", expected=str(VERSION), found=version[:20])


def _scrypt(text: str) -> tuple[ScryptCost, bytes]:
    words = text.split(" ")
    numbers = [int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else 0 for word in words[:3]]
    if len(words) != 4 or not all(numbers):
        raise KeyWrong("a key file is damaged", expected="scrypt: n r p salt", found=_shown(text))
    cost = ScryptCost(n=numbers[0], r=numbers[1], p=numbers[2])
    if (
        cost.memory_bytes > _MEMORY_LIMIT_BYTES
        or cost.p > 16
        or cost.n.bit_count() != 1
        or not 1 < cost.n < 2 ** (16 * cost.r)
    ):
        raise KeyWrong(
            "a key file asks for too much", expected="scrypt of at most 1 GiB, n a power of 2", found=_shown(text)
        )
    return cost, _hexadecimal({"salt": words[3]}, "salt", _SALT_BYTES)


def _stretch(passphrase: str, salt: bytes, cost: ScryptCost) -> bytes:
    # NFC: keyboards differ in how they compose Vietnamese letters, the passphrase is the same.
    normal = unicodedata.normalize("NFC", passphrase)
    try:
        return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(
            normal.encode("utf-8", "replace")
        )
    except MemoryError as error:
        raise KeyWrong(
            "this machine has too little memory to open the key",
            expected=f"{cost.memory_bytes // 2**20 + 1} MiB that are free",
            found="less",
        ) from error


def _origin_lines(origin: KeyOrigin | None) -> list[tuple[str, str]]:
    return [] if origin is None else [("repository", str(origin.repository)), ("trust", str(origin.trust_root))]


def _origin(values: Mapping[str, str]) -> KeyOrigin | None:
    if "repository" not in values and "trust" not in values:
        return None
    return KeyOrigin(
        repository=RepositoryId(_hexadecimal(values, "repository", RepositoryId.size)),
        trust_root=Digest(_hexadecimal(values, "trust", Digest.size)),
    )


def _kind(text: str) -> KeyKind:
    try:
        return KeyKind(text)
    except ValueError as error:
        raise KeyWrong(
            "a key of an unknown kind", expected="recipient, root or a host's", found=_shown(text)
        ) from error


def _hexadecimal(values: Mapping[str, str], name: str, size: int) -> bytes:
    try:
        raw = bytes.fromhex(values.get(name, ""))
    except ValueError:
        raw = b""
    if len(raw) != size or values[name] != raw.hex():
        raise KeyWrong("a key file is damaged", expected=f"{2 * size} hexadecimal digits after {name}:")
    return raw


def _checked_bytes(text: str) -> bytes:
    try:
        both = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyWrong("a public key is damaged", expected="base 64", found="other characters") from error
    raw, check = both[:-_CHECK_BYTES], both[-_CHECK_BYTES:]
    if _check(raw) != check:
        raise KeyWrong(
            "a public key is damaged", expected="a check that fits", found="another", hint="copy the whole line"
        )
    return raw


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()[:_CHECK_BYTES]


def _shown(text: str) -> str:
    return ascii(text[:40])
