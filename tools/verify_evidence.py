#!/usr/bin/env python3
"""Verify evidence of restore drills without drorch: python3 and the package cryptography (50 or later) are all it needs.

    verify_evidence.py BUNDLE --trust FILE|DIGEST [--tsa-certificate FILE]

BUNDLE is the ZIP file of ``drorch evidence export``, or the directory that it was unpacked to. FILE is a text file of trusted signers, DIGEST
the trust root as it stands on the recovery sheet: what you got from the people themselves, never out of the bundle. With the certificates (PEM) of
time-stamping authorities that you trust it checks time-stamps, too; whether a certificate was withdrawn is not asked. Nothing is written.

It ends with 0 when everything holds, 60 when something was altered, is missing or contradicts itself, and 61 when all of it is consistent and
signed by somebody whom you did not name. Written from docs/FORMAT.md and docs/EVIDENCE.md; it shares no code with drorch.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError as missing:
    sys.exit(f"verify_evidence.py: {missing.name} is missing or too old; pip install 'cryptography>=50'")

TRUST, SEGMENT = 1, 11
NONE = bytes(32)
REPEATED = {TRUST: {18, 20, 21, 22}, SEGMENT: {19, 20}}
KNOWN = {TRUST: range(1, 25), SEGMENT: (*range(1, 7), *range(16, 21))}
PEOPLE, MACHINES = ("operator", "verifier"), ("writer", "maintainer", "drill-host")
NEEDED = ("key", "restore", "chunks", "content", "wiped")
DRILLS = ("drill", "drill_failed")


class Broken(Exception):
    """Something was altered, is missing or contradicts itself; the text is one line."""


class Key(NamedTuple):
    """The public halves of a signer."""

    ed25519: bytes
    ml_dsa_87: bytes
    label: str = ""
    kind: str = ""

    @property
    def key_id(self) -> bytes:
        """SHA-256 of both halves."""
        return hashlib.sha256(self.ed25519 + self.ml_dsa_87).digest()

    def signed(self, message: bytes, ed25519: bytes, ml_dsa_87: bytes) -> bool:
        """Say whether both signatures fit."""
        try:
            Ed25519PublicKey.from_public_bytes(self.ed25519).verify(ed25519, message)
            MLDSA87PublicKey.from_public_bytes(self.ml_dsa_87).verify(ml_dsa_87, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Trusted(NamedTuple):
    """Whom the reader trusts."""

    root: bytes | None
    people: dict[bytes, Key]
    machines: dict[bytes, Key]
    revoked: dict[bytes, tuple[str, str]]


class Entry(NamedTuple):
    """An entry of the ledger, with its chain and its number there."""

    chain: bytes
    number: int
    value: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.value[name]


class Record(NamedTuple):
    """A trust record: who may sign, and who no more."""

    signers: list[Key]
    revoked: dict[bytes, dict[bytes, bytes]]
    roots: dict[bytes, Key]
    threshold: int
    repository: bytes


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return ``1 chain``, ``2 chains``, ``2 entries``."""
    return f"1 {noun}" if number == 1 else f"{number:,} {nouns or noun + 's'}"


# -- the binary format


def fields_of(raw: bytes, known: Any, repeated: Any = ()) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    at, last = 0, 0
    while at < len(raw):
        number, length = int.from_bytes(raw[at : at + 2], "big"), int.from_bytes(raw[at + 2 : at + 6], "big")
        plain, value = number & 0x7FFF, raw[at + 6 : at + 6 + length]
        at += 6 + length
        if at > len(raw) or plain < last:
            raise Broken("a structure is damaged")
        last = plain
        if plain in known:
            if plain in found and plain not in repeated:
                raise Broken("a field stands twice")
            found.setdefault(plain, []).append(value)
        elif number & 0x8000:
            raise Broken(f"a field {plain} that this verifier does not know: get a newer one")
    return found


def one(fields: dict[int, list[bytes]], number: int, size: int) -> bytes:
    value = fields.get(number, [b""])[0]
    if len(value) != size:
        raise Broken(f"field {number} is missing or damaged")
    return value


def split(raw: bytes, kind: int) -> tuple[bytes, list[tuple[bytes, bytes, bytes]]]:
    """Return payload and signatures of a signed object of the repository."""
    if raw[:6] != b"DRORCH" or tuple(raw[6:8]) != (kind, 1) or int.from_bytes(raw[9:13], "big"):
        raise Broken("not the object that its name says")
    length = int.from_bytes(raw[13:17], "big")
    payload, count, rest = raw[17 : 17 + length], raw[17 + length : 18 + length], raw[18 + length :]
    if len(payload) != length or not count or len(rest) != count[0] * 4723:
        raise Broken("an object is damaged")
    parts = [rest[start : start + 4723] for start in range(0, len(rest), 4723)]
    return payload, [(part[:32], part[32:96], part[96:]) for part in parts]


def signers_of(raw: bytes, kind: int, allowed: dict[bytes, Key]) -> set[bytes]:
    """Return the keys of ``allowed`` whose two signatures are right."""
    payload, signatures = split(raw, kind)
    message = pre_authentication(f"application/vnd.drorch.{kind}.v1", payload)
    return {name for name, a, b in signatures if name in allowed and allowed[name].signed(message, a, b)}


def pre_authentication(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)


# -- trust


def read_trusted(text: str) -> Trusted:
    """Read ``--trust``: a digest, or the text of a file of trusted signers."""
    trusted = Trusted(None, {}, {}, {})
    if re.fullmatch(r"[0-9A-Fa-f-]{32,79}", text.strip()):
        return trusted._replace(root=bytes.fromhex(text.strip().replace("-", "")))
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    if lines[:1] != ["drorch trusted signers 1"]:
        raise SystemExit("verify_evidence.py: --trust names neither a digest nor a file of trusted signers")
    for line in lines[1:]:
        if line.startswith("root "):
            trusted = trusted._replace(root=bytes.fromhex(line[5:].replace("-", "")))
        elif line.startswith("revoked "):
            _, key_id, since, reason = line.split(" ", 3)
            trusted.revoked[bytes.fromhex(key_id)] = since, reason
        elif not line.startswith("#"):
            key = read_public(line)
            (trusted.people if key.kind in PEOPLE else trusted.machines)[key.key_id] = key
    return trusted


def read_public(line: str) -> Key:
    """Read the line of a ``.pub`` file."""
    match = re.fullmatch(r"drorch-([a-z-]+)-1 (\S+) (.+)", line.strip())
    raw = base64.b64decode(match[2], validate=True) if match else b""
    if not match or len(raw) != 2628 or hashlib.sha256(raw[:-4]).digest()[:4] != raw[-4:]:
        raise Broken("a public key is damaged")
    return Key(raw[:32], raw[32:2624], match[3], match[1])


def read_record(raw: bytes) -> Record:
    fields = fields_of(split(raw, TRUST)[0], KNOWN[TRUST], REPEATED[TRUST])
    signers, roots = [], {}
    for packed in fields.get(21, []):
        inner = fields_of(packed, (1, 2, 3, 4))
        signers.append(Key(one(inner, 1, 32), one(inner, 2, 2592), inner.get(4, [b""])[0].decode()))
    for packed in fields.get(18, []):
        inner = fields_of(packed, (1, 2, 3))
        key = Key(one(inner, 1, 32), one(inner, 2, 2592))
        roots[key.key_id] = key
    revoked = {}
    for packed in fields.get(22, []):
        inner = fields_of(packed, (1, 2), (2,))
        revoked[one(inner, 1, 32)] = {head[:16]: head[24:] for head in inner.get(2, [])}
    return Record(signers, revoked, roots, one(fields, 19, 1)[0], one(fields, 2, 16))


def trust_chain(objects: list[bytes]) -> list[Record]:
    """Return the records, each signed by enough root keys of the one before."""
    records: list[Record] = []
    for number, raw in enumerate(objects):
        record = read_record(raw)
        before = records[-1] if records else record
        fields = fields_of(split(raw, TRUST)[0], KNOWN[TRUST], REPEATED[TRUST])
        previous = hashlib.sha256(objects[number - 1]).digest() if number else NONE
        if len(signers_of(raw, TRUST, before.roots)) < max(1, before.threshold):
            raise Broken(f"trust record {number} is not signed by those before it")
        if (one(fields, 16, 4), one(fields, 17, 32)) != (number.to_bytes(4, "big"), previous):
            raise Broken(f"trust record {number} does not follow the one before")
        if record.repository != before.repository or fields.get(3) != [b"trust/%d" % number]:
            raise Broken(f"trust record {number} is of another repository")
        records.append(record)
    if not records:
        raise Broken("there is no trust record")
    return records


# -- the ledger


def read_chain(identity: bytes, raws: list[bytes], records: list[Record]) -> tuple[list[dict[str, Any]], bytes]:
    """Return the segments from the first to the verified head, and the signer's key id."""
    signer = next((key for record in reversed(records) for key in record.signers if key.key_id[:16] == identity), None)
    if signer is None:
        raise Broken(f"a chain of the ledger is of no signer: {identity.hex()[:8]}")
    segments = {hashlib.sha256(raw).digest(): segment(raw, identity) for raw in raws}
    head = newest(identity, raws, segments, signer, records[-1])
    line = [segments[head]]
    while line[-1]["previous"] != NONE:
        before = segments.get(line[-1]["previous"])
        if before is None or before["number"] + 1 != line[-1]["number"] or before["next"] != line[-1]["first"]:
            raise Broken(f"segment {line[-1]['number'] - 1} of {signer.label} is missing or altered")
        line.append(before)
    if (line[-1]["number"], line[-1]["first"]) != (1, 1):
        raise Broken(f"the chain of {signer.label} does not begin with 1")
    if signer.key_id in records[-1].revoked:  # what stands behind the named head counts for nothing
        segments = {digest: each for digest, each in segments.items() if each["number"] <= line[0]["number"]}
    require_no_branch(line, segments, signer)
    return line[::-1], signer.key_id


def is_given_up(identity: bytes, record: Record) -> bool:
    """Say whether the chain is of a revoked signer of whom nothing counts."""
    return any(key_id[:16] == identity and identity not in heads for key_id, heads in record.revoked.items())


def newest(
    identity: bytes, raws: list[bytes], segments: dict[bytes, dict[str, Any]], signer: Key, record: Record
) -> bytes:
    if signer.key_id in record.revoked:
        head = record.revoked[signer.key_id].get(identity, b"")
        if head not in segments:
            raise Broken(f"{signer.label} was revoked, and its last good head is not there")
        return head
    if signer.key_id not in {key.key_id for key in record.signers}:
        raise Broken(f"{signer.label} is a signer no more")
    below = {each["previous"] for each in segments.values()}
    below |= {digest for each in segments.values() for chain, digest in each["seen"] if chain == identity}
    by_digest = {hashlib.sha256(raw).digest(): raw for raw in raws}
    for digest in sorted(segments, key=lambda name: (name in below, -segments[name]["number"])):
        fields = fields_of(split(by_digest[digest], SEGMENT)[0], KNOWN[SEGMENT], REPEATED[SEGMENT])
        name = b"ledger/%b/%012d" % (identity.hex().encode(), segments[digest]["number"])
        is_it = fields.get(3) == [name] and fields.get(2) == [record.repository] and fields.get(1) == [bytes([SEGMENT])]
        if not is_it or not signers_of(by_digest[digest], SEGMENT, {signer.key_id: signer}):
            raise Broken(f"segment {segments[digest]['number']} of {signer.label} is not signed by its key")
        return digest
    raise Broken(f"no segment of {signer.label}")


def require_no_branch(line: list[dict[str, Any]], segments: dict[bytes, dict[str, Any]], signer: Key) -> None:
    reached = {each["digest"] for each in line}
    waiting = [digest for each in line for chain, digest in each["seen"] if chain == each["chain"]]
    while waiting:
        digest = waiting.pop()
        if digest in segments and digest not in reached:
            reached.add(digest)
            waiting.append(segments[digest]["previous"])
    if set(segments) - reached:
        raise Broken(f"the chain of {signer.label} forked, or one of its segments was altered")


def segment(raw: bytes, identity: bytes) -> dict[str, Any]:
    if raw[8:9] != b"\0":
        raise Broken("a segment of another minor version")
    fields = fields_of(split(raw, SEGMENT)[0], KNOWN[SEGMENT], REPEATED[SEGMENT])
    entries, first = [json.loads(text) for text in fields.get(19, [])], int.from_bytes(one(fields, 18, 8), "big")
    if one(fields, 4, 16) != identity or not entries:
        raise Broken("a segment of another chain")
    return {
        "digest": hashlib.sha256(raw).digest(),
        "chain": identity,
        "number": int.from_bytes(one(fields, 16, 8), "big"),
        "previous": one(fields, 17, 32),
        "first": first,
        "next": first + len(entries),
        "entries": entries,
        "seen": [(head[:16], head[24:]) for head in fields.get(20, [])],
    }


def require_nothing_cut(chains: dict[bytes, list[dict[str, Any]]]) -> None:
    known = {each["digest"] for line in chains.values() for each in line}
    for identity, line in chains.items():
        for each in line:
            for chain, digest in each["seen"]:
                if chain != identity and digest not in known:
                    raise Broken(f"entries of chain {chain.hex()[:8]} were cut, which another machine saw")


# -- statements


def open_envelope(raw: bytes) -> tuple[bytes, dict[bytes, tuple[bytes, bytes]]]:
    value = json.loads(raw)
    listed = value["signatures"]
    again = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if list(value) != ["payloadType", "payload", "signatures"] or len(listed) % 2 or again != raw:
        raise Broken("a signed statement is damaged")
    signatures = {}
    for a, b in zip(listed[::2], listed[1::2], strict=True):
        name = a["keyid"].removeprefix("ed25519:")
        if set(a) != {"keyid", "sig"} or b["keyid"] != f"ml-dsa-87:{name}" or set(b) != {"keyid", "sig"}:
            raise Broken("a signed statement is damaged")
        signatures[bytes.fromhex(name)] = decoded(a["sig"]), decoded(b["sig"])
    if value["payloadType"] != "application/vnd.in-toto+json":
        raise Broken("a statement of another kind")
    return decoded(value["payload"]), signatures


def decoded(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise Broken("base 64 in another spelling")
    return raw


def signed_value(raw: bytes, key: Key) -> dict[str, Any]:
    """Return what ``key`` signed."""
    payload, signatures = open_envelope(raw)
    message = pre_authentication("application/vnd.in-toto+json", payload)
    if not key.signed(message, *signatures.get(key.key_id, (b"", b""))):
        raise Broken(f"a signature of {key.label} does not fit")
    value: dict[str, Any] = json.loads(payload)
    return value


def require_sound(record: dict[str, Any], shown: dict[str, Any]) -> None:
    """The verdict must follow from the checks, and what is shown must be what was recorded."""
    outcomes = {check["check"]: check["outcome"] for check in record["checks"]}
    found, verdict, left_out = set(outcomes.values()), record["verdict"], record["test"]["left_out"]
    if ("FAIL" in found) != (verdict == "fail"):
        raise Broken(f"the verdict {verdict} disagrees with the checks")
    if any(
        part["outcome"] == "FAIL"
        for check in record["checks"]
        if check["outcome"] != "FAIL"
        for part in check["compared"]
    ):
        raise Broken("a check is ok of which a part failed")
    if verdict in ("pass", "pass_with_findings"):
        missing = [name for name in NEEDED if name not in outcomes and name not in left_out]
        if "inconclusive" in found or missing or record["snapshot"] is None:
            raise Broken(f"the verdict {verdict} disagrees with the checks")
    if verdict == "pass" and (left_out or "finding" in found):
        raise Broken("the verdict pass disagrees with the findings")
    says = shown["verdict"]
    if (says["verdict"], says["statement"], says["rto"]["actual_ms"], says["rpo"]["actual_ms"], says["system_id"]) != (
        verdict,
        record["summary"],
        record["rto"]["actual_ms"],
        record["rpo"]["actual_ms"],
        record["source"],
    ):
        raise Broken("what is shown differs from what was recorded")
    lines = {
        name: line["outcome"]
        for name, line in shown["proof"].items()
        if line["outcome"] not in ("left_out", "not_made")
    }
    if lines != outcomes:
        raise Broken("the checks that are shown differ from those that were recorded")


# -- one bundle


# -- time-stamps (RFC 3161): a CMS signature over the time and the digest that an authority was sent

TIME_INFO, SIGNED_DATA = bytes.fromhex("2a864886f70d0109100104"), bytes.fromhex("2a864886f70d010702")
CONTENT_TYPE, MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010903"), bytes.fromhex("2a864886f70d010904")
CERTIFICATE_V1, CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910020c"), bytes.fromhex("2a864886f70d010910022f")
SHA = {bytes.fromhex(f"60864801650304020{one}"): size for one, size in ((1, 256), (2, 384), (3, 512))}
RSA_SHA = {bytes.fromhex(f"2a864886f70d0101{one}"): size for one, size in (("0b", 256), ("0c", 384), ("0d", 512))}
EC_SHA = {bytes.fromhex(f"2a8648ce3d04030{one}"): size for one, size in ((2, 256), (3, 384), (4, 512))}
RSA = bytes.fromhex("2a864886f70d010101")
LONGEST_PATH = 8


class Unread(Exception):
    """A signature of a kind that this verifier does not know: neither good nor bad; the text is one line."""


class Value(NamedTuple):
    """One value of DER: its tag, what is inside, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def parts(self) -> list[Value]:
        """Return the values inside."""
        found, at = [], 0
        while at < len(self.content):
            found.append(value_at(self.content, at))
            at += len(found[-1].whole)
        return found


def value_at(raw: bytes, at: int = 0) -> Value:
    start, length = at + 2, raw[at + 1]
    if length & 0x80:
        more = length & 0x7F
        if not 1 <= more <= 4:
            raise Unread("it is not DER")
        start, length = start + more, int.from_bytes(raw[start : start + more], "big")
    if start + length > len(raw):
        raise Broken("a time-stamp is damaged")
    return Value(raw[at], raw[start : start + length], raw[at : start + length])


def digest_by(size: int, raw: bytes) -> bytes:
    return hashlib.new(f"sha{size}", raw).digest()


def signed_by_certificate(
    certificate: x509.Certificate, oid: bytes, digest: bytes, signature: bytes, message: bytes
) -> None:
    """Raise ``Broken`` unless the key of the certificate signed the message; ``Unread`` for another algorithm."""
    key, size = certificate.public_key(), {RSA: SHA.get(digest), **RSA_SHA, **EC_SHA}.get(oid)
    if size is None:
        raise Unread("its authority signs by an algorithm that is not known here")
    by = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[size]
    try:
        if isinstance(key, rsa.RSAPublicKey) and oid not in EC_SHA:
            key.verify(signature, message, padding.PKCS1v15(), by)
        elif isinstance(key, ec.EllipticCurvePublicKey) and oid in EC_SHA:
            key.verify(signature, message, ec.ECDSA(by))
        else:
            raise Broken("a time-stamp is signed by another kind of key than its certificate holds")
    except InvalidSignature:
        raise Broken("the authority's signature of a time-stamp does not fit") from None


def leads_to(
    one: x509.Certificate, between: list[x509.Certificate], roots: list[x509.Certificate], at: datetime, below: int = 0
) -> bool:
    """Say whether a certificate hangs from one of the roots, and every one on the way was in force at that time."""
    if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
        return False
    if one in roots:
        return True
    if below >= LONGEST_PATH:
        return False
    above = [each for each in (*roots, *between) if each != one and may_issue(each, one, below)]
    return any(leads_to(each, between, roots, at, below + 1) for each in above)


def may_issue(issuer: x509.Certificate, one: x509.Certificate, below: int) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        uses = [each.value for each in issuer.extensions if isinstance(each.value, x509.KeyUsage)]
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    is_short = basic.path_length is None or below <= basic.path_length
    return basic.ca and is_short and all(use.key_cert_sign for use in uses)


def stamps_times(certificate: x509.Certificate) -> bool:
    """Say whether it is for time-stamps and nothing else, as RFC 3161 wants it."""
    try:
        use = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return use.critical and list(use.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def named_certificate(attributes: dict[bytes, list[Value]], certificate: bytes) -> bool:
    """Say whether the signed attributes name this certificate (ESSCertID, version 1 or 2)."""
    for oid in (CERTIFICATE_V2, CERTIFICATE_V1):
        if oid in attributes:
            first = attributes[oid][0].parts()[0].parts()[0].parts()
            if oid == CERTIFICATE_V1:
                return first[0].content == hashlib.sha1(certificate).digest()  # noqa: S324 - the form that RFC 3161 gave it
            size = SHA.get(first[0].parts()[0].content) if first[0].tag == 0x30 else 256
            if size is None:
                raise Unread("it names its certificate by a digest that is not known here")
            return next(one for one in first if one.tag == 0x04).content == digest_by(size, certificate)
    return False


def stamped(token: bytes, statement: bytes, roots: list[x509.Certificate]) -> tuple[datetime, str]:
    """Return the time that an authority below ``roots`` signed for the statement, and who that is; raise ``Broken`` or ``Unread``."""
    status, *answered = value_at(token).parts()
    if status.parts()[0].content not in (b"\0", b"\1") or len(answered) != 1:
        raise Broken("the authority granted no time-stamp")
    kind, wrapped = answered[0].parts()
    if kind.content != SIGNED_DATA:
        raise Broken("a time-stamp is something else")
    _, _, holder, *others = wrapped.parts()[0].parts()
    info = holder.parts()[1].parts()[0].content
    _, _, imprint, _, moment, *_ = value_at(info).parts()
    algorithm, digest = imprint.parts()
    size = SHA.get(algorithm.parts()[0].content)
    if size is None:
        raise Unread("it is over a digest that is not known here")
    if holder.parts()[0].content != TIME_INFO or digest.content != digest_by(size, statement):
        raise Broken("a time-stamp is of something else")
    raws = [each.whole for other in others if other.tag == 0xA0 for each in other.parts() if each.tag == 0x30]
    certificates = [x509.load_der_x509_certificate(raw) for raw in raws]
    at = datetime.strptime(moment.content[:14].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    (signer,) = others[-1].parts()
    return at, signed_stamp(signer, info, [*certificates, *roots], roots, at)


def signed_stamp(
    signer: Value, info: bytes, certificates: list[x509.Certificate], roots: list[x509.Certificate], at: datetime
) -> str:
    """Check a SignerInfo over the time's own bytes; return whose it is."""
    fields = signer.parts()
    digest_oid, signature_oid = fields[2].parts()[0].content, fields[4].parts()[0].content
    if fields[3].tag != 0xA0 or fields[5].tag != 0x04:
        raise Broken("a time-stamp is signed without its attributes")
    listed = [one.parts() for one in fields[3].parts()]
    attributes = {oid.content: values.parts() for oid, values in listed}
    if len(attributes) != len(listed) or digest_oid not in SHA:
        raise Unread("its digest is not known here, or an attribute stands twice")
    said = [[one.content for one in attributes.get(oid, ())] for oid in (CONTENT_TYPE, MESSAGE_DIGEST)]
    if said != [[TIME_INFO], [digest_by(SHA[digest_oid], info)]]:
        raise Broken("the time in a time-stamp was altered")
    encoded = {one: one.public_bytes(Encoding.DER) for one in certificates}
    own = next((one for one in certificates if named_certificate(attributes, encoded[one])), None)
    if own is None:
        raise Broken("a time-stamp does not hold the certificate that it names")
    signed_by_certificate(own, signature_oid, digest_oid, fields[5].content, b"\x31" + fields[3].whole[1:])
    if not stamps_times(own):
        raise Broken("a time-stamp is signed by a certificate that is not for time-stamps")
    if not leads_to(own, certificates, roots, at):
        raise Broken("a time-stamp is by no authority that you named")
    return str(own.subject.rfc4514_string())


class Verifier:
    """Goes through a bundle, and tells every step."""

    def __init__(self, files: dict[str, bytes], trusted: Trusted, roots: Iterable[x509.Certificate] = ()) -> None:
        self.files, self.trusted, self.roots = files, trusted, list(roots)
        self.worst = 0
        self.number = 0

    def tell(self, outcome: str, name: str, found: str) -> None:
        self.number += 1
        print(f"  {self.number:>3}  {outcome:<7}  {name:<10}  {ascii_safe(found)}")
        self.worst = 60 if outcome == "FAIL" or self.worst == 60 else 61 if outcome == "unknown" else self.worst

    def attempt(self, name: str, step: Any, *given: Any) -> Any:
        try:
            return step(*given)
        except (Broken, KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
            words = str(error) if isinstance(error, Broken) else f"cannot be read ({type(error).__name__})"
            self.tell("FAIL", name, words)
        return None

    def run(self) -> int:
        wanted = self.attempt("bundle", self.contents)
        opened = self.attempt("trust root", self.open_ledger)
        if wanted is not None and opened is not None:
            self.attempt("drills", self.drills, wanted)
        words = {0: "OK  everything holds, by signers whom you trust", 61: "UNKNOWN  consistent, signer unknown"}
        print(words.get(self.worst, "FAIL  do not rely on this evidence"))
        return self.worst

    def contents(self) -> str:
        """Every file must be the one that bundle.json names."""
        contents = json.loads(self.files["bundle.json"])
        found = {name: hashlib.sha256(raw).hexdigest() for name, raw in self.files.items() if name != "bundle.json"}
        if contents["schema"] != "drorch.evidence-bundle/1" or contents["files"] != found:
            raise Broken("a file was altered, added or taken out")
        self.tell("ok", "bundle", f"{counted(len(found), 'file')}, as listed")
        return str(contents["wanted"])

    def open_ledger(self) -> bool:
        objects: list[bytes] = []
        while f"objects/trust/{len(objects)}" in self.files:
            objects.append(self.files[f"objects/trust/{len(objects)}"])
        self.records = trust_chain(objects)
        digest = hashlib.sha256(objects[0]).digest()
        self.is_rooted = self.trusted.root is not None and digest.startswith(self.trusted.root)
        shown = "-".join(digest[:16].hex()[at : at + 4] for at in range(0, 32, 4))
        self.tell(
            "ok" if self.is_rooted else "unknown",
            "trust root",
            f"{shown}, as you were told" if self.is_rooted else f"{shown} is not one that you were told",
        )
        chains: dict[bytes, list[bytes]] = {}
        for name, raw in self.files.items():
            if match := re.fullmatch(r"objects/ledger/([0-9a-f]{32})/[0-9]{12}", name):
                chains.setdefault(bytes.fromhex(match[1]), []).append(raw)
        self.lines: dict[bytes, list[dict[str, Any]]] = {}
        self.signers: dict[bytes, bytes] = {}
        for identity, raws in chains.items():
            if is_given_up(identity, self.records[-1]):
                continue
            self.lines[identity], self.signers[identity] = read_chain(identity, raws, self.records)
        require_nothing_cut(self.lines)
        every = [
            Entry(identity, each["first"] + place, value)
            for identity, line in self.lines.items()
            for each in line
            for place, value in enumerate(each["entries"])
        ]
        self.entries = sorted(every, key=lambda entry: str(entry.at))
        self.tell(
            "ok",
            "ledger",
            f"{counted(len(every), 'entry', 'entries')} in {counted(len(self.lines), 'chain')}, none altered or taken out",
        )
        return True

    def about(self, subject: str, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.subject == subject and entry.kind in kinds]

    def content(self, document: dict[str, str]) -> bytes:
        raw = self.files.get(f"objects/{document['name']}", b"")
        if hashlib.sha256(raw).hexdigest() != document["sha256"]:
            raise Broken(f"{document['name']} is missing or altered")
        return raw

    def drills(self, wanted: str) -> None:
        is_month = re.fullmatch(r"[0-9]{4}-[0-9]{2}", wanted) is not None
        drills = [entry for entry in self.entries if entry.kind in DRILLS]
        drills = [one for one in drills if (one.at.startswith(wanted) if is_month else one.subject == wanted)]
        draws = {one.facts["draw"] for one in drills} - {""}
        if is_month:
            draws |= {one.subject for one in self.entries if one.kind == "drawn" and one.at.startswith(wanted)}
        reports = [one for one in self.about(wanted, "report_month") if is_month]
        if not drills and not draws and not reports:
            raise Broken(f"the ledger has no drill {wanted}")
        for entry in drills if is_month else drills[:1]:
            print(
                f"Drill {ascii_safe(entry.subject)}  {ascii_safe(entry.facts['source'])}  {ascii_safe(entry.facts['verdict'])}"
            )
            self.attempt("statement", self.statement, entry)
            self.attempt("sign-off", self.people, entry)
            for later in self.about(entry.subject, "superseded"):
                self.tell("note", "superseded", f"by {later.facts['by'] or 'nothing'}: {later.facts['reason']}")
            for stamp in self.about(entry.subject, "time_stamped"):
                self.attempt("time-stamp", self.stamp, entry, stamp)
        for subject in sorted(draws):
            self.attempt("draw", self.draw, subject)
        for report in reports:
            self.attempt("month", self.month, report)

    def machine(self, key_id: bytes) -> Key:
        return next(key for record in reversed(self.records) for key in record.signers if key.key_id == key_id)

    def by_machine(self, entry: Entry) -> tuple[Any, Key]:
        """Return what the machine of an entry signed; tell whether the reader knows that machine."""
        machine = self.machine(self.signers[entry.chain])
        value = signed_value(self.content(entry.documents[0]), machine)
        since, reason = self.trusted.revoked.get(machine.key_id, ("9999", ""))
        if entry.at >= since:
            self.tell("FAIL", "signature", f"of {machine.label}, revoked since {since}: {reason}")
        elif self.is_rooted or machine.key_id in self.trusted.machines:
            self.tell("ok", "signature", f"Ed25519 and ML-DSA-87 of {machine.label}")
        else:
            self.tell(
                "unknown", "signature", f"of {machine.label} fits, and nobody whom you trust vouches for that key"
            )
        return value, machine

    def month(self, entry: Entry) -> None:
        if len(entry.documents) != 1:
            raise Broken("a month's report is not named by its entry")
        value, machine = self.by_machine(entry)
        figures = value["predicate"]
        kinds = (value["_type"], value["subject"], value["predicateType"])
        if kinds != ("https://in-toto.io/Statement/v1", [], "urn:drorch:month:v1"):
            raise Broken("a statement of another kind")
        if not figures["month"] == entry.subject == entry.facts["month"]:
            raise Broken("the ledger says something else of a month")
        kept = "everything was kept" if figures["kept"] else "not everything was kept"
        whole = "" if figures["is_over"] else ", the month was not over"
        told = f"{figures['month']} of {figures['host']}, made {figures['made_at']}: {kept}{whole}"
        self.tell("ok", "month", f"{told}; signed by {machine.label}")

    def statement(self, entry: Entry) -> None:
        value, machine = self.by_machine(entry)
        record, shown = value["predicate"]["record"], value["predicate"]
        if (value["_type"], value["predicateType"]) != (
            "https://in-toto.io/Statement/v1",
            "urn:drorch:restore-drill:v1",
        ):
            raise Broken("a statement of another kind")
        require_sound(record, shown)
        snapshot = record["snapshot"]
        said = [entry.subject, *(entry.facts[name] for name in ("source", "test", "snapshot", "verdict"))]
        stated = [
            record["drill"],
            record["source"],
            record["test"]["name"],
            snapshot["id"] if snapshot else "",
            record["verdict"],
        ]
        if said != stated or (entry.kind == "drill_failed") != (record["verdict"] == "fail"):
            raise Broken("the ledger says something else of this drill")
        digests = [record["policy"]["text_digest"], record["test"]["text_digest"], record["machine"]["tool_digest"]]
        digests = [snapshot["manifest_digest"], *digests] if snapshot else digests
        if [subject["digest"]["sha256"] for subject in value["subject"]] != digests:
            raise Broken("the statement is about something else than it records")
        drawn = snapshot is not None and (snapshot["draw"] is not None or snapshot["selection"] == "random")
        if drawn and not entry.facts["draw"]:
            raise Broken("it claims to be drawn by lot, and names no draw in the ledger")
        if entry.facts["draw"]:
            draws = self.about(entry.facts["draw"], "drawn")
            if not draws or record["source"] not in draws[0].facts["drawn"]:
                raise Broken(f"{record['source']} is not among those that were drawn")
        self.tell(
            "ok", "statement", f"{record['verdict']}, as its checks bear out; entry {entry.number:,} of {machine.label}"
        )

    def people(self, entry: Entry) -> None:
        filled: dict[str, str] = {}
        roles: dict[str, str] = {}
        for signed in self.about(entry.subject, "signed"):
            word = self.attempt("sign-off", self.word, entry, signed)
            if word is None:
                continue
            names = (word["person"], " ".join(word["name"].casefold().split()), word["key"])
            if any(roles.setdefault(name, word["role"]) != word["role"] for name in names):
                self.tell("FAIL", "sign-off", f"{word['name']} would be operator and verifier")
            filled[word["role"]] = word["person"]
        for role in PEOPLE:
            if role not in filled:
                self.tell("note", "sign-off", f"not signed by {'an operator' if role == 'operator' else 'a verifier'}")

    def word(self, entry: Entry, signed: Entry) -> dict[str, Any]:
        """Check one sign-off; return what it says."""
        envelope, public = (self.content(document) for document in signed.documents)
        key = read_public(public.decode())
        value = signed_value(envelope, key)
        word: dict[str, Any] = value["predicate"]
        facts = signed.facts
        if (
            value["predicateType"] != "urn:drorch:sign-off:v1"
            or word["key"] != key.key_id.hex()
            or key.kind != word["role"]
        ):
            raise Broken("a sign-off names another key than it is signed by")
        if value["subject"][0]["digest"]["sha256"] != entry.documents[0]["sha256"] or word["drill_id"] != entry.subject:
            raise Broken(f"{word['person']} signed something else")
        if any(facts[name] != word[name] for name in ("person", "role", "key", "agrees")):
            raise Broken("the ledger says something else of a sign-off")
        if key.key_id in {machine.key_id for record in self.records for machine in record.signers}:
            raise Broken(f"{word['person']} signed with the key of a machine")
        self.tell_word(word, key, signed)
        return word

    def tell_word(self, word: dict[str, Any], key: Key, signed: Entry) -> None:
        words = f"{word['role']} {word['person']} ({word['name']}) {'agrees' if word['agrees'] else 'OBJECTS'}"
        since, reason = self.trusted.revoked.get(key.key_id, ("9999", ""))
        known = self.trusted.people.get(key.key_id)
        if signed.at >= since:
            self.tell("FAIL", "sign-off", f"{words}, by a key that is revoked: {reason}")
        elif known is None:
            self.tell("unknown", "sign-off", f"{words}; you were not told that key")
        elif (known.label, known.kind) != (word["person"], word["role"]):
            self.tell("FAIL", "sign-off", f"{words}, by the key of {known.kind} {known.label}")
        else:
            self.tell("ok", "sign-off", words)

    def stamp(self, drill: Entry, entry: Entry) -> None:
        """Check that it is about this statement, and who signed it if the reader named authorities; what was not checked is said."""
        token = self.content(entry.documents[0])
        statement = self.content(drill.documents[0])
        if hashlib.sha256(statement).digest() not in token:
            raise Broken("a time-stamp is of something else")
        words = f"{entry.facts['time']} by {entry.facts['authority']}, over the digest of this statement"
        if self.roots:
            try:
                at, who = stamped(token, statement, self.roots)
            except Unread as why:
                self.tell("unknown", "time-stamp", f"{words}; NOT CHECKED, for {why}")
                return
            if f"{at:%Y-%m-%dT%H:%M:%SZ}" != entry.facts["time"]:
                raise Broken("a time-stamp names another time than the ledger")
            self.tell("ok", "time-stamp", f"{words}; signed by {who}, below an authority that you named")
            return
        self.tell(
            "note",
            "time-stamp",
            f"{words}; NOT CHECKED here: the authority's signature and the time in it, for you named no --tsa-certificate;"
            " or unzip the bundle, and in its folder openssl ts -verify"
            f" -data objects/{drill.documents[0]['name']} -in objects/{entry.documents[0]['name']} -CAfile AUTHORITY.pem",
        )

    def draw(self, subject: str) -> None:
        """Draw again, and look for what was drawn and not drilled."""
        draws, promises = self.about(subject, "drawn"), self.about(subject, "seed_committed")
        if not draws:
            raise Broken(f"the ledger has no draw {subject}")
        facts = draws[0].facts
        promises = [one for one in promises if one.chain == draws[0].chain and one.number < draws[0].number]
        if not promises or any(other.facts != each[0].facts for each in (draws, promises) for other in each):
            raise Broken(f"{subject}: no seed was committed to before, or more than one")
        promised, seed = promises[0].facts, bytes.fromhex(facts["seed"])
        listed = json.dumps(
            {"list": facts["list"], "excluded": facts["excluded"]},
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        if hashlib.sha256(b"drorch/1 seed commitment" + seed).hexdigest() != promised["commitment"]:
            raise Broken(f"{subject}: the seed is not the one that was committed to")
        if hashlib.sha256(listed.encode()).hexdigest() != promised["list_digest"] or facts["list"] != sorted(
            facts["list"]
        ):
            raise Broken(f"{subject}: the list is not the one that was committed to")
        if facts["count"] != promised["count"] or drawn_by(seed, facts["list"], facts["count"]) != facts["drawn"]:
            raise Broken(f"{subject}: the seed draws others")
        drilled = {one.facts["source"] for one in self.entries if one.kind in DRILLS and one.facts["draw"] == subject}
        missing = [source for source in facts["drawn"] if source not in drilled]
        if missing:
            raise Broken(f"{subject}: drawn and not drilled: {', '.join(missing)}")
        self.tell(
            "ok",
            "draw",
            f"{subject}: {len(facts['drawn'])} of {len(facts['list'])} drawn as committed to; all were drilled",
        )


def drawn_by(seed: bytes, pairs: list[list[str]], count: int) -> list[str]:
    def ticket(word: str, text: str) -> bytes:
        return hashlib.sha256(b"\0".join((b"drorch/1 draw", seed, word.encode(), text.encode()))).digest()

    strata: dict[str, list[str]] = {}
    for source, stratum in pairs:
        strata.setdefault(stratum, []).append(source)
    queues = [
        sorted(strata[name], key=lambda one: ticket("source", one))
        for name in sorted(strata, key=lambda one: ticket("stratum", one))
    ]
    rounds = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)][:count]


def ascii_safe(text: object) -> str:
    """Return text without anything that moves the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def files_of(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle by their names, packed or unpacked."""
    if path.is_dir():
        return {
            each.relative_to(path).as_posix(): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()
        }
    with zipfile.ZipFile(path) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}


def main() -> int:
    """Verify, tell every step, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", metavar="FILE|DIGEST", help="whom you trust; without it the signer is unknown")
    parser.add_argument("--tsa-certificate", type=Path, metavar="FILE", help="time-stamping authorities that you trust")
    given = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    trusted = Trusted(None, {}, {}, {})
    if given.trust:
        path = Path(given.trust)
        trusted = read_trusted(path.read_text(encoding="utf-8") if path.is_file() else given.trust)
    try:
        roots = x509.load_pem_x509_certificates(given.tsa_certificate.read_bytes()) if given.tsa_certificate else []
    except (OSError, ValueError) as error:
        print(f"FAIL  the certificates cannot be read: expected PEM in {given.tsa_certificate}, found: {error}")
        return 2
    try:
        files = files_of(given.bundle)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        print(f"FAIL  the bundle cannot be read: {error}")
        return 60
    return Verifier(files, trusted, roots).run()


if __name__ == "__main__":
    sys.exit(main())
