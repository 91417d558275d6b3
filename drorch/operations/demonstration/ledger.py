"""A synthetic ledger (kế toán) of a finance office for Firebird, as a desktop program of 1998 left it: a script for isql-fb.

Half of the texts are TCVN3 bytes in columns of character set NONE, half UTF-8. Nothing in it was ever paid.
"""

from __future__ import annotations

from drorch.operations.demonstration.hashes import hashes
from drorch.operations.demonstration.words import IMPOSSIBLE_DATES, OLD_COMMUNES, tcvn3

ACCOUNTS = (("111", "Tiền mặt"), ("1111", "Tiền Việt Nam"), ("2111", "Nhà cửa"), ("461", "Nguồn kinh phí"))
_DEFINITIONS = """
CREATE DOMAIN SO_TIEN AS NUMERIC(18, 2) DEFAULT 0 NOT NULL CHECK (VALUE >= 0);
CREATE SEQUENCE SO_CHUNG_TU;
CREATE TABLE DON_VI (MA VARCHAR(6) NOT NULL PRIMARY KEY, TEN VARCHAR(200) CHARACTER SET NONE, TEN_MOI VARCHAR(200) CHARACTER SET UTF8);
CREATE TABLE TAI_KHOAN (SO VARCHAR(10) NOT NULL PRIMARY KEY, TEN VARCHAR(200) CHARACTER SET UTF8);
CREATE TABLE CHUNG_TU (ID BIGINT NOT NULL PRIMARY KEY, DON_VI VARCHAR(6) NOT NULL REFERENCES DON_VI, NGAY VARCHAR(20) CHARACTER SET NONE,
  NO_TK VARCHAR(10) REFERENCES TAI_KHOAN, CO_TK VARCHAR(10) REFERENCES TAI_KHOAN, TIEN SO_TIEN, TY_GIA DOUBLE PRECISION,
  DIEN_GIAI BLOB SUB_TYPE TEXT CHARACTER SET UTF8, ANH BLOB SUB_TYPE 0);
CREATE TABLE TRONG_RONG (A INTEGER);
CREATE DESCENDING INDEX CHUNG_TU_NGAY ON CHUNG_TU (NGAY);
CREATE VIEW THEO_DON_VI (MA, SO_LUONG) AS SELECT D.MA, COUNT(C.ID) FROM DON_VI D LEFT JOIN CHUNG_TU C ON C.DON_VI = D.MA GROUP BY 1;
SET TERM ^;
CREATE TRIGGER CHUNG_TU_MOI FOR CHUNG_TU BEFORE INSERT AS BEGIN IF (NEW.ID IS NULL) THEN NEW.ID = NEXT VALUE FOR SO_CHUNG_TU; END^
SET TERM ;^
COMMIT;
"""


def ledger(scale: int, seed: int = 98) -> bytes:
    """Return the script that fills an empty database with ``scale`` vouchers; it is sent in character set NONE."""
    units = [
        b"INSERT INTO DON_VI VALUES ('%s', '%s', '%s');" % (code.encode(), tcvn3(name), name.encode())
        for code, name in OLD_COMMUNES
    ]
    accounts = [f"INSERT INTO TAI_KHOAN VALUES ('{number}', '{name}');".encode() for number, name in ACCOUNTS]
    vouchers = [_voucher(number, h) for number, h in hashes("voucher", scale, seed)]
    return b"\n".join([_DEFINITIONS.encode(), *units, *accounts, *vouchers, b"COMMIT;", b""])


def _voucher(number: int, h: bytes) -> bytes:
    date = IMPOSSIBLE_DATES[0] if h[0] < 10 else f"{1 + h[1] % 28:02d}/{1 + h[2] % 12:02d}/{1998 + h[3] % 20}"
    debit, credit = ACCOUNTS[h[4] % len(ACCOUNTS)][0], ACCOUNTS[h[5] % len(ACCOUNTS)][0]
    scan = f"x'{h.hex()}'" if h[6] < 20 else "NULL"
    text = f"'chi theo chứng từ số {number}'" if h[7] < 200 else "NULL"
    return (
        f"INSERT INTO CHUNG_TU VALUES (NULL, '{OLD_COMMUNES[h[8] % len(OLD_COMMUNES)][0]}', '{date}', '{debit}', '{credit}', "
        f"{int.from_bytes(h[9:12])}.{h[12] % 100:02d}, {1 + h[13] / 7!r}, {text}, {scan});"
    ).encode()
