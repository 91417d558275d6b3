"""The names of objects (FORMAT 2): the only place where one is built or taken apart."""

from __future__ import annotations

import re

from drorch.errors import Bug, ObjectCorrupt, UsageInvalid
from drorch.ids import Digest, LaneId, RunId

_LANE = re.compile(r"l/([0-9a-f]{32})/")
_INDEX = re.compile(r"(?:.*/)?([0-9abcdefghjkmnpqrstvwxyz]{26})-(0|[1-9][0-9]{0,9})", re.ASCII)
_PACK = re.compile(r"l/[0-9a-f]{32}/p/([0-9a-f]{2})/([0-9a-f]{64})", re.ASCII)
_LEDGER_CHAIN = re.compile(r"ledger/([0-9a-f]{32})/", re.ASCII)
_EVIDENCE_PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,120}", re.ASCII)
_HELP_PART = re.compile(r"[a-z0-9][a-z0-9._+-]*", re.ASCII)


def trust(number: int) -> str:
    """Return the name of trust record ``number``."""
    return f"trust/{number}"


def bundle(number: int) -> str:
    """Return the name of key bundle ``number``."""
    return f"keys/{number}"


def lanes_prefix(beginning: bytes = b"") -> str:
    """Return the prefix below which every lane lies, or every lane that begins so, as all of a writer do."""
    return f"l/{beginning.hex()}"


def lane_prefix(lane: LaneId) -> str:
    """Return the prefix of everything in a lane."""
    return f"l/{lane}/"


def run_record(lane: LaneId, run: RunId) -> str:
    """Return the name of the run record of ``run``."""
    return f"l/{lane}/r/{run}"


def run_records_prefix(lane: LaneId) -> str:
    """Return the prefix of the run records of a lane."""
    return f"l/{lane}/r/"


def packs_prefix(lane: LaneId) -> str:
    """Return the prefix of the packs of a lane."""
    return f"l/{lane}/p/"


def pack(lane: LaneId, digest: Digest) -> str:
    """Return the name of the pack with that digest."""
    text = str(digest)
    return f"l/{lane}/p/{text[:2]}/{text}"


def pack_list(lane: LaneId, run: RunId) -> str:
    """Return the name of the pack list of ``run``."""
    return f"l/{lane}/q/{run}"


def pack_list_prefix(lane: LaneId) -> str:
    """Return the prefix of the pack lists of a lane."""
    return f"l/{lane}/q/"


def index_prefix(lane: LaneId) -> str:
    """Return the prefix of the index segments of a lane."""
    return f"l/{lane}/x/"


def index_segment(lane: LaneId, run: RunId, number: int) -> str:
    """Return the name of index segment ``number`` of ``run``."""
    return f"l/{lane}/x/{run}-{number}"


def manifest(lane: LaneId, sequence: int) -> str:
    """Return the name of manifest ``sequence`` (from 1)."""
    if not 1 <= sequence < 10**12:
        raise Bug(f"manifest number {sequence}")
    return f"l/{lane}/m/{sequence:012d}"


def manifests_prefix(lane: LaneId) -> str:
    """Return what the names of all manifests and commits of a lane begin with."""
    return f"l/{lane}/m/"


def commit(lane: LaneId, sequence: int) -> str:
    """Return the name of the commit of manifest ``sequence``."""
    return f"{manifest(lane, sequence)}.c"


def retire_list(lane: LaneId, number: int) -> str:
    """Return the name of retire list ``number``."""
    return f"l/{lane}/g/{number}"


def damage_list(lane: LaneId, number: int) -> str:
    """Return the name of damage list ``number``."""
    return f"l/{lane}/d/{number}"


def ledger_prefix() -> str:
    """Return the prefix below which the chains of the ledger lie."""
    return "ledger/"


def ledger_chain_prefix(chain: LaneId) -> str:
    """Return the prefix of one signer's chain of the ledger."""
    return f"ledger/{chain}/"


def ledger_segment(chain: LaneId, number: int) -> str:
    """Return the name of segment ``number`` (from 1) of a chain of the ledger."""
    if not 1 <= number < 10**12:
        raise Bug(f"ledger segment number {number}")
    return f"ledger/{chain}/{number:012d}"


def ledger_chain_of(folder: str) -> LaneId | None:
    """Return the chain whose prefix ``folder`` is; ``None`` for any other text."""
    match = _LEDGER_CHAIN.fullmatch(folder)
    return LaneId(bytes.fromhex(match[1])) if match else None


def evidence_prefix() -> str:
    """Return the prefix below which statements and what belongs to them lie."""
    return "evidence/"


def evidence_document(year: int, file: str) -> str:
    """Return the name of a piece of evidence: a drill's statement, a sign-off, a time-stamp; letters become lower-case."""
    part = file.lower()
    if not 1 <= year <= 9999 or not _EVIDENCE_PART.fullmatch(part):
        raise Bug(f"not a name for evidence: {year}/{file}")
    return f"evidence/{year:04d}/{part}"


def help_file(version: str, file: str) -> str:
    """Return the name of a help file; upper-case letters of ``file`` become lower-case."""
    parts = version.lower(), file.lower()
    if not all(_HELP_PART.fullmatch(part) for part in parts):
        raise Bug(f"not a name for a help file: {version}/{file}")
    return f"help/{parts[0]}/{parts[1]}"


def alternate(name: str, number: int) -> str:
    """Return the name of alternate copy ``number`` (from 1) of the object ``name``."""
    if number < 1:
        raise Bug(f"alternate copy number {number}")
    return f"{name}~{number}"


def base_name(name: str) -> str:
    """Return ``name`` without the mark of an alternate copy: the name that a signed payload holds."""
    return name.partition("~")[0]


def lane_of(name: str) -> LaneId | None:
    """Return the lane that an object belongs to, ``None`` for objects beside the lanes."""
    match = _LANE.match(name)
    return LaneId(bytes.fromhex(match[1])) if match else None


def pack_digest(name: str) -> Digest | None:
    """Return the digest in a pack's name, alternate copies included; ``None`` for any other object."""
    match = _PACK.fullmatch(base_name(name))
    return Digest(bytes.fromhex(match[2])) if match and match[2].startswith(match[1]) else None


def parse_index_segment(name: str) -> tuple[RunId, int]:
    """Return the run and number in an index segment's name; raise ``ObjectCorrupt``."""
    match = _INDEX.fullmatch(base_name(name))
    if match is None:
        raise ObjectCorrupt("not the name of an index segment", expected="<run>-<n>", found=name[:80])
    return parse_run(match[1]), int(match[2])


def is_index_segment(name: str) -> bool:
    """Say whether ``name`` could be that of an index segment; alternate copies are none."""
    return _INDEX.fullmatch(name) is not None


def sequence_of(name: str) -> int:
    """Return the number in the name of a manifest or commit; 0 for any other name."""
    last = base_name(name).rsplit("/", 1)[-1].removesuffix(".c")
    return int(last) if len(last) == 12 and last.isascii() and last.isdecimal() else 0


def run_of(name: str) -> RunId | None:
    """Return the run that the last part of a name spells; ``None`` for any other name and for alternate copies."""
    try:
        return RunId.parse(name.rsplit("/", 1)[-1])
    except UsageInvalid:
        return None


def parse_run(text: str) -> RunId:
    """Return the run that the last part of a name spells; raise ``ObjectCorrupt``."""
    try:
        return RunId.parse(text)
    except UsageInvalid as error:
        raise ObjectCorrupt("not the name of a run", expected=error.expected, found=error.found) from error
