"""A synthetic land register of huyện Đức Trọng for PostgreSQL 11 and later: what the demonstration backs up.

The rows are made inside the server, each from the SHA-256 of the seed and its number: the same arguments give the same
database on any version. Every yielded string is one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drorch.operations.demonstration.words import (
    DISTRICT,
    FAMILY_NAMES,
    GIVEN_NAMES,
    IMPOSSIBLE_DATES,
    LAND_USES,
    MIDDLE_NAMES_FEMALE,
    MIDDLE_NAMES_MALE,
    NEW_COMMUNES,
    NEW_SCHEME,
    OLD_COMMUNES,
    OLD_SCHEME,
    decomposed,
)

PARCELS = 200_000
ROLES = ("ldg_quan_tri", "ldg_can_bo_xa", "ldg_tra_cuu")

_DEFINITIONS = """
CREATE SCHEMA dia_chinh AUTHORIZATION ldg_quan_tri;
COMMENT ON SCHEMA dia_chinh IS 'Cơ sở dữ liệu địa chính huyện Đức Trọng (cũ), mã 678';
CREATE TYPE dia_chinh.loai_bien_dong AS ENUM ('chuyển nhượng', 'thừa kế', 'tặng cho', 'tách thửa', 'hợp thửa', 'thế chấp');
CREATE DOMAIN dia_chinh.so_giay_to AS text CHECK (VALUE ~ '^([0-9]{9}|[0-9]{12})$');
COMMENT ON DOMAIN dia_chinh.so_giay_to IS 'CMND 9 số hoặc CCCD 12 số';
CREATE TABLE dia_chinh.don_vi (
    he_ma text, ma text, ten text NOT NULL, cap text NOT NULL, he_ma_cha text, ma_cha text,
    hieu_luc_tu date, hieu_luc_den date, PRIMARY KEY (he_ma, ma),
    FOREIGN KEY (he_ma_cha, ma_cha) REFERENCES dia_chinh.don_vi (he_ma, ma));
COMMENT ON TABLE dia_chinh.don_vi IS 'Đơn vị hành chính: một mã có thể chỉ hai nơi khác nhau trước và sau 01/07/2025';
CREATE TABLE dia_chinh.ke_thua (
    he_ma_cu text, ma_cu text, he_ma_moi text, ma_moi text, cach text NOT NULL DEFAULT 'nhập toàn bộ',
    PRIMARY KEY (he_ma_cu, ma_cu, he_ma_moi, ma_moi),
    FOREIGN KEY (he_ma_cu, ma_cu) REFERENCES dia_chinh.don_vi, FOREIGN KEY (he_ma_moi, ma_moi) REFERENCES dia_chinh.don_vi);
CREATE TABLE dia_chinh.loai_dat (ma text PRIMARY KEY, ten text NOT NULL);
CREATE TABLE dia_chinh.can_bo (id serial PRIMARY KEY, ho_ten text NOT NULL, don_vi text, dang_lam_viec boolean NOT NULL DEFAULT true);
CREATE TABLE dia_chinh.to_ban_do (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ma_xa text NOT NULL, so_to integer NOT NULL, ty_le integer NOT NULL,
    kinh_tuyen_truc text NOT NULL DEFAULT '107°45''', mui_chieu integer NOT NULL DEFAULT 3, UNIQUE (ma_xa, so_to));
COMMENT ON COLUMN dia_chinh.to_ban_do.kinh_tuyen_truc IS 'VN-2000: kinh tuyến trục của tỉnh Lâm Đồng trước sáp nhập';
CREATE TABLE dia_chinh.chu_su_dung (
    id bigint PRIMARY KEY, ho_ten text NOT NULL, gioi_tinh char(3), ngay_sinh text, loai_giay_to text NOT NULL,
    so_giay_to dia_chinh.so_giay_to, dia_chi text, ghi_chu text);
COMMENT ON COLUMN dia_chinh.chu_su_dung.ngay_sinh IS 'chép đúng sổ giấy: có ngày không tồn tại, ví dụ 00/00/1975';
CREATE TABLE dia_chinh.thua_dat (
    id bigserial PRIMARY KEY, to_ban_do integer NOT NULL, so_thua integer NOT NULL, ma_xa text NOT NULL, loai_dat text NOT NULL,
    dien_tich numeric(12,2) NOT NULL, x_vn2000 numeric(12,3) NOT NULL, y_vn2000 numeric(12,3) NOT NULL, ranh text NOT NULL,
    do_doc real, ghi_chu text, cap_nhat timestamptz NOT NULL);
CREATE TABLE dia_chinh.giay_chung_nhan (
    so_phat_hanh text PRIMARY KEY, thua_dat bigint NOT NULL, ngay_cap date, nguoi_ky integer, thong_tin jsonb, ma_vach bytea);
CREATE TABLE dia_chinh.quyen_su_dung (
    thua_dat bigint, chu_su_dung bigint, ty_le double precision NOT NULL DEFAULT 1, thoi_han daterange, PRIMARY KEY (thua_dat, chu_su_dung));
CREATE TABLE dia_chinh.bien_dong (
    id bigint NOT NULL, thua_dat bigint NOT NULL, loai dia_chinh.loai_bien_dong NOT NULL, ngay date NOT NULL, so_ho_so text,
    noi_dung text, PRIMARY KEY (id, ngay)) PARTITION BY RANGE (ngay);
CREATE TABLE dia_chinh.bien_dong_truoc_2015 PARTITION OF dia_chinh.bien_dong FOR VALUES FROM (MINVALUE) TO ('2015-01-01');
CREATE TABLE dia_chinh.bien_dong_tu_2015 PARTITION OF dia_chinh.bien_dong FOR VALUES FROM ('2015-01-01') TO (MAXVALUE);
CREATE TABLE dia_chinh.tai_san (id bigint PRIMARY KEY, thua_dat bigint NOT NULL, ten text NOT NULL, dien_tich_xay_dung numeric(10,2), nam integer);
CREATE TABLE dia_chinh.nhat_ky (id bigserial PRIMARY KEY, bang text, khoa text, viec text, luc timestamptz);
CREATE TABLE dia_chinh."Sổ ""mục kê"" cũ (1996)" (trang integer, dong integer, "Tên chủ" text, "Diện tích (m²)" text, UNIQUE (trang, dong));
CREATE SEQUENCE dia_chinh.so_ho_so START 100001 INCREMENT 1;
"""

_AFTER_ROWS = """
ALTER TABLE dia_chinh.thua_dat ADD FOREIGN KEY (to_ban_do) REFERENCES dia_chinh.to_ban_do;
ALTER TABLE dia_chinh.thua_dat ADD FOREIGN KEY (loai_dat) REFERENCES dia_chinh.loai_dat;
ALTER TABLE dia_chinh.thua_dat ADD CONSTRAINT dien_tich_duong CHECK (dien_tich > 0);
ALTER TABLE dia_chinh.giay_chung_nhan ADD FOREIGN KEY (thua_dat) REFERENCES dia_chinh.thua_dat;
ALTER TABLE dia_chinh.giay_chung_nhan ADD FOREIGN KEY (nguoi_ky) REFERENCES dia_chinh.can_bo;
ALTER TABLE dia_chinh.quyen_su_dung ADD FOREIGN KEY (thua_dat) REFERENCES dia_chinh.thua_dat;
ALTER TABLE dia_chinh.quyen_su_dung ADD FOREIGN KEY (chu_su_dung) REFERENCES dia_chinh.chu_su_dung;
ALTER TABLE dia_chinh.tai_san ADD FOREIGN KEY (thua_dat) REFERENCES dia_chinh.thua_dat;
CREATE UNIQUE INDEX thua_dat_vi_tri ON dia_chinh.thua_dat (to_ban_do, so_thua);
CREATE INDEX chu_su_dung_ten ON dia_chinh.chu_su_dung (lower(ho_ten));
CREATE INDEX chu_su_dung_cmnd ON dia_chinh.chu_su_dung (so_giay_to) WHERE loai_giay_to = 'CMND';
CREATE INDEX bien_dong_thua ON dia_chinh.bien_dong (thua_dat, ngay DESC);
CREATE VIEW dia_chinh.thua_dat_hien_hanh AS
    SELECT t.id, t.ma_xa, d.ten AS xa, b.so_to, t.so_thua, l.ten AS loai_dat, t.dien_tich, g.so_phat_hanh, c.ho_ten
    FROM dia_chinh.thua_dat t JOIN dia_chinh.to_ban_do b ON b.id = t.to_ban_do JOIN dia_chinh.loai_dat l ON l.ma = t.loai_dat
    JOIN dia_chinh.don_vi d ON d.he_ma = 'gso2024' AND d.ma = t.ma_xa LEFT JOIN dia_chinh.giay_chung_nhan g ON g.thua_dat = t.id
    LEFT JOIN dia_chinh.quyen_su_dung q ON q.thua_dat = t.id LEFT JOIN dia_chinh.chu_su_dung c ON c.id = q.chu_su_dung;
CREATE MATERIALIZED VIEW dia_chinh.thong_ke_xa AS
    SELECT ma_xa, loai_dat, count(*) AS so_thua, sum(dien_tich) AS dien_tich FROM dia_chinh.thua_dat GROUP BY ma_xa, loai_dat;
CREATE FUNCTION dia_chinh.ghi_nhat_ky() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO dia_chinh.nhat_ky (bang, khoa, viec, luc) VALUES (TG_TABLE_NAME, NEW.id::text, lower(TG_OP), NEW.cap_nhat); RETURN NEW; END';
CREATE TRIGGER ghi_nhat_ky AFTER INSERT ON dia_chinh.thua_dat FOR EACH ROW EXECUTE PROCEDURE dia_chinh.ghi_nhat_ky();
GRANT USAGE ON SCHEMA dia_chinh TO ldg_can_bo_xa, ldg_tra_cuu;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA dia_chinh TO ldg_can_bo_xa;
GRANT SELECT ON dia_chinh.thua_dat_hien_hanh, dia_chinh.don_vi, dia_chinh.loai_dat TO ldg_tra_cuu;
GRANT SELECT (id, ho_ten) ON dia_chinh.chu_su_dung TO ldg_tra_cuu;
ALTER DEFAULT PRIVILEGES FOR ROLE ldg_quan_tri IN SCHEMA dia_chinh GRANT SELECT ON TABLES TO ldg_can_bo_xa;
ALTER TABLE dia_chinh.thua_dat OWNER TO ldg_quan_tri;
ALTER TABLE dia_chinh.giay_chung_nhan OWNER TO ldg_quan_tri;
"""


def _array(words: Sequence[str]) -> str:
    quoted = ",".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"(ARRAY[{quoted}])"


def _pick(words: Sequence[str], byte: int) -> str:
    """Return SQL for one of ``words``, chosen by that byte of the row's hash ``h``."""
    return f"{_array(words)}[1 + get_byte(h, {byte}) % {len(words)}]"


def _number(byte: int) -> str:
    """Return SQL for a number from 0 to 16,777,215 out of three bytes of the row's hash."""
    return f"(get_byte(h, {byte}) * 65536 + get_byte(h, {byte + 1}) * 256 + get_byte(h, {byte + 2}))"


def _numbered(table: str, count: int, seed: int) -> str:
    """Return the FROM clause that numbers rows ``i`` and gives each its hash ``h`` (OFFSET 0: computed once a row)."""
    return f"FROM generate_series(1, {count}) i, LATERAL (SELECT sha256(convert_to('{seed}/{table}/' || i, 'UTF8')) AS h OFFSET 0) hashed"


def _statements(script: str) -> Iterator[str]:
    yield from (statement for statement in script.strip().removesuffix(";").split(";\n") if statement)


def land_register_sql(scale: int = PARCELS, seed: int = 678) -> Iterator[str]:
    """Yield the statements that fill an empty database with ``scale`` parcels and what belongs to them.

    To be run by a superuser, one by one, the client's encoding being UTF-8. Roles of the demonstration that exist stay as they are.
    """
    for role in ROLES:
        missing = f"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
        yield f"DO $$ BEGIN IF {missing} THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
    yield from _statements(_DEFINITIONS)
    yield from _small_tables()
    yield from _large_tables(scale, seed)
    yield from _statements(_AFTER_ROWS)
    yield "SELECT setval('dia_chinh.so_ho_so', 184512)"
    yield "SELECT lo_from_bytea(67801, convert_to(repeat('Bản quét sổ địa chính tờ 45 ', 4000), 'UTF8'))"
    yield "SELECT lo_from_bytea(67802, '\\x255044462d312e340a')"
    yield "ANALYZE"


def _small_tables() -> Iterator[str]:
    scheme, code, name = DISTRICT
    old = ", ".join(
        f"('{OLD_SCHEME}', '{each}', '{ten}', 'xã', '{scheme}', '{code}', NULL, '2025-06-30')"
        for each, ten in OLD_COMMUNES
    )
    new = ", ".join(
        f"('{NEW_SCHEME}', '{each}', '{ten}', 'xã', '{NEW_SCHEME}', '68', '2025-07-01', NULL)"
        for each, ten in NEW_COMMUNES
    )
    yield (
        "INSERT INTO dia_chinh.don_vi VALUES "
        f"('{OLD_SCHEME}', '68', 'Tỉnh Lâm Đồng', 'tỉnh', NULL, NULL, NULL, '2025-06-30'), "
        f"('{NEW_SCHEME}', '68', 'Tỉnh Lâm Đồng', 'tỉnh', NULL, NULL, '2025-07-01', NULL), "
        f"('{scheme}', '{code}', '{name}', 'huyện', '{OLD_SCHEME}', '68', NULL, '2025-06-30'), {old}, {new}"
    )
    heirs = {"24982": "24958", "24970": "24871"}
    edges = ", ".join(
        f"('{OLD_SCHEME}', '{each}', '{NEW_SCHEME}', '{heirs.get(each, each)}')" for each, _ in OLD_COMMUNES
    )
    yield f"INSERT INTO dia_chinh.ke_thua VALUES {edges}"
    yield "INSERT INTO dia_chinh.loai_dat VALUES " + ", ".join(f"('{ma}', '{ten}')" for ma, ten in LAND_USES)
    yield (
        "INSERT INTO dia_chinh.to_ban_do (ma_xa, so_to, ty_le) "
        f"SELECT {_array([ma for ma, _ in OLD_COMMUNES])}[1 + i % {len(OLD_COMMUNES)}], 1 + i / {len(OLD_COMMUNES)}, "
        "(ARRAY[500, 1000, 2000])[1 + i % 3] FROM generate_series(0, 399) i"
    )
    yield (
        'INSERT INTO dia_chinh."Sổ ""mục kê"" cũ (1996)" SELECT i / 20, i % 20, '
        f"CASE i % 4 WHEN 0 THEN '{decomposed('Trần Thị Hồng')} ' || i ELSE 'Trần Thị Hồng ' || i END, "
        "CASE i % 9 WHEN 0 THEN 'khoảng 2 sào' ELSE (i * 7 % 4000) || ',5' END FROM generate_series(0, 1999) i"
    )


def _large_tables(scale: int, seed: int) -> Iterator[str]:
    male = f"{_pick(FAMILY_NAMES, 0)} || ' ' || {_pick(MIDDLE_NAMES_MALE, 1)} || ' ' || {_pick(GIVEN_NAMES, 2)}"
    female = f"{_pick(FAMILY_NAMES, 0)} || ' ' || {_pick(MIDDLE_NAMES_FEMALE, 1)} || ' ' || {_pick(GIVEN_NAMES, 2)}"
    name = f"CASE get_byte(h, 3) & 1 WHEN 0 THEN {male} ELSE {female} END"
    commune = f"{_pick([ten for _, ten in OLD_COMMUNES], 9)}"
    yield f"INSERT INTO dia_chinh.can_bo (ho_ten, don_vi, dang_lam_viec) SELECT {name}, {commune}, i % 5 > 0 {_numbered('official', 120, seed)}"
    owners, certificates, changes = max(scale * 3 // 5, 1), scale * 4 // 5, scale // 2
    yield (
        "INSERT INTO dia_chinh.chu_su_dung "
        f"SELECT i, {name}, CASE get_byte(h, 3) & 1 WHEN 0 THEN 'Nam' ELSE 'Nữ' END, "
        f"CASE WHEN get_byte(h, 4) < 12 THEN {_pick(IMPOSSIBLE_DATES, 5)} ELSE to_char(date '1930-01-01' + {_number(5)} % 27000, 'DD/MM/YYYY') END, "
        "CASE WHEN get_byte(h, 8) < 100 THEN 'CMND' ELSE 'CCCD' END, "
        f"CASE WHEN get_byte(h, 8) < 100 THEN '25' || lpad(({_number(10)} % 10000000)::text, 7, '0') "
        f"ELSE '068' || lpad(({_number(10)}::bigint * 97 + i)::text, 9, '0') END, "
        f"'Thôn ' || 1 + get_byte(h, 13) % 20 || ', ' || {commune} || ', huyện Đức Trọng, Lâm Đồng', "
        f"CASE WHEN get_byte(h, 14) < 8 THEN '{decomposed('bổ sung theo sổ cũ')}' END {_numbered('owner', owners, seed)}"
    )
    yield _parcels(scale, seed)
    yield (
        "INSERT INTO dia_chinh.giay_chung_nhan "
        f"SELECT 'CS' || lpad(i::text, 8, '0'), i, CASE WHEN get_byte(h, 0) > 3 THEN date '1993-10-15' + {_number(1)} % 11000 END, 1 + get_byte(h, 4) % 120, "
        "jsonb_build_object('vào sổ', 'CH' || get_byte(h, 5) * 37, 'nợ tiền', get_byte(h, 6) < 20, 'hệ số', get_byte(h, 7) / 10.0), "
        f"CASE WHEN get_byte(h, 8) < 32 THEN h END {_numbered('certificate', certificates, seed)}"
    )
    yield (
        "INSERT INTO dia_chinh.quyen_su_dung SELECT i, owner, CASE WHEN get_byte(h, 3) < 40 THEN 1 / 3.0 ELSE 1 END, "
        "CASE WHEN get_byte(h, 4) < 90 THEN daterange(date '1993-10-15' + get_byte(h, 5), date '2043-10-15' + get_byte(h, 5)) END "
        f"FROM (SELECT i, h, 1 + {_number(0)} % {owners} AS owner {_numbered('right', scale, seed)}) rights"
    )
    yield (
        f"INSERT INTO dia_chinh.bien_dong SELECT i, 1 + {_number(0)} % {max(scale, 1)}, "
        "(enum_range(NULL::dia_chinh.loai_bien_dong))[1 + get_byte(h, 3) % 6], "
        f"date '2003-01-02' + {_number(4)} % 8200, 'HS-' || i, CASE WHEN get_byte(h, 7) < 128 THEN 'Từ ' || {male} || E'\\nsang tên theo hợp đồng số ' || i END "
        f"{_numbered('change', changes, seed)}"
    )
    yield (
        f"INSERT INTO dia_chinh.tai_san SELECT i, 1 + {_number(0)} % {max(scale, 1)}, (ARRAY['Nhà ở', 'Nhà kho', 'Nhà kính trồng hoa'])[1 + get_byte(h, 3) % 3], "
        f"20 + get_byte(h, 4) * 1.25, 1980 + get_byte(h, 5) % 45 {_numbered('building', scale // 4, seed)}"
    )


def _parcels(scale: int, seed: int) -> str:
    """Return the statement that makes the parcels; coordinates are computed as centimetres, because numeric is slow."""
    x, y = f"(129000000 + {_number(0)} % 3000000)", f"(54500000 + {_number(3)} % 4000000)"
    corners = " || ',' || ".join(
        f"({x} + {dx} + get_byte(h, {12 + k}) * 6) / 100::float8 || ' ' || ({y} + {dy} + get_byte(h, {16 + k}) * 6) / 100::float8"
        for k, (dx, dy) in enumerate(((0, 0), (0, 3500), (4000, 3500), (4000, 0)))
    )
    return (
        "INSERT INTO dia_chinh.thua_dat (to_ban_do, so_thua, ma_xa, loai_dat, dien_tich, x_vn2000, y_vn2000, ranh, do_doc, ghi_chu, cap_nhat) "
        f"SELECT 1 + i % 400, 1 + i / 400, {_array([ma for ma, _ in OLD_COMMUNES])}[1 + i % 400 % {len(OLD_COMMUNES)}], "
        f"{_pick([ma for ma, _ in LAND_USES], 6)}, 20 + {_number(7)} % 900000 / 100::float8, {x} / 100::float8, {y} / 100::float8, "
        f"'POLYGON((' || {corners} || '))', CASE WHEN get_byte(h, 20) < 64 THEN get_byte(h, 21) / 7.0 END, "
        "CASE WHEN get_byte(h, 22) < 26 THEN 'Biến động: chuyển nhượng, hồ sơ số ' || get_byte(h, 23) * 211 END, "
        f"timestamptz '2010-01-04 07:30:00+07' + {_number(24)} * interval '30 seconds' {_numbered('parcel', scale, seed)}"
    )


def land_register_changes(seed: int = 1) -> Iterator[str]:
    """Yield the statements of the next working day: one parcel in 200 changes, some are new, and one definition changes."""
    remainder = seed % 200
    yield (
        "UPDATE dia_chinh.thua_dat SET ghi_chu = 'sổ mới', cap_nhat = timestamptz '2026-11-23 09:00:00+07' "
        f"WHERE (id * 7919) % 200 = {remainder}"
    )
    yield (
        "INSERT INTO dia_chinh.thua_dat (to_ban_do, so_thua, ma_xa, loai_dat, dien_tich, x_vn2000, y_vn2000, ranh, cap_nhat) "
        f"SELECT 1 + i % 400, 1000000 + {seed} * 1000 + i, '24958', 'ODT', 100 + i, 1297400.5 + i, 567600.25 + i, "
        "'POLYGON((0 0,0 1,1 1,1 0))', timestamptz '2026-11-23 10:15:00+07' FROM generate_series(1, 250) i"
    )
    yield (
        "INSERT INTO dia_chinh.bien_dong SELECT 90000000 + "
        f"{seed} * 1000 + row_number() OVER (ORDER BY id), id, 'tách thửa', '2026-11-23', 'HS-' || nextval('dia_chinh.so_ho_so'), 'tách theo đơn' "
        "FROM (SELECT id FROM dia_chinh.thua_dat ORDER BY id LIMIT 100) parcels"
    )
    yield f"DELETE FROM dia_chinh.tai_san WHERE id % 1000 = {seed % 1000}"
    yield f"ALTER TABLE dia_chinh.thua_dat ADD COLUMN ma_dinh_danh_{seed} text"
    yield f"COMMENT ON COLUMN dia_chinh.thua_dat.ma_dinh_danh_{seed} IS 'mã định danh thửa đất theo dữ liệu quốc gia'"
    yield f"GRANT SELECT (id, ma_xa, ma_dinh_danh_{seed}) ON dia_chinh.thua_dat TO ldg_tra_cuu"
    yield "REFRESH MATERIALIZED VIEW dia_chinh.thong_ke_xa"
