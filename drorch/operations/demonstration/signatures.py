"""A synthetic register of the digital signatures of officials (sổ đăng ký chữ ký số) for PostgreSQL: what keeps signed papers verifiable.

Certificates, revocation lists as large objects and time stamps; no private key is in such a register, ever. The certificates are bytes
of the right length and certify nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from drorch.operations.demonstration.hashes import hashes, identity_number, person
from drorch.operations.demonstration.words import NEW_COMMUNES, decomposed

CERTIFICATE_HASHES = 30  # of 32 bytes: about the size of a certificate
REVOCATION_LISTS = 3
_DEFINITIONS = """
CREATE TYPE tinh_trang AS ENUM ('hiệu lực', 'thu hồi', 'hết hạn');
CREATE DOMAIN so_seri AS text CHECK (VALUE ~ '^[0-9A-F]{16}$');
CREATE TABLE chung_thu (seri so_seri PRIMARY KEY, chu_the text NOT NULL, giay_to text, xa text NOT NULL, hieu_luc tstzrange NOT NULL,
  tinh_trang tinh_trang NOT NULL DEFAULT 'hiệu lực', the_cung bytea NOT NULL, ly_do text CHECK (tinh_trang <> 'thu hồi' OR ly_do IS NOT NULL));
COMMENT ON TABLE chung_thu IS 'chứng thư số công vụ; khóa bí mật không bao giờ nằm ở đây';
CREATE TABLE danh_sach_thu_hoi (so integer PRIMARY KEY, ban_hanh timestamptz NOT NULL, noi_dung oid NOT NULL);
CREATE TABLE van_ban_ky (ky_luc timestamptz NOT NULL, so bigint GENERATED ALWAYS AS IDENTITY, seri so_seri NOT NULL REFERENCES chung_thu,
  so_hieu text NOT NULL, ma_bam bytea NOT NULL CHECK (length(ma_bam) = 32), dau_thoi_gian bytea) PARTITION BY RANGE (ky_luc);
CREATE TABLE van_ban_ky_truoc PARTITION OF van_ban_ky FOR VALUES FROM (MINVALUE) TO ('2025-07-01 00:00+07');
CREATE TABLE van_ban_ky_sau PARTITION OF van_ban_ky FOR VALUES FROM ('2025-07-01 00:00+07') TO (MAXVALUE);
"""
_AFTER_ROWS = """
CREATE INDEX van_ban_ky_seri ON van_ban_ky (seri, ky_luc);
CREATE INDEX chung_thu_hieu_luc ON chung_thu USING gist (hieu_luc);
CREATE MATERIALIZED VIEW theo_nam AS SELECT extract(year FROM ky_luc AT TIME ZONE 'Asia/Ho_Chi_Minh') AS nam, count(*) AS so_luong
  FROM van_ban_ky GROUP BY 1;
CREATE FUNCTION con_hieu_luc (s so_seri, luc timestamptz) RETURNS boolean STABLE LANGUAGE sql AS
  $$ SELECT hieu_luc @> luc AND tinh_trang <> 'thu hồi' FROM chung_thu WHERE seri = s $$;
CREATE RULE khong_xoa AS ON DELETE TO chung_thu DO INSTEAD NOTHING;
ANALYZE;
"""


def signature_register(scale: int, seed: int = 15) -> Iterator[str]:
    """Yield the script that fills an empty PostgreSQL database with ``scale`` certificates and three times as many signed papers."""
    yield _DEFINITIONS
    for number, h in hashes("revocation list", REVOCATION_LISTS, seed):
        yield f"INSERT INTO danh_sach_thu_hoi VALUES ({number}, '{2023 + number}-06-30 17:00+07', lo_from_bytea(0, '\\x{(h * 500).hex()}'));\n"
    serials = []
    for number, h in hashes("certificate", scale, seed):
        serials.append(f"{number:04X}{h[:6].hex().upper()}")
        yield f"INSERT INTO chung_thu VALUES ({_certificate(serials[-1], h)});\n"
    for number, h in hashes("signed paper", 3 * scale, seed):
        yield (
            "INSERT INTO van_ban_ky (ky_luc, seri, so_hieu, ma_bam, dau_thoi_gian) VALUES"
            f" ({_paper(number, h, serials[(number - 1) % scale])});\n"
        )
    yield _AFTER_ROWS


def _certificate(serial: str, h: bytes) -> str:
    name = person(h, 6).replace("'", "''")
    commune, from_year, is_revoked = NEW_COMMUNES[h[10] % len(NEW_COMMUNES)][0], 2020 + h[11] % 6, h[12] < 30
    state = "thu hồi" if is_revoked else "hết hạn" if from_year < 2022 else "hiệu lực"
    reason = f"'{decomposed('đơn vị giải thể 01/07/2025')}'" if is_revoked else "NULL"
    until = "infinity" if h[13] < 5 else f"{from_year + 3}-01-01 00:00:00+07"
    return (
        f"'{serial}', '{name}', '{identity_number(h, 14)}', '{commune}', '[{from_year}-01-01 00:00:00+07, {until})', '{state}',"
        f" '\\x{(h * CERTIFICATE_HASHES).hex()}', {reason}"
    )


def _paper(number: int, h: bytes, serial: str) -> str:
    moment = f"{2024 + h[0] % 2}-{1 + h[1] % 12:02d}-{1 + h[2] % 28:02d} {h[3] % 24:02d}:{h[4] % 60:02d}:{h[5] % 60:02d}.{h[6]:03d}+07"
    stamp = f"'\\x{(h * 8).hex()}'" if h[7] < 128 else "NULL"
    return f"'{moment}', '{serial}', '{number}/QĐ-UBND', '\\x{h.hex()}', {stamp}"
