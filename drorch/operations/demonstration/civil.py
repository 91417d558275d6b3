"""A synthetic civil register (hộ tịch) for SQLite: births, marriages and deaths as an old desktop program kept them.

Each row is made from the BLAKE2 of the seed and its number. What is yielded are pairs: a statement, and the rows to run it
with (none: it runs once). Nobody in it exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from drorch.operations.demonstration.words import (
    FAMILY_NAMES,
    GIVEN_NAMES,
    IMPOSSIBLE_DATES,
    MIDDLE_NAMES_FEMALE,
    MIDDLE_NAMES_MALE,
    OLD_COMMUNES,
    decomposed,
)

RECORDS = 100_000
Row: TypeAlias = tuple[int | float | str | bytes | None, ...]
Step: TypeAlias = tuple[str, Iterable[Row]]
TCVN3_NOTE = b"\xae\xa8ng k\xfd qu\xb8 h\xb9n"  # "đăng ký quá hạn" in TCVN3, which no decoder for UTF-8 accepts

_DEFINITIONS = """
PRAGMA journal_mode=wal;
PRAGMA application_id=1751672936;
PRAGMA user_version=158;
BEGIN;
CREATE TABLE don_vi (ma TEXT PRIMARY KEY, ten TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE so_ho_tich (id INTEGER PRIMARY KEY, loai TEXT NOT NULL CHECK (loai IN ('KS', 'KH', 'KT')), nam INTEGER, quyen TEXT, UNIQUE (loai, nam, quyen));
CREATE TABLE khai_sinh (id INTEGER PRIMARY KEY AUTOINCREMENT, so INTEGER REFERENCES so_ho_tich(id), so_trang INTEGER, ho_ten TEXT NOT NULL, gioi_tinh TEXT, ngay_sinh TEXT, noi_sinh TEXT, ho_ten_cha TEXT, ho_ten_me TEXT, so_dinh_danh TEXT, can_nang REAL, ghi_chu TEXT, anh_quet BLOB);
CREATE TABLE ket_hon (id INTEGER PRIMARY KEY, so INTEGER REFERENCES so_ho_tich(id), chong TEXT, vo TEXT, ngay TEXT, noi_dang_ky TEXT REFERENCES don_vi(ma));
CREATE TABLE khai_tu (so INTEGER, so_trang INTEGER, ho_ten TEXT, ngay_mat TEXT, nguyen_nhan TEXT, PRIMARY KEY (so, so_trang));
CREATE TABLE "Sổ tay cán bộ" (ngay, viec);
CREATE TABLE nhat_ky (luc TEXT, viec TEXT);
"""
_AFTER_ROWS = """
CREATE INDEX khai_sinh_ten ON khai_sinh (ho_ten, ngay_sinh);
CREATE INDEX khai_sinh_so_dinh_danh ON khai_sinh (so_dinh_danh) WHERE so_dinh_danh IS NOT NULL;
CREATE INDEX ket_hon_nam ON ket_hon (substr(ngay, -4));
CREATE VIEW thong_ke AS SELECT s.nam, s.loai, count(*) AS so_luong FROM khai_sinh k JOIN so_ho_tich s ON s.id = k.so GROUP BY s.nam, s.loai;
CREATE TRIGGER khai_sinh_moi AFTER INSERT ON khai_sinh BEGIN INSERT INTO nhat_ky VALUES ('', 'khai sinh ' || new.id); END;
COMMIT;
ANALYZE;
"""


def civil_register(scale: int = RECORDS, seed: int = 678) -> Iterator[Step]:
    """Yield the steps that fill an empty SQLite file with ``scale`` records, half of them births."""
    births, marriages, deaths = scale // 2, scale * 3 // 10, scale // 5
    yield from _plain(_DEFINITIONS)
    yield "INSERT INTO don_vi VALUES (?, ?)", OLD_COMMUNES
    books = [
        (kind, 1976 + year, f"{1 + volume:02d}")
        for kind in ("KS", "KH", "KT")
        for year in range(49)
        for volume in range(2)
    ]
    yield "INSERT INTO so_ho_tich (loai, nam, quyen) VALUES (?, ?, ?)", books
    birth = "INSERT INTO khai_sinh (id, so, so_trang, ho_ten, gioi_tinh, ngay_sinh, noi_sinh, ho_ten_cha, ho_ten_me, so_dinh_danh, can_nang, ghi_chu, anh_quet)"
    yield f"{birth} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows("birth", births, seed, _birth)
    yield f"UPDATE khai_sinh SET ghi_chu = CAST(x'{TCVN3_NOTE.hex()}' AS TEXT) WHERE id % 500 = 3", ()
    yield "INSERT INTO ket_hon VALUES (?, ?, ?, ?, ?, ?)", _rows("marriage", marriages, seed, _marriage)
    yield "INSERT INTO khai_tu VALUES (?, ?, ?, ?, ?)", _rows("death", deaths, seed, _death)
    yield (
        'INSERT INTO "Sổ tay cán bộ" VALUES (?, ?)',
        [(None, "Kiểm kê sổ"), (20250630, decomposed("Bàn giao cho xã mới")), (45838.5, b"\x00\x01")],
    )
    yield from _plain(_AFTER_ROWS)


def civil_register_changes(seed: int = 1) -> Iterator[Step]:
    """Yield the steps of the next working day: one birth in 200 is corrected, some are new, and one definition changes."""
    yield "BEGIN", ()
    yield (
        f"UPDATE khai_sinh SET ghi_chu = 'cải chính theo quyết định số {seed}' WHERE (id * 7919) % 200 = {seed % 200}",
        (),
    )
    birth = "INSERT INTO khai_sinh (so, so_trang, ho_ten, gioi_tinh, ngay_sinh, noi_sinh, ho_ten_cha, ho_ten_me, so_dinh_danh, can_nang, ghi_chu, anh_quet)"
    yield (
        f"{birth} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row[1:] for row in _rows(f"day {seed}", 120, seed, _birth)),
    )
    yield f"DELETE FROM ket_hon WHERE id % 997 = {seed % 997}", ()
    yield f"ALTER TABLE khai_tu ADD COLUMN nguoi_khai_{seed} TEXT DEFAULT 'không rõ'", ()
    yield "COMMIT", ()


def _plain(script: str) -> Iterator[Step]:
    yield from ((line, ()) for line in script.strip().splitlines())


def _rows(kind: str, count: int, seed: int, make: Callable[[int, bytes], Row]) -> Iterator[Row]:
    for number in range(1, count + 1):
        yield make(number, hashlib.blake2b(f"{seed}/{kind}/{number}".encode(), digest_size=32).digest())


def _person(h: bytes, at: int, *, is_male: bool) -> str:
    middle = MIDDLE_NAMES_MALE if is_male else MIDDLE_NAMES_FEMALE
    family, given = FAMILY_NAMES[h[at] % len(FAMILY_NAMES)], GIVEN_NAMES[h[at + 2] % len(GIVEN_NAMES)]
    return f"{family} {middle[h[at + 1] % len(middle)]} {given}"


def _date(h: bytes, at: int, first_year: int, years: int) -> str:
    if h[at] < 10:
        return IMPOSSIBLE_DATES[h[at + 1] % len(IMPOSSIBLE_DATES)]
    return f"{1 + h[at + 1] % 28:02d}/{1 + h[at + 2] % 12:02d}/{first_year + h[at + 3] % years}"


def _birth(number: int, h: bytes) -> Row:
    is_male = h[0] % 2 == 0
    name = _person(h, 1, is_male=is_male)
    commune = OLD_COMMUNES[h[4] % len(OLD_COMMUNES)][1]
    return (
        number,
        1 + number % 98,
        number // 98,
        decomposed(name) if h[5] < 8 else name,
        "Nam" if is_male else "Nữ",
        _date(h, 6, 1976, 49),
        f"{commune}, huyện Đức Trọng, tỉnh Lâm Đồng",
        None if h[10] < 20 else _person(h, 11, is_male=True),
        _person(h, 14, is_male=False),
        f"068{h[17] % 10}{int.from_bytes(h[18:22]) % 10**8:08d}" if h[22] < 150 else None,
        round(2 + h[23] / 100, 2) if h[24] < 128 else None,
        "đăng ký lại" if h[25] < 12 else None,
        h * 6 if h[26] < 6 else None,
    )


def _marriage(number: int, h: bytes) -> Row:
    commune = OLD_COMMUNES[h[0] % len(OLD_COMMUNES)][0]
    return (
        number,
        99 + number % 98,
        _person(h, 1, is_male=True),
        _person(h, 4, is_male=False),
        _date(h, 7, 1976, 49),
        commune,
    )


def _death(number: int, h: bytes) -> Row:
    cause = (None, "già yếu", "bệnh", "tai nạn")[h[0] % 4]
    return 197 + number % 98, number // 98, _person(h, 1, is_male=h[4] % 2 == 0), _date(h, 5, 1976, 49), cause
