"""A bundle: one file that holds everything about some drills, for readers who have neither drorch nor the stores.

A plain ZIP archive without compression, made in one way only: a reader makes it again out of what it read and compares bytes, and
``bundle.json`` names every file with its digest. Objects of the repository lie under ``objects/`` with their names.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from drorch.errors import EvidenceBroken
from drorch.evidence.dossier import Dossier
from drorch.evidence.statement_text import decode_text, encode_text
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.ids import Digest, LaneId

CONTENTS = "bundle.json"
SCHEMA = "drorch.evidence-bundle/1"
OBJECTS = "objects/"
BUNDLE_LIMIT_BYTES = 2 * 2**30
MOST_FILES = 400_000
_DATE = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9][A-Za-z0-9._~-]*)*", re.ASCII)
_WHAT = "an evidence bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds. ``wanted`` is what it was made for: a drill's id or a month."""

    wanted: str
    files: Mapping[str, bytes]

    def dossier(self) -> Dossier:
        """Return the evidence in it."""
        trust: list[bytes] = []
        while (raw := self.files.get(OBJECTS + names.trust(len(trust)))) is not None:
            trust.append(raw)
        segments: dict[LaneId, dict[Digest, bytes]] = {}
        for name, raw in self.files.items():
            inner = name.removeprefix(OBJECTS)
            chain = names.ledger_chain_of(inner.rpartition("/")[0] + "/") if inner != name else None
            if chain is not None:
                segments.setdefault(chain, {})[digest_of(raw)] = raw
        if not trust:
            raise EvidenceBroken(f"{_WHAT} holds no trust record", expected=OBJECTS + names.trust(0), found="none")
        return Dossier(
            trust_objects=tuple(trust), segments=segments, document=lambda name: self.files.get(OBJECTS + name)
        )


def encode_bundle(bundle: Bundle) -> bytes:
    """Return the bytes of the archive."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(bundle.files.items())}
    contents = encode_text({"schema": SCHEMA, "wanted": bundle.wanted, "files": digests})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((CONTENTS, contents), *sorted(bundle.files.items())):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = 3, _READABLE
            archive.writestr(entry, content)
    return buffer.getvalue()


def read_bundle(raw: bytes) -> Bundle:
    """Return what an archive holds; raise ``EvidenceBroken`` unless it is byte for byte as we would have made it."""
    files = _unpacked(raw)
    contents = decode_text(files.pop(CONTENTS, b""), _WHAT)
    wanted = contents.get("wanted")
    if contents.get("schema") != SCHEMA or not isinstance(wanted, str):
        raise EvidenceBroken(f"not {_WHAT}", expected=SCHEMA, found=str(contents.get("schema"))[:80])
    bundle = Bundle(wanted=wanted, files=files)
    if encode_bundle(bundle) != raw:
        raise EvidenceBroken(
            f"{_WHAT} was altered", expected="the files that it lists, and nothing else", found="others"
        )
    return bundle


def _unpacked(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            sizes = sum(entry.file_size for entry in entries)
            is_sound = all(_SAFE.fullmatch(entry.filename) and not entry.compress_type for entry in entries)
            if not is_sound or len(entries) > MOST_FILES or not len(raw) >= sizes or sizes > BUNDLE_LIMIT_BYTES:
                raise EvidenceBroken(f"not {_WHAT}", expected="plain files, not compressed", found="others")
            return {entry.filename: archive.read(entry) for entry in entries}
    # What zipfile raises for damage, for versions and compressions that it does not know, and for what is encrypted.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise EvidenceBroken(
            f"{_WHAT} cannot be read",
            expected="the archive that `drorch evidence export` wrote",
            found=str(error)[:120],
        ) from error
