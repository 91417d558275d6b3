"""A synthetic civil register (hộ tịch) of a province for MariaDB: what a web program of the twenty-tens kept, with what it had taken over.

Names with letters and marks apart, dates that are none, personal numbers of nine and twelve digits, TCVN3 bytes in a column that says
latin1, zero dates, one code for two places before and after 1 July 2025, and corrections with their history. Nobody in it exists.
"""

from __future__ import annotations

from collections.abc import Iterator

from drorch.operations.demonstration.hashes import date_as_written, hashes, identity_number, inserts, person
from drorch.operations.demonstration.words import NEW_COMMUNES, NEW_SCHEME, OLD_COMMUNES, OLD_SCHEME, tcvn3

_DEFINITIONS = """
SET NAMES utf8mb4;
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
SET SESSION timestamp = 1262568600;
CREATE TABLE don_vi (he_ma VARCHAR(8), ma CHAR(5), ten VARCHAR(100) NOT NULL, hieu_luc_tu DATE, hieu_luc_den DATE,
  PRIMARY KEY (he_ma, ma)) COMMENT = 'một mã có thể chỉ hai nơi khác nhau trước và sau 01/07/2025';
CREATE TABLE khai_sinh (id BIGINT AUTO_INCREMENT PRIMARY KEY, he_ma VARCHAR(8) NOT NULL, ma CHAR(5) NOT NULL, ho_ten VARCHAR(120) NOT NULL,
  ngay_sinh VARCHAR(20) COMMENT 'chép đúng sổ giấy', so_giay_to VARCHAR(12), ten_cu VARCHAR(120) CHARACTER SET latin1,
  ngay_nhap DATE NOT NULL DEFAULT '0000-00-00', can_nang FLOAT, anh_quet LONGBLOB, KEY (ho_ten), FOREIGN KEY (he_ma, ma) REFERENCES don_vi (he_ma, ma));
CREATE TABLE cai_chinh (khai_sinh BIGINT PRIMARY KEY, ho_ten VARCHAR(120) NOT NULL, quyet_dinh VARCHAR(40),
  FOREIGN KEY (khai_sinh) REFERENCES khai_sinh (id)) WITH SYSTEM VERSIONING;
CREATE TABLE nhat_ky (luc TIMESTAMP(6) NULL, viec VARCHAR(200));
CREATE SEQUENCE so_dang_ky START WITH 100001 INCREMENT BY 1 NOCYCLE;
"""
_AFTER_ROWS = """
SELECT NEXT VALUE FOR so_dang_ky;
CREATE VIEW theo_xa AS SELECT d.he_ma, d.ma, d.ten, count(k.id) AS so_luong FROM don_vi d LEFT JOIN khai_sinh k
  ON k.he_ma = d.he_ma AND k.ma = d.ma GROUP BY d.he_ma, d.ma, d.ten;
CREATE TRIGGER khai_sinh_moi AFTER INSERT ON khai_sinh FOR EACH ROW INSERT INTO nhat_ky VALUES (now(6), concat('khai sinh ', NEW.id));
CREATE FUNCTION so_ngay_den (ngay DATE) RETURNS INT DETERMINISTIC RETURN datediff(ngay, '1976-01-01');
CREATE PROCEDURE dem_xa (IN xa CHAR(5)) READS SQL DATA SELECT count(*) FROM khai_sinh WHERE ma = xa;
"""


def births_register(scale: int, seed: int = 67) -> Iterator[str]:
    """Yield the statements that fill an empty MariaDB database with ``scale`` births, for a client that speaks UTF-8."""
    yield _DEFINITIONS
    old = ((OLD_SCHEME, code, name, None, "2025-06-30") for code, name in OLD_COMMUNES)
    new = ((NEW_SCHEME, code, name, "2025-07-01", None) for code, name in NEW_COMMUNES)
    yield from inserts("don_vi", old)
    yield from inserts("don_vi", new)
    yield from inserts("khai_sinh", (_birth(number, h) for number, h in hashes("birth", scale, seed)))
    yield from _corrections()
    yield _AFTER_ROWS


def _birth(number: int, h: bytes) -> tuple[int | float | str | bytes | None, ...]:
    scheme, places = (NEW_SCHEME, NEW_COMMUNES) if h[0] < 60 else (OLD_SCHEME, OLD_COMMUNES)
    name = person(h, 1)
    return (
        number,
        scheme,
        places[h[5] % len(places)][0],
        name,
        date_as_written(h, 6, 1976, 49),
        identity_number(h, 10) if h[15] < 200 else None,
        tcvn3(person(h[:4] + b"\xff" + h[5:], 1).replace("’", "'")) if h[16] < 60 else None,
        "0000-00-00" if h[17] < 20 else f"{2010 + h[18] % 15}-{1 + h[19] % 12:02d}-{1 + h[20] % 28:02d}",
        round(2 + h[21] / 100, 2) if h[22] < 128 else None,
        h * 8 if h[23] < 10 else None,
    )


def _corrections() -> Iterator[str]:
    """Yield three states of the table with a history, a year apart."""
    yield "INSERT INTO cai_chinh SELECT id, ho_ten, NULL FROM khai_sinh WHERE id % 20 = 0;\n"
    yield "SET SESSION timestamp = 1625104800;\n"
    yield "UPDATE cai_chinh SET ho_ten = concat(ho_ten, ' Anh'), quyet_dinh = 'QĐ-12/2021' WHERE khai_sinh % 40 = 0;\n"
    yield "SET SESSION timestamp = 1751331600;\n"
    yield "DELETE FROM cai_chinh WHERE khai_sinh % 200 = 0;\n"
    yield "SET SESSION timestamp = DEFAULT;\n"
