"""A synthetic copy of the one-stop books on an island commune (đặc khu Phú Quý) for SQLite: what a laptop keeps until the boat comes.

Pairs are yielded as for the civil register: a statement, and the rows to run it with. Nobody in it exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from drorch.operations.demonstration.hashes import date_as_written, hashes, identity_number, person
from drorch.operations.demonstration.words import decomposed

Step: TypeAlias = tuple[str, Iterable[tuple[int | float | str | bytes | None, ...]]]
_DEFINITIONS = """
PRAGMA journal_mode=wal;
CREATE TABLE ho_so (ma TEXT PRIMARY KEY, ho_ten TEXT NOT NULL, so_giay_to TEXT, ngay_sinh TEXT, trang_thai TEXT, noi_dung TEXT) WITHOUT ROWID;
CREATE TABLE gui_di (id INTEGER PRIMARY KEY, ma TEXT REFERENCES ho_so(ma), luc, da_nhan INTEGER DEFAULT 0, goi BLOB);
CREATE TABLE tau_thuyen (so_dang_ky TEXT, chu TEXT, cong_suat, ghi_chu TEXT);
"""


def island_books(scale: int, seed: int = 22) -> Iterator[Step]:
    """Yield the steps that fill an empty SQLite file with ``scale`` dossiers, part of them not sent to the mainland yet."""
    yield from ((line, ()) for line in _DEFINITIONS.strip().splitlines())
    yield "BEGIN", ()
    yield "INSERT INTO ho_so VALUES (?, ?, ?, ?, ?, ?)", (_dossier(*each) for each in hashes("island", scale, seed))
    packets = (
        (number, f"H22.{number:06d}", None if h[0] < 80 else 45838.25 + number, int(h[0] >= 80), h * 4)
        for number, h in hashes("island packet", scale // 2, seed)
    )
    yield "INSERT INTO gui_di VALUES (?, ?, ?, ?, ?)", packets
    boats: list[tuple[int | float | str | bytes | None, ...]] = [
        ("BTh 97478 TS", "Đỗ Văn Hải", 420, None),
        ("BTh-0000", decomposed("Lê Thị Mỹ"), "22 CV", b"\x00\xff"),
    ]
    yield "INSERT INTO tau_thuyen VALUES (?, ?, ?, ?)", boats
    yield "CREATE INDEX ho_so_cho ON ho_so (trang_thai) WHERE trang_thai = 'chờ tàu'", ()
    yield "CREATE VIEW chua_gui AS SELECT h.* FROM ho_so h JOIN gui_di g USING (ma) WHERE NOT g.da_nhan", ()
    yield "COMMIT", ()


def _dossier(number: int, h: bytes) -> tuple[int | float | str | bytes | None, ...]:
    state = ("chờ tàu", "đã gửi", "đã trả kết quả")[h[0] % 3]
    text = "mất sóng, nhập tay" if h[1] < 40 else None
    return f"H22.{number:06d}", person(h, 2), identity_number(h, 6), date_as_written(h, 12, 1950, 60), state, text
