"""Large objects as one stream of rows.

A row (``RowFormat.PREFIXED``: after its length) is the object's number (u32 big-endian), an offset (u64) and content. Each object
begins with a row at offset 0, perhaps empty; holes of sparse objects are not rows and stay holes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from drorch.errors import ObjectCorrupt
from drorch.sources.interface import Bytes
from drorch.sources.postgresql.checks import reads_large_objects_by_table
from drorch.sources.postgresql.session import PIECE_BYTES, Session

_HEAD = struct.Struct(">IIQ")  # length of what follows, number, offset
_BLOCK_BYTES = 256 * 1024
_LARGEST_ROW = 64 << 20
_COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_PAGE_ROW = struct.Struct(">hiIiii")  # fields, 4, loid, 4, page, length of the content


def read_large_objects(session: Session) -> Iterator[bytes]:
    """Yield the stream, inside the session's transaction, objects in the order of their numbers."""
    blocks = _by_table(session) if reads_large_objects_by_table(session) else _one_by_one(session)
    piece = bytearray()
    for number, offset, content in blocks:
        piece += _HEAD.pack(12 + len(content), number, offset)
        piece += content
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def parse_large_objects(pieces: Iterable[Bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, offset, content) of every row; raise ``ObjectCorrupt``."""
    held = bytearray()
    for piece in pieces:
        held += piece
        position = 0
        while len(held) - position >= _HEAD.size:
            length, number, offset = _HEAD.unpack_from(held, position)
            if not 12 <= length <= _LARGEST_ROW:
                raise ObjectCorrupt("a row of the large objects has an impossible length", found=str(length))
            end = position + 4 + length
            if len(held) < end:
                break
            yield number, offset, bytes(held[position + _HEAD.size : end])
            position = end
        del held[:position]
    if held:
        raise ObjectCorrupt("the stream of large objects ends inside a row")


def _one_by_one(session: Session) -> Iterator[tuple[int, int, bytes]]:
    """Read by ``lo_get``, which needs only the right to each object; blocks of zeros in the middle become holes."""
    for (oid,) in session.run("select oid from pg_catalog.pg_largeobject_metadata order by oid"):
        number, offset, hole = int(oid or 0), 0, b""
        while True:
            content = _block(session, number, offset)
            is_last = len(content) < _BLOCK_BYTES
            if is_last and not content and hole:
                yield number, offset - len(hole), hole  # zeros at the end are length
            is_hole = offset > 0 and not is_last and not content.strip(b"\0")
            hole = content if is_hole else b""
            if offset == 0 or (content and not is_hole):
                yield number, offset, content
            offset += len(content)
            if is_last:
                break


def _block(session: Session, number: int, offset: int) -> bytes:
    parameters = [struct.pack(">I", number), struct.pack(">q", offset), struct.pack(">i", _BLOCK_BYTES)]
    sql = "select pg_catalog.lo_get($1::pg_catalog.oid, $2::pg_catalog.int8, $3::pg_catalog.int4)"
    return session.run_raw(sql, parameters, binary=True)[0][0] or b""


def _by_table(session: Session) -> Iterator[tuple[int, int, bytes]]:
    """Read the pages themselves, thousands a round trip; neighbours are joined to blocks."""
    page_bytes = int(session.value("show block_size") or 8_192) // 4
    numbers = iter(
        [int(oid or 0) for (oid,) in session.run("select oid from pg_catalog.pg_largeobject_metadata order by oid")]
    )
    number, start, block, is_open = 0, 0, bytearray(), False
    for loid, page, content in _pages(session):
        offset = page * page_bytes
        if is_open and loid == number and offset == start + len(block) and len(block) < _BLOCK_BYTES:
            block += content
            continue
        if is_open:
            yield number, start, bytes(block)
        if not is_open or loid != number:
            for empty in numbers:
                if empty == loid:
                    break
                yield empty, 0, b""
            if offset > 0:
                yield loid, 0, b""
        number, start, block, is_open = loid, offset, bytearray(content), True
    if is_open:
        yield number, start, bytes(block)
    for empty in numbers:
        yield empty, 0, b""


def _pages(session: Session) -> Iterator[tuple[int, int, bytes]]:
    sql = "copy (select loid, pageno, data from pg_catalog.pg_largeobject order by loid, pageno) to stdout (format binary)"
    held = bytearray()
    is_headless = True
    for piece in session.copy_out(sql, rows_are_binary=True):
        held += piece
        position = 0
        if is_headless:
            position, is_headless = len(_COPY_SIGNATURE) + 8, False
        while len(held) - position >= _PAGE_ROW.size:
            fields, _size, loid, _size2, page, length = _PAGE_ROW.unpack_from(held, position)
            end = position + _PAGE_ROW.size + length
            if fields != 3 or len(held) < end:
                break
            yield loid, page, bytes(held[position + _PAGE_ROW.size : end])
            position = end
        del held[:position]
    if bytes(held) != b"\xff\xff":
        raise ObjectCorrupt("the server's large objects end without their end marker")
