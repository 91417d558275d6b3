"""A database with everything in it that a backup of MariaDB gets wrong."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator

TCVN3 = b"Nguy\xd4n V\xa8n \xb9\xb8\xff\x80\x90"  # "Nguyễn Văn ..." as the nineties wrote it
EVERY_BYTE = bytes(range(256))
MODES = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE"


def hexadecimal(raw: bytes) -> str:
    return f"x'{raw.hex()}'"


def floats() -> Iterator[tuple[str, str]]:
    """Yield doubles that need 17 digits, and single floats that six digits do not tell."""
    dice = random.Random(7)
    for _ in range(200):
        double = struct.unpack("<d", struct.pack("<Q", dice.getrandbits(64) & 0xBFFFFFFFFFFFFFFF))[0]
        single = struct.unpack("<f", struct.pack("<I", dice.getrandbits(32) & 0xBFFFFFFF))[0]
        if math.isfinite(double) and math.isfinite(single):
            yield repr(double), repr(single)
    yield "1.7976931348623157e308", "3.4028234663852886e38"
    yield "5e-324", "1.4e-45"
    yield "-0.0", "-0.0"


ZOO: tuple[str | bytes, ...] = (
    "create table unit (code varchar(5) character set ascii primary key, name varchar(200) not null comment 'tên đơn vị')",
    "insert into unit values ('00678', 'Đức Trọng'), ('00676', 'Lâm Hà'), ('00595', 'Đam Rông 🏞')",
    "create sequence receipt start with 4711 increment by 3 maxvalue 9999 cache 20 cycle",
    "select nextval(receipt), nextval(receipt)",
    "create sequence down start with -5 increment by -1 minvalue -100 maxvalue -1 nocache",
    """create table parcel (
        id bigint unsigned not null auto_increment, unit varchar(5) character set ascii not null, sheet int zerofill,
        area decimal(12,1), double_area decimal(14,1) generated always as (area * 2) stored,
        label varchar(80) generated always as (concat(unit, '/', sheet)) virtual, note text,
        ticket bigint default nextval(receipt), updated timestamp(6) not null default current_timestamp(6),
        hidden int invisible default 7,
        primary key (id), unique key label_once (label, id), fulltext key words (note),
        constraint parcel_unit foreign key (unit) references unit (code) on update cascade,
        constraint positive check (area >= 0))""",
    ("insert into parcel (unit, sheet, area, note) select elt(1 + seq % 3, '00678', '00676', '00595'), seq % 50, seq * 1.5,"
    " concat('thửa đất số ', seq) from seq_1_to_700"),
    "set sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "insert into parcel (id, unit, note) values (0, '00678', null), (18446744073709551614, '00676', '')",
    "delete from parcel where id = 18446744073709551614",
    "alter table parcel auto_increment = 90001",
    "set check_constraint_checks = 0, foreign_key_checks = 0",
    "insert into parcel (id, unit, area, note) values (80000, '99999', -1, 'against the rules of today')",
    "set check_constraint_checks = 1, foreign_key_checks = 1",
    "create table self_and_others (a int primary key, b int, c int, foreign key (b) references self_and_others (a))",
    "create table ring_one (id int primary key, other int)",
    "create table ring_two (id int primary key, other int, foreign key (other) references ring_one (id))",
    "alter table ring_one add foreign key (other) references ring_two (id)",
    "insert into ring_one values (1, null)", "insert into ring_two values (1, 1)", "update ring_one set other = 1",
    # dates that strict modes refuse today
    "set sql_mode = 'ALLOW_INVALID_DATES'",
    "create table old_dates (id int primary key, d date default '0000-00-00', dt datetime(3), t time(6), y year, ts timestamp null)",
    ("insert into old_dates values (1, '0000-00-00', '0000-00-00 00:00:00', '-838:59:59.999999', 0, null),"
    " (2, '1950-00-00', '1950-02-31 10:11:12.345', '00:00:00.000001', 2155, '1970-01-01 07:00:01'),"
    " (3, '9999-12-31', '9999-12-31 23:59:59.999', '838:59:59', 1901, '2038-01-19 10:14:07')"),
    f"set sql_mode = '{MODES}'",
    "create table strict_now (id int primary key, d date not null)",
    "insert into strict_now values (1, '2026-11-23')",
    # bytes
    ("create table bytes (id int primary key, latin varchar(300) character set latin1, utf16 varchar(300) character set utf16,"
    " utf32 text character set utf32, ucs2 char(20) character set ucs2, gbk varchar(40) character set gbk,"
    " vb varbinary(300), b binary(5), bl longblob, bi bit(13), ci varchar(40) collate utf8mb4_vietnamese_ci)"),
    (f"insert into bytes values (1, {hexadecimal(TCVN3)}, 'Đặng 🏞', 'Ừ\\n', 'ă', '中', {hexadecimal(EVERY_BYTE)},"
    f" x'00ff', {hexadecimal(EVERY_BYTE * 3)}, b'1010101010101', 'Ừa'),"
    " (2, '', '', '', '', '', '', '', '', 0, ''), (3, null, null, null, null, null, null, null, null, null, null)"),
    f"insert into bytes (id, latin, vb) values (4, {hexadecimal(EVERY_BYTE)}, '\\\\N'), (5, 'NULL', '\\'\"\\\\\\n\\t\\0')",
    ("insert into bytes (id, bl) values (6, repeat('0123456789abcdef', 100000)), (7, repeat('x', 250)), (8, repeat('y', 251)),"
    " (9, repeat('z', 65535)), (10, repeat('w', 65536))"),
    "create table floats (id int auto_increment primary key, d double, f float, fd float(10,3), dd double(20,4), n decimal(65,30))",
    *(f"insert into floats (d, f, fd, dd, n) values ('{d}', '{f}', '1.005', '123456789012.00005', '0.1')" for d, f in floats()),
    ("create table types (id int primary key, e enum('', 'có', 'không'), s set('a','b b'), j json, u uuid, i6 inet6, i4 inet4,"
    " g geometry, p point, m mediumint, t tinyint, big bigint, ub bigint unsigned, c char(10), comp text compressed)"),
    ("insert into types values (1, 'có', 'a', '{\"tên\": \"Ừ\"}', '123e4567-e89b-12d3-a456-426614174000', '::ffff:1.2.3.4', '1.2.3.4',"
    " st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))', 4326), point(1.1, -2.2), -8388608, -128, -9223372036854775808,"
    " 18446744073709551615, 'a  ', repeat('đất ', 500))"),
    "insert into types (id) values (2)",
    "set sql_mode = ''",
    "insert into types (id, e) values (3, 'nobody'), (4, '')",
    "create table no_key (a int, b varchar(20), key (b))",
    "insert into no_key values (1, 'z'), (1, 'z'), (2, 'a'), (null, null)",
    "create table nothing (a int)",
    # history
    "create table owner (id int primary key, name varchar(50), share double) with system versioning",
    "insert into owner values (1, 'Bà Lan', 0.5), (2, 'Ông Hùng', 0.5)",
    "update owner set name = 'Bà Lan và các con' where id = 1", "delete from owner where id = 2",
    "insert into owner values (2, 'Ông Minh', 0.25)",
    ("create table deed (id int primary key, text varchar(50), since timestamp(6) generated always as row start,"
    " until timestamp(6) generated always as row end invisible, period for system_time (since, until)) with system versioning"),
    "insert into deed (id, text) values (1, 'one')", "update deed set text = 'two'",
    "create table lease (id int, a date, b date, period for held (a, b), unique (id, held without overlaps))",
    "insert into lease values (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01')",
    ("create table in_parts (id int, at date, primary key (id, at)) partition by range (year(at))"
    " (partition p0 values less than (2020), partition p1 values less than maxvalue)"),
    "insert into in_parts values (1, '2019-05-05'), (2, '2024-05-05')",
    # names
    "create table `sổ \"cũ\" 'x' ``y``\nhai dòng ☺ \\\\ %` (`cột \"a\"` int, ```` varchar(9), `order` int)",
    "insert into `sổ \"cũ\" 'x' ``y``\nhai dòng ☺ \\\\ %` values (1, 'á', 2)",
    # programs
    "create view by_unit as select u.name, count(p.id) as parcels from unit u left join parcel p on p.unit = u.code group by 1",
    "create algorithm=merge sql security invoker view a_view_of_a_view as select * from z_view where 1 = 1 with check option",
    ("create function area_of(which bigint) returns decimal(14,1) reads sql data"
    " return (select sum(area) from parcel where id = which)"),
    "create view with_function as select id, area_of(id) as area from unit u join parcel p on p.unit = u.code where u.name <> 'Ừ ☺'",
    "create procedure `thủ tục`(in a int, out b varchar(10)) comment 'gọi \\\\ một lần' begin\n-- chú thích ☺\nset b = 'Ừ\\n\\'';\nend",
    "set sql_mode = 'ORACLE'",
    "create procedure oracle_like(a in int) as begin null; end",
    "create package pack as function f return int; end",
    "create package body pack as function f return int as begin return 1; end; end",
    f"set sql_mode = '{MODES},ANSI_QUOTES'",
    'create trigger parcel_in before insert on parcel for each row set new."note" = coalesce(new."note", \'Ừ ☺\')',
    "set sql_mode = ''",
    "create trigger parcel_in_too before insert on parcel for each row follows parcel_in set new.note = concat(new.note, '!')",
    "create trigger unit_out after delete on unit for each row begin delete from nothing; end",
    "create event nightly on schedule every 1 day starts '2026-01-01 02:00:00' comment 'mỗi đêm' do delete from nothing",
    "create event off on schedule every 2 hour disable do delete from nothing",
    "alter table nothing comment 'chú thích \\\\ \\'x\\''",
)  # fmt: skip
LATE: tuple[bytes, ...] = (
    b"set names latin1",
    b"create view old_text as select 'caf\xe9' as `th\xe9`",
    b"create procedure old_routine() select 'caf\xe9'",
)
"""By a client of another character set."""


def build(database: str) -> tuple[str | bytes, ...]:
    """Return the statements that fill ``database``; one trigger and one view name it."""
    views = ("create view z_view as select * from unit",)
    broken = ("create table gone (a int)", "create view broken as select * from gone", "drop table gone")
    named = (
        f"create trigger `{database}`.with_database after insert on `{database}`.nothing for each row delete from no_key where 1 = 0",
    )
    return (*ZOO[:3], *views, *broken, *ZOO[3:], *named, *LATE)
