"""Firebird without a server: Debian's engine inside isql-fb and gbak, and a judge of two databases that imports no drorch."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SYSTEM = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
LONGEST_SECONDS = 60
TCVN3 = (
    b"K\xd5 to\xb8n, t\xb5i s\xb6n c\xab \xae\xb3nh"  # as accountants typed it in the nineties: no UTF-8, no charset
)

# The ledger of a finance office: what twenty years leave in a file.
LEDGER = (
    b"""
CREATE DOMAIN MONEY AS NUMERIC(18, 2) DEFAULT 0 NOT NULL CHECK (VALUE >= -1000000000000);
CREATE EXCEPTION CLOSED 'the year is closed';
CREATE SEQUENCE VOUCHER_NO;
CREATE TABLE UNIT (CODE VARCHAR(6) NOT NULL PRIMARY KEY, NAME VARCHAR(200) CHARACTER SET NONE, NAME_NOW VARCHAR(200) CHARACTER SET UTF8);
CREATE TABLE ACCOUNT (CODE VARCHAR(10) NOT NULL PRIMARY KEY, NAME VARCHAR(200) CHARACTER SET UTF8, PARENT VARCHAR(10) REFERENCES ACCOUNT);
CREATE TABLE VOUCHER (
  ID BIGINT NOT NULL PRIMARY KEY, UNIT VARCHAR(6) NOT NULL REFERENCES UNIT, BOOKED VARCHAR(10), DEBIT VARCHAR(10) REFERENCES ACCOUNT,
  CREDIT VARCHAR(10) REFERENCES ACCOUNT, AMOUNT MONEY, HALF COMPUTED BY (AMOUNT / 2), RATE DOUBLE PRECISION, TAKEN TIMESTAMP,
  NOTE BLOB SUB_TYPE TEXT CHARACTER SET UTF8, SCAN BLOB SUB_TYPE 0, CITIZEN CHAR(12) CHARACTER SET OCTETS);
CREATE TABLE NOTHING (A INTEGER);
CREATE DESCENDING INDEX VOUCHER_BOOKED ON VOUCHER (BOOKED);
CREATE VIEW BY_UNIT (CODE, VOUCHERS) AS SELECT U.CODE, COUNT(V.ID) FROM UNIT U LEFT JOIN VOUCHER V ON V.UNIT = U.CODE GROUP BY 1;
COMMENT ON TABLE VOUCHER IS 'since 1998';
SET TERM ^;
CREATE TRIGGER VOUCHER_NEW FOR VOUCHER BEFORE INSERT AS BEGIN IF (NEW.ID IS NULL) THEN NEW.ID = NEXT VALUE FOR VOUCHER_NO; END^
CREATE PROCEDURE FILL (HOW_MANY INTEGER) AS DECLARE I INTEGER = 0;
BEGIN
  WHILE (I < HOW_MANY) DO BEGIN
    INSERT INTO VOUCHER (UNIT, BOOKED, DEBIT, CREDIT, AMOUNT, RATE, TAKEN, NOTE, SCAN, CITIZEN) VALUES (
      CASE MOD(:I, 3) WHEN 0 THEN '00678' WHEN 1 THEN '00676' ELSE '00595' END,
      CASE MOD(:I, 50) WHEN 7 THEN '31/02/2003' ELSE '15/01/2004' END, '1111', '2111', :I * 1.25, 1e0 / (:I + 3),
      DATEADD(:I SECOND TO TIMESTAMP '2003-12-31 23:59:00'), 'ch\xe1\xbb\xa9ng t\xe1\xbb\xab s\xe1\xbb\x91 ' || :I,
      CASE MOD(:I, 4) WHEN 0 THEN NULL ELSE x'00ff0d0a1a' END, x'303030300031303132330000');
    I = I + 1;
  END
END^
SET TERM ;^
COMMIT;
INSERT INTO UNIT VALUES ('00678', '%s', '\xc4\x90\xe1\xbb\xa9c Tr\xe1\xbb\x8dng');
INSERT INTO UNIT VALUES ('00676', NULL, '');
INSERT INTO UNIT VALUES ('00595', '', NULL);
INSERT INTO ACCOUNT VALUES ('111', 'Ti\xe1\xbb\x81n m\xe1\xba\xb7t', NULL);
INSERT INTO ACCOUNT VALUES ('1111', 'Vi\xe1\xbb\x87t Nam', '111');
INSERT INTO ACCOUNT VALUES ('2111', 'Nh\xc3\xa0 c\xe1\xbb\xada', NULL);
EXECUTE PROCEDURE FILL(600);
COMMIT;
"""
    % TCVN3
)


@dataclass(frozen=True, kw_only=True)
class Firebird:
    """``folder`` holds the engine's locks; it is the test's own, whoever else runs Firebird on this machine."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**SYSTEM, "FIREBIRD_LOCK": str(self.folder), "FIREBIRD_TMP": str(self.folder)}

    def isql(self, database: Path | None, script: bytes, *words: str) -> bytes:
        """Run a script, character set NONE: bytes go in and come out as they are."""
        file = [] if database is None else [str(database)]
        told = subprocess.run(
            ["isql-fb", "-quiet", "-bail", "-merge", "-charset", "NONE", *words, *file],
            input=script,
            capture_output=True,
            env=self.environment,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert told.returncode == 0, (told.stdout, told.stderr)
        return told.stdout

    def make(self, database: Path, script: bytes = LEDGER) -> None:
        created = b"CREATE DATABASE '%s' PAGE_SIZE 8192 DEFAULT CHARACTER SET NONE;\n" % str(database).encode()
        self.isql(None, created + script)

    def tables(self, database: Path) -> list[str]:
        found = self.isql(
            database,
            b"SET HEADING OFF; SELECT RDB$RELATION_NAME FROM RDB$RELATIONS WHERE RDB$SYSTEM_FLAG = 0"
            b" AND RDB$VIEW_BLR IS NULL ORDER BY 1;",
        )
        return found.decode().split()

    def rows(self, database: Path, table: str) -> list[bytes]:
        """Return every row of a table, each value on a line of its own and blobs as hexadecimal digits, sorted."""
        columns = self.isql(
            database,
            b"SET HEADING OFF; SELECT IIF(F.RDB$FIELD_TYPE = 261, 'CAST(' || TRIM(R.RDB$FIELD_NAME) ||"
            b" ' AS VARCHAR(8000) CHARACTER SET OCTETS)', TRIM(R.RDB$FIELD_NAME)) FROM RDB$RELATION_FIELDS R"
            b" JOIN RDB$FIELDS F ON F.RDB$FIELD_NAME = R.RDB$FIELD_SOURCE WHERE R.RDB$RELATION_NAME = '%s'"
            b" ORDER BY R.RDB$FIELD_POSITION;" % table.encode(),
        ).strip()
        chosen = b", ".join(line.strip() for line in columns.splitlines() if line.strip())
        told = self.isql(database, b"SET LIST ON; SELECT %s FROM %s;" % (chosen, table.encode()))
        return sorted(row.strip(b"\n") for row in told.split(b"\n\n") if row.strip())

    def definitions(self, database: Path) -> bytes:
        """Return everything that is no row, as isql tells it; without the name of the file and the state of sequences."""
        return re.sub(rb"CREATE DATABASE '[^']*'", b"CREATE DATABASE", self.isql(database, b"", "-x"))

    def sequences(self, database: Path) -> bytes:
        return self.isql(database, b"SELECT GEN_ID(VOUCHER_NO, 0) FROM RDB$DATABASE;")

    def differences(self, one: Path, other: Path) -> list[str]:
        """Return what differs between two databases; nothing when one came back as the other was."""
        found = []
        if self.definitions(one) != self.definitions(other):
            found.append("definitions")
        if self.sequences(one) != self.sequences(other):
            found.append("sequences")
        tables = sorted({*self.tables(one), *self.tables(other)})
        assert len(tables) >= 4, tables
        common = set(self.tables(one)) & set(self.tables(other))
        found += [table for table in tables if table not in common or self.rows(one, table) != self.rows(other, table)]
        return found
