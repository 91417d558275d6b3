"""The demonstration's scans are what their names say; checked by reading them here, as a viewer would."""

from __future__ import annotations

import re
import struct
import zlib

from drorch.operations.demonstration.pictures import _DC_CODES, jpeg, pdf, tiff
from drorch.operations.demonstration.words import tcvn3

SHADES = (0, 255, 128, 127, 129, 3, 200)


def shades_of(picture: bytes, blocks: int) -> list[int]:
    """Return the mean of every block, by following the codes."""
    start = picture.index(b"\xff\xda") + 2
    (length,) = struct.unpack_from(">H", picture, start)
    coded = picture[start + length : -2].replace(b"\xff\x00", b"\xff")
    bits = "".join(f"{each:08b}" for each in coded)
    at, mean, found = 0, 128, []
    for _ in range(blocks):
        size = next(size for size, code in enumerate(_DC_CODES) if bits.startswith(code, at))
        at += len(_DC_CODES[size])
        raw = bits[at : at + size]
        mean += 0 if not raw else int(raw, 2) if raw[0] == "1" else int(raw, 2) - (1 << size) + 1
        assert bits[at + size] == "0", "no more of this block"
        at += size + 1
        found.append(mean)
    assert set(bits[at:]) <= {"1"}
    assert len(bits) - at < 8
    return found


def test_a_jpeg_says_its_size_and_shades() -> None:
    picture = jpeg(5, 4, SHADES)
    assert picture.startswith(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00")
    assert picture.endswith(b"\xff\xd9")
    frame = picture.index(b"\xff\xc0")
    assert struct.unpack_from(">HH", picture, frame + 5) == (32, 40)
    assert shades_of(picture, 20) == [SHADES[at % len(SHADES)] for at in range(20)]


def test_a_tiff_points_at_all_of_its_picture() -> None:
    picture = tiff(72, 11, bytes(range(7)))
    (directory,) = struct.unpack_from("<I", picture, 4)
    (count,) = struct.unpack_from("<H", picture, directory)
    entries = [struct.unpack_from("<HHII", picture, directory + 2 + 12 * at) for at in range(count)]
    fields = {tag: value for tag, _, _, value in entries}
    assert sorted(fields) == list(fields)
    assert (fields[256], fields[257], fields[279]) == (72, 11, 99)
    assert fields[273] + fields[279] <= directory
    assert len(picture) == directory + 2 + 12 * count + 4


def test_a_pdf_has_its_objects_where_its_table_says() -> None:
    document = pdf("Hồ sơ số 7", jpeg(2, 2, SHADES), 16, 16)
    start = int(document.rsplit(b"startxref\n", 1)[1].split()[0])
    places = [int(line[:10]) for line in document[start:].splitlines() if line.endswith(b" n ")]
    assert len(places) == 6
    for number, place in enumerate(places, start=1):
        assert document[place:].startswith(b"%d 0 obj\n" % number)
    length, page = re.search(rb"<</Length (\d+)/Filter/FlateDecode>>stream\n", document), document[places[3] :]
    assert length is not None
    assert b"/S Do" in zlib.decompress(page.split(b"stream\n", 1)[1][: int(length[1])])


def test_tcvn3_is_what_old_programs_wrote() -> None:
    assert tcvn3("đăng ký quá hạn") == b"\xae\xa8ng k\xfd qu\xb8 h\xb9n"
    assert tcvn3("Kế toán, tài sản cố định") == b"K\xd5 to\xb8n, t\xb5i s\xb6n c\xe8 \xae\xdenh"
    every = "ăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"
    assert len(set(tcvn3(every))) == len(every)
