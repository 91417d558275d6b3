"""The lines of a listing (FORMAT 16): one for each name of the tree, as JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from drorch.errors import FormatUnsupported, ObjectCorrupt
from drorch.sources.files.names import bytes_of, is_safe, shown, text_of

FORM: Final = "drorch files/1"
LISTING: Final = "listing"
CONTENT_PREFIX: Final = "content/"
LINE_LIMIT_BYTES: Final = 16 * 2**20  # attributes may be 64 KiB each; a line beyond that is an attack
_DIGEST_DIGITS = 64


class Kind(Enum):
    """What a line says of a name."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"
    ABSENT = "absent"


_KINDS: Final[Mapping[Any, Kind]] = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a file lie: a content stream, without ``content/``, and an offset in it."""

    content: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is kept of a name besides its content. The names of the owners are ``None`` where they were not known."""

    mode: int
    uid: int
    gid: int
    user: str | None
    group: str | None
    mtime_ns: int
    xattrs: Mapping[bytes, bytes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One name. ``metadata`` is ``None`` of absent ones and of further hard links; ``place`` of empty files too."""

    path: bytes
    kind: Kind
    metadata: Metadata | None = None
    size: int = 0
    sha256: bytes = b""
    place: Place | None = None
    is_unsettled: bool = False
    is_sparse: bool = False
    same_as: bytes | None = None
    to: bytes | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The first line."""

    base: bytes
    paths: Sequence[bytes]


def encode_heading(heading: Heading) -> bytes:
    """Return the first line, with its line feed."""
    return _json({"form": FORM, "base": text_of(heading.base), "paths": [text_of(path) for path in heading.paths]})


def encode_line(line: Line) -> bytes:
    """Return the line, with its line feed."""
    found: dict[str, Any] = {"path": text_of(line.path), "kind": line.kind.value}
    if line.metadata is not None:
        _add_metadata(found, line.metadata)
    if line.same_as is not None:
        found["same_as"] = text_of(line.same_as)
    elif line.kind is Kind.FILE:
        found["size"], found["sha256"] = line.size, line.sha256.hex()
        if line.place is not None:
            found["in"], found["at"] = line.place.content, line.place.offset
    if line.is_unsettled:
        found["unsettled"] = True
    if line.is_sparse:
        found["sparse"] = True
    if line.to is not None:
        found["to"] = text_of(line.to)
    if line.why:
        found["why"] = line.why
    return _json(found)


def _add_metadata(found: dict[str, Any], metadata: Metadata) -> None:
    found["mode"], found["uid"], found["gid"] = metadata.mode, metadata.uid, metadata.gid
    found["mtime_ns"] = metadata.mtime_ns
    if metadata.user is not None:
        found["user"] = metadata.user
    if metadata.group is not None:
        found["group"] = metadata.group
    if metadata.xattrs:
        found["xattrs"] = {
            text_of(name): base64.b64encode(value).decode() for name, value in sorted(metadata.xattrs.items())
        }


_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _json(value: Mapping[str, Any]) -> bytes:
    return _encoder.encode(value).encode() + b"\n"


def decode_heading(raw: bytes) -> Heading:
    """Return the heading; raise ``ObjectCorrupt``, or ``FormatUnsupported`` for another form."""
    found = _object(raw)
    if found.get("form") != FORM:
        raise FormatUnsupported("a listing of another form", expected=FORM, found=str(found.get("form"))[:40])
    base, paths = found.get("base"), found.get("paths")
    if not isinstance(base, str) or not isinstance(paths, list):
        raise _damaged("a heading without base or paths")
    return Heading(base=_name(base), paths=tuple(_name(path) for path in paths))


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of every use of a line: its name and kind, checked, and the rest as it came."""

    path: bytes
    kind: Kind
    found: Mapping[str, Any]

    def line(self) -> Line:
        """Return the whole line; raise ``ObjectCorrupt``."""
        found, path, kind = self.found, self.path, self.kind
        why = str(found.get("why", ""))
        if "same_as" in found:
            return Line(path=path, kind=kind, same_as=_first_name(found, kind), why=why)
        if kind is Kind.FILE:
            return _file_line(found, path)
        return Line(
            path=path,
            kind=kind,
            metadata=None if kind is Kind.ABSENT else _metadata(found),
            to=_name(found.get("to")) if kind is Kind.SYMLINK else None,
            why=why,
        )


def decode_head(raw: bytes) -> Head:
    """Return the name and kind that a line (with or without its line feed) begins with; raise ``ObjectCorrupt``.

    The path is safe; that its parent and its order are right is for the reader of the whole listing to check.
    """
    found = _object(raw)
    path, kind = _safe(_name(found.get("path"))), found.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise FormatUnsupported("a listing holds a kind that this drorch does not know")
    return Head(path, _KINDS[kind], found)


def _safe(path: bytes) -> bytes:
    if not is_safe(path):
        raise ObjectCorrupt("a listing holds a path that leads elsewhere", found=shown(path)[:200])
    return path


def _first_name(found: Mapping[str, Any], kind: Kind) -> bytes:
    """Return the name under which a file with several came first; as safe as any path, or a link would be made to what lies elsewhere."""
    first = _safe(_name(found["same_as"]))
    if kind is not Kind.FILE or not first or "size" in found:
        raise _damaged("a hard link that is none")
    return first


def decode_line(raw: bytes) -> Line:
    """Return the line that ``raw`` holds; raises what ``decode_head`` and ``Head.line`` raise."""
    return decode_head(raw).line()


def _file_line(found: Mapping[str, Any], path: bytes) -> Line:
    size, digest = _number(found, "size"), _digest(found.get("sha256"))
    place = None
    if size:
        content = found.get("in")
        if not isinstance(content, str):
            raise _damaged("a file without a place")
        place = Place(content, _number(found, "at"))
    return Line(
        path=path,
        kind=Kind.FILE,
        metadata=_metadata(found),
        size=size,
        sha256=digest,
        place=place,
        is_unsettled=found.get("unsettled") is True,
        is_sparse=found.get("sparse") is True,
    )


def _metadata(found: Mapping[str, Any]) -> Metadata:
    mtime, user, group = found.get("mtime_ns"), found.get("user"), found.get("group")
    if not isinstance(mtime, int) or isinstance(mtime, bool) or abs(mtime) >= 2**63:
        raise _damaged("a name without its time")
    return Metadata(
        mode=_number(found, "mode", 0o7777),
        uid=_number(found, "uid", 2**32 - 2),
        gid=_number(found, "gid", 2**32 - 2),
        user=user if isinstance(user, str) else None,
        group=group if isinstance(group, str) else None,
        mtime_ns=mtime,
        xattrs=_xattrs(found.get("xattrs", {})),
    )


def _xattrs(found: Any) -> Mapping[bytes, bytes]:
    if not isinstance(found, dict):
        raise _damaged("attributes that are none")
    try:
        return {_name(name): base64.b64decode(value, validate=True) for name, value in found.items()}
    except (binascii.Error, TypeError, ValueError) as error:
        raise _damaged("an attribute that is no base 64") from error


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged("a line that is no JSON") from error
    if not isinstance(value, dict):
        raise _damaged("a line that is no object")
    return value


def _name(text: Any) -> bytes:
    try:
        return bytes_of(text) if isinstance(text, str) else _no_name()
    except UnicodeEncodeError as error:
        raise _damaged("a name that cannot be one") from error


def _no_name() -> bytes:
    raise _damaged("a name that is no text")


def _digest(text: Any) -> bytes:
    try:
        if isinstance(text, str) and len(text) == _DIGEST_DIGITS:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise _damaged("a file without its digest")


def _number(found: Mapping[str, Any], key: str, most: int = 2**62) -> int:
    value = found.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _damaged(f"no right {key}")
    return value


def _damaged(found: str) -> ObjectCorrupt:
    return ObjectCorrupt("the listing of a file tree is damaged", expected="lines as in FORMAT 16", found=found)
