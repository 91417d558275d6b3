"""Small pictures and documents as scanners write them, byte by byte: JPEG, TIFF and PDF that any viewer opens."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_DC_COUNTS = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0))  # the table of JPEG's Annex K for brightness
_DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110")


def jpeg(width_blocks: int, height_blocks: int, shades: Sequence[int]) -> bytes:
    """Return a grey picture of 8 x 8 blocks, each of one shade (0 to 255); shades are repeated as needed.

    Only the mean of a block is coded; the single code for all the others says "no more".
    """
    quantization = b"\x00" + bytes([8]) * 64
    frame = struct.pack(">BHHB3B", 8, height_blocks * 8, width_blocks * 8, 1, 1, 0x11, 0)
    segments = (
        (0xE0, b"JFIF\x00\x01\x01\x01" + struct.pack(">HH", 300, 300) + b"\x00\x00"),
        (0xDB, quantization),
        (0xC0, frame),
        (0xC4, b"\x00" + _DC_COUNTS + bytes(range(12))),
        (0xC4, b"\x10" + bytes([1]) + bytes(15) + b"\x00"),
        (0xDA, bytes([1, 1, 0, 0, 63, 0])),
    )
    head = b"".join(b"\xff" + bytes([mark]) + struct.pack(">H", len(body) + 2) + body for mark, body in segments)
    bits, before = [], 0
    for block in range(width_blocks * height_blocks):
        mean = shades[block % len(shades)] - 128
        bits.append(_difference(mean - before) + "0")
        before = mean
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded = bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    return b"\xff\xd8" + head + coded.replace(b"\xff", b"\xff\x00") + b"\xff\xd9"


def _difference(value: int) -> str:
    """Return the code of a difference: how many bits it has, then these; negative ones as their complement."""
    length = abs(value).bit_length()
    if not length:
        return _DC_CODES[0]
    return _DC_CODES[length] + f"{value if value > 0 else value + (1 << length) - 1:0{length}b}"


def tiff(width: int, height: int, rows: bytes) -> bytes:
    """Return a picture of black and white, eight points a byte, uncompressed; ``width`` is a multiple of eight."""
    size = width // 8 * height
    entries = (
        (256, 4, width), (257, 4, height), (258, 3, 1), (259, 3, 1), (262, 3, 0), (273, 4, 8), (277, 3, 1),
        (278, 4, height), (279, 4, size),
    )  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries
    )
    points = (rows * (size // len(rows) + 1))[:size]
    padding = bytes(size % 2)
    return b"II*\x00" + struct.pack("<I", 8 + size + len(padding)) + points + padding + directory + bytes(4)


def pdf(title: str, picture: bytes, width: int, height: int) -> bytes:
    """Return a page that shows a grey JPEG, with its title as an old scanner's program writes it."""
    page = zlib.compress(b"q 595 0 0 842 0 0 cm /S Do Q", 9)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</S 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode/Length %d>>"
        b"stream\n%s\nendstream" % (width, height, len(picture), picture),
        b"<</Title<%s>>>" % (b"\xfe\xff" + title.encode("utf-16-be")).hex().encode(),
    )
    written, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<</Size %d/Root 1 0 R/Info 6 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    return written + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end
