"""A synthetic system of officials' accounts (cấp tài khoản cho cán bộ, công chức) for MariaDB: who might do what, and until when.

Accounts of the dissolved district are closed and stay; names are spelt twice, letters and marks apart or not; rights have their history.
The digests of passwords are of no password, and nobody in it exists.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from drorch.operations.demonstration.hashes import hashes, identity_number, inserts, person
from drorch.operations.demonstration.words import DISTRICT, NEW_COMMUNES, NEW_SCHEME, OLD_SCHEME

CLOSED = "2025-06-30 23:59:59"
ROLES = (
    ("tiep_nhan", "Tiếp nhận hồ sơ"),
    ("tham_dinh", "Thẩm định"),
    ("ky_so", "Ký số"),
    ("quan_tri", "Quản trị"),
)
_DEFINITIONS = """
SET NAMES utf8mb4;
SET SESSION timestamp = 1262568600;
CREATE TABLE don_vi (he_ma VARCHAR(8), ma VARCHAR(5), ten VARCHAR(100) NOT NULL, giai_the DATE, PRIMARY KEY (he_ma, ma));
CREATE TABLE vai_tro (ma VARCHAR(20) PRIMARY KEY, ten VARCHAR(60) NOT NULL);
CREATE TABLE tai_khoan (id INT AUTO_INCREMENT PRIMARY KEY, ten_dang_nhap VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
  ho_ten VARCHAR(120) COLLATE utf8mb4_bin NOT NULL, giay_to VARCHAR(12), he_ma VARCHAR(8) NOT NULL, ma VARCHAR(5) NOT NULL,
  bam_mat_khau BINARY(32), trang_thai ENUM('mở', 'khóa', 'đóng') NOT NULL DEFAULT 'mở', quyen_rieng SET('in', 'xuất', 'xóa'), dong_luc DATETIME,
  tuy_chon LONGTEXT CHECK (json_valid(tuy_chon)), da_dong BOOLEAN AS (dong_luc IS NOT NULL) STORED, FOREIGN KEY (he_ma, ma) REFERENCES don_vi (he_ma, ma));
CREATE TABLE phan_quyen (tai_khoan INT, vai_tro VARCHAR(20), PRIMARY KEY (tai_khoan, vai_tro), FOREIGN KEY (tai_khoan) REFERENCES tai_khoan (id),
  FOREIGN KEY (vai_tro) REFERENCES vai_tro (ma)) WITH SYSTEM VERSIONING;
CREATE TABLE dang_nhap (luc TIMESTAMP(3) NOT NULL DEFAULT current_timestamp(3), tai_khoan INT, dia_chi VARBINARY(16), KEY (tai_khoan, luc));
"""
_AFTER_ROWS = """
CREATE VIEW con_mo AS SELECT ten_dang_nhap, ho_ten FROM tai_khoan WHERE trang_thai = 'mở';
CREATE TRIGGER dong_tai_khoan BEFORE UPDATE ON tai_khoan FOR EACH ROW SET NEW.dong_luc = if(NEW.trang_thai = 'đóng', coalesce(NEW.dong_luc, now()), NULL);
CREATE PROCEDURE quyen_cua (IN ai INT) READS SQL DATA SELECT vai_tro FROM phan_quyen WHERE tai_khoan = ai;
"""


def accounts(scale: int, seed: int = 14) -> Iterator[str]:
    """Yield the statements that fill an empty MariaDB database with ``scale`` accounts, for a client that speaks UTF-8."""
    yield _DEFINITIONS
    _, code, name = DISTRICT
    yield from inserts("don_vi", iter([(OLD_SCHEME, code, name, "2025-07-01")]))
    yield from inserts("don_vi", ((NEW_SCHEME, code, name, None) for code, name in NEW_COMMUNES))
    yield from inserts("vai_tro", iter(ROLES))
    columns = "id, ten_dang_nhap, ho_ten, giay_to, he_ma, ma, bam_mat_khau, trang_thai, quyen_rieng, dong_luc, tuy_chon"
    yield from inserts(f"tai_khoan ({columns})", (_account(number, h) for number, h in hashes("account", scale, seed)))
    grants = ((number, ROLES[h[0] % len(ROLES)][0]) for number, h in hashes("right", scale, seed))
    yield from inserts("phan_quyen (tai_khoan, vai_tro)", grants)
    yield "SET SESSION timestamp = 1751331600;\n"
    yield "DELETE p FROM phan_quyen p JOIN tai_khoan t ON t.id = p.tai_khoan WHERE t.trang_thai = 'đóng';\n"
    yield "SET SESSION timestamp = DEFAULT;\n"
    logins = (
        (f"2025-06-{1 + h[1] % 28:02d} {h[2] % 24:02d}:{h[3] % 60:02d}:00.{h[4]:03d}", 1 + number % scale, h[5:9])
        for number, h in hashes("login", scale, seed)
    )
    yield from inserts("dang_nhap", logins)
    yield _AFTER_ROWS


def _account(number: int, h: bytes) -> tuple[int | float | str | bytes | None, ...]:
    is_closed = h[0] < 90
    name = person(h, 1)
    scheme, code = (OLD_SCHEME, DISTRICT[1]) if is_closed else (NEW_SCHEME, NEW_COMMUNES[h[5] % len(NEW_COMMUNES)][0])
    return (
        number,
        f"{_login(name)}{number}",
        name,
        identity_number(h, 6),
        scheme,
        code,
        h,
        "đóng" if is_closed else "khóa" if h[11] < 20 else "mở",
        ("in", "in,xuất", "xuất,xóa", "")[h[12] % 4],
        CLOSED if is_closed else None,
        '{"ngôn ngữ": "vi", "cỡ chữ": 14}' if h[13] < 128 else None,
    )


def _login(name: str) -> str:
    """Return a name as an account's: the marks gone, the words together."""
    bare = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    return "".join(letter for letter in bare if letter.isascii() and letter.isalpha())
