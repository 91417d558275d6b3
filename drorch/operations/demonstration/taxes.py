"""Synthetic tax codes and budget-relation codes (mã số thuế, mã QHNS) for a PostgreSQL database that says SQL_ASCII.

The old program's clients wrote TCVN3 and a later one's UTF-8: both lie in the same column. Nobody in it exists.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from drorch.operations.demonstration.hashes import hashes, identity_number, inserts, person
from drorch.operations.demonstration.words import NEW_COMMUNES, NEW_SCHEME, OLD_COMMUNES, OLD_SCHEME, decomposed, tcvn3

CREATE = "CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;\n"
_DEFINITIONS = """
CREATE TABLE don_vi_qhns (ma_qhns char(7) PRIMARY KEY, he_ma text NOT NULL, ma_xa text NOT NULL, ten text NOT NULL);
COMMENT ON TABLE don_vi_qhns IS 'mã quan hệ ngân sách trước và sau 01/07/2025';
CREATE TABLE ke_thua (ma_cu char(7) REFERENCES don_vi_qhns, ma_moi char(7) REFERENCES don_vi_qhns, PRIMARY KEY (ma_cu, ma_moi));
CREATE TABLE nguoi_nop_thue (mst text PRIMARY KEY CHECK (mst ~ '^[0-9]{10}(-[0-9]{3})?$'), ten text NOT NULL, so_giay_to text, ghi_chu text, ngay_cap text);
CREATE TABLE tam (mst text, ten bytea, ghi_chu text, so_giay_to text, ngay_cap text);
"""
_AFTER_ROWS = """
INSERT INTO nguoi_nop_thue SELECT mst, convert_from(ten, 'SQL_ASCII'), so_giay_to, ghi_chu, ngay_cap FROM tam;
DROP TABLE tam;
CREATE INDEX nguoi_nop_thue_ten ON nguoi_nop_thue (ten);
CREATE VIEW chua_co_dinh_danh AS SELECT mst, ten FROM nguoi_nop_thue WHERE length(so_giay_to) = 9;
ANALYZE;
"""


def tax_codes(scale: int, seed: int = 68) -> Iterator[str]:
    """Yield the script that fills an empty database with ``scale`` taxpayers."""
    yield _DEFINITIONS
    old = [(f"1{at:06d}", OLD_SCHEME, code, name) for at, (code, name) in enumerate(OLD_COMMUNES)]
    new = [(f"3{at:06d}", NEW_SCHEME, code, name) for at, (code, name) in enumerate(NEW_COMMUNES)]
    yield from inserts("don_vi_qhns", iter([*old, *new]))
    heirs = {code: number for number, _, code, _ in new}
    yield from inserts("ke_thua", ((number, heirs.get(code, new[0][0])) for number, _, code, _ in old))
    for number, h in hashes("taxpayer", scale, seed):
        name = person(h, 0).replace("’", "'")
        raw = tcvn3(_composed(name)) if h[4] < 90 else name.encode()
        branch = f"-{h[5] % 9:03d}" if h[6] < 30 else ""
        note = f"'{decomposed('chuyển từ huyện')}'" if h[7] < 20 else "NULL"
        issued = "'00/00/1999'" if h[8] < 9 else f"'{1 + h[9] % 28:02d}/{1 + h[10] % 12:02d}/{1999 + h[11] % 26}'"
        yield (
            f"INSERT INTO tam VALUES ('58{number:08d}{branch}', '\\x{raw.hex()}', {note}, '{identity_number(h, 12)}', {issued});\n"
        )
    yield _AFTER_ROWS


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
