"""A database with one of everything, and the ways to ask whether two databases are equal without asking drorch."""

from __future__ import annotations

import difflib
import re
import subprocess
from pathlib import Path

from tests.support.postgresql import Server
from tests.support.postgresql_programs import DEBIAN, WHEEL

MAPPING_PASSWORD = "mapping-canary-c0de"
SUBSCRIPTION_PASSWORD = "subscription-canary-beef"
NFC, NFD = "Nguyễn Thị Hà", "Nguyễn Thị Hà"

ROLES = """
do $$ begin
  create role zoo_owner; create role zoo_reader; create role "Vai trò đọc"; create role zoo_login login;
exception when duplicate_object then null; end $$;
"""

ZOO = f"""
create schema app authorization zoo_owner;
create schema "Địa chính";
create schema "new
line";
create extension pg_trgm schema app;
create extension postgres_fdw;
create extension dblink;
create type app.color as enum ('đỏ', 'xanh', 'it''s');
create type app.point2 as (x float8, y numeric(8,3), label text);
create domain app.cmnd as text check (value ~ '^[0-9]{{9,12}}$') not null default '000000000';
create domain app.ratio as float8;
create type app.floatrange as range (subtype = float8);
create collation app.c_copy from "C";
create function app.odd(a int, "b c" text default 'x''y') returns text language plpgsql as $body$
declare s text := $q$it's "quoted" \\ back$q$; begin
  -- a comment with $$ and ; inside
  return s || a || "b c"; end $body$;
create function app.plus(int, int) returns int language sql immutable strict as 'select $1 + $2';
create procedure app.proc(inout a int) language plpgsql as $$ begin a := a + 1; end $$;
create aggregate app.total(int) (sfunc = app.plus, stype = int, initcond = '0');
create operator app.@+@ (leftarg = int, rightarg = int, function = app.plus, commutator = operator(app.@+@));
create cast (app.color as int) with inout;
create table app.every (
  id bigint generated always as identity primary key, small smallint, number numeric, price money, r real, d double precision,
  ratio app.ratio, t text, c char(7), v varchar(9), b bytea, flag boolean, day date, moment timestamptz, bare timestamp, clock time, zoned timetz,
  span interval, u uuid, j json, jb jsonb, x xml, bits bit varying(9), net inet, mac macaddr, pt point, poly polygon, ts tsvector, q tsquery,
  color app.color, who app.cmnd, comp app.point2, ints int[], colors app.color[], comps app.point2[], r8 float8[], range int4range, times tstzrange,
  fr app.floatrange, oidcol oid, sn name, "Tên chủ" text collate app.c_copy, "quo""te" int, "emoji 🗺" text, "{NFD}" text);
insert into app.every (small, number, price, r, d, ratio, t, c, v, b, flag, day, moment, bare, clock, zoned, span, u, j, jb, x, bits, net, mac,
  pt, poly, ts, q, color, who, comp, ints, colors, comps, r8, range, times, fr, oidcol, sn, "Tên chủ", "quo""te", "emoji 🗺", "{NFD}")
select 1, 'NaN', 1234.56, 0.1, 0.1, 1/3.0, E'tab\\t new\\n line \\\\ back \\r cr', 'abc', 'váy', '\\x00ff0a09', true, 'infinity', '-infinity', '1975-04-30 11:30:00.123456',
  '23:59:59.999999', '12:00:00+07', '1 year -2 mons +3 days -04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{{"a":  1, "a":2}}', '{{"k": [1.0, null]}}',
  '<a>Đ</a>', B'101', '10.0.0.1/8', '08:00:2b:01:02:03', '(1.1,2.2)', '((0,0),(1,1),(2,0))', 'cá kho', 'a & b', 'it''s', '012345678',
  row(0.1, 2.5, 'a,"b')::app.point2, '{{1,NULL,3}}', '{{đỏ,xanh}}', array[row(1e-7, 1, null)::app.point2], '{{0.1,1e300,NaN}}', '[1,5)', '[2020-01-01, infinity)', '[0.1,0.7)',
  4294967295, 'name', '{NFC}', 7, '🏠', '{NFD}';
insert into app.every default values;
insert into app.every (t, d, r, span) select 'row ' || g, g * 0.1, g * 0.3, g * interval '1 hour 7 minutes' from generate_series(1, 500) g;
create index on app.every using gin (t app.gin_trgm_ops);
create unique index every_partial on app.every (small) where small > 0;
create index every_expression on app.every (lower(t), d desc nulls last);
alter table app.every owner to zoo_owner;
alter table app.every alter t set statistics 500, alter t set storage external;
create statistics app.stat on small, d from app.every;
comment on table app.every is 'bảng "mọi thứ"; drop table x; --';
comment on column app.every.t is E'line\\nbreak';
comment on index app.every_partial is 'only some';
grant select on app.every to zoo_reader with grant option;
grant update ("Tên chủ", small) on app.every to "Vai trò đọc";
create table "Địa chính"."Thửa ""đất""
mới 🗺" (id serial primary key, "unit id" int, note text);
insert into "Địa chính"."Thửa ""đất""
mới 🗺" (note) select 'thửa ' || g from generate_series(1, 50) g;
create table "new
line"."per%cent" (a int);
insert into "new
line"."per%cent" values (1), (2);
create table app.nothing (); insert into app.nothing default values; insert into app.nothing default values;
create table app.parent (id int, a text); create table app.child (b int) inherits (app.parent);
insert into app.parent values (1, 'p'); insert into app.child values (2, 'c', 3);
create table app.sales (day date not null, amount numeric, region text) partition by range (day);
create table app.sales_2019 partition of app.sales for values from ('2019-01-01') to ('2020-01-01') partition by list (region);
create table app.sales_2019_n partition of app.sales_2019 for values in ('north');
create table app.sales_2019_rest partition of app.sales_2019 default;
create table app.sales_rest partition of app.sales default;
insert into app.sales select date '2018-06-01' + g, g, case when g % 2 = 0 then 'north' else 'south' end from generate_series(1, 900) g;
create index sales_amount on app.sales (amount);
alter table app.sales add primary key (day, amount, region);
create table app.hashed (k text, v int) partition by hash (k);
create table app.hashed0 partition of app.hashed for values with (modulus 2, remainder 0);
create table app.hashed1 partition of app.hashed for values with (modulus 2, remainder 1);
insert into app.hashed select 'khóa ' || g, g from generate_series(1, 100) g;
create table app.referring (id int primary key, every_id bigint references app.every (id) on delete cascade deferrable initially deferred,
  during tsrange, check (id > 0), constraint no_overlap exclude using gist (during with &&));
insert into app.referring values (1, 1, '[2020-01-01, 2020-02-01)'), (2, 2, '[2021-01-01, 2021-02-01)');
alter table app.referring add constraint unchecked check (every_id > 100) not valid;
create table app.circular_a (id int primary key, b int); create table app.circular_b (id int primary key, a int references app.circular_a);
insert into app.circular_a values (1, 1); insert into app.circular_b values (1, 1);
alter table app.circular_a add foreign key (b) references app.circular_b;
create unlogged table app.scratch (a int); insert into app.scratch values (42);
create table app.secret (id int, owner_name text); insert into app.secret values (1, 'zoo_reader'), (2, 'other');
alter table app.secret enable row level security; alter table app.secret force row level security;
create policy mine on app.secret for select to zoo_reader, "Vai trò đọc" using (owner_name = current_user or 'TO zoo_login' = '');
create view app.v as select id, t from app.every where small is not null with check option;
create view app.v2 with (security_barrier) as select * from app.v;
create rule ignore as on delete to app.v2 do instead nothing;
create materialized view app.mv as select count(*) as n from app.every; create unique index on app.mv (n);
create materialized view app.mv2 as select n + 1 as m from app.mv;
create materialized view app.unfilled as select 1 as one with no data;
create function app.touched() returns trigger language plpgsql as $$ begin insert into app.log values (tg_op); return new; end $$;
create table app.log (what text);
create trigger touch after insert or update on app.every for each row when (new.small is not null) execute function app.touched();
create trigger off before insert on app.every for each row execute function suppress_redundant_updates_trigger();
alter table app.every disable trigger off;
create function app.watch() returns event_trigger language plpgsql as $$ begin insert into app.log values (tg_tag); end $$;
create sequence app.seq start 5 increment by 3 maxvalue 1000 cycle; select nextval('app.seq'), nextval('app.seq');
create sequence app.unused;
select lo_from_bytea(90001, '\\x00010203'), lo_create(90002), lo_from_bytea(90003, convert_to(repeat('Lâm Đồng ', 40000), 'UTF8'));
select lo_put(90002, 5000000, 'far away');
select lo_create(90004);
grant select on large object 90001 to zoo_reader; comment on large object 90001 is 'bản đồ'; alter large object 90003 owner to zoo_owner;
create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1', dbname 'x');
create user mapping for zoo_reader server far options (user 'u', password '{MAPPING_PASSWORD}');
create foreign table app.remote (a int) server far options (table_name 't');
create publication pub for table app.every, app.parent with (publish = 'insert');
create subscription sub connection 'host=127.0.0.1 port=1 dbname=x password={SUBSCRIPTION_PASSWORD}' publication p1, "P 2" with (connect = false, slot_name = 'sub');
alter default privileges for role zoo_owner in schema app grant select on tables to zoo_reader;
alter default privileges for role zoo_owner revoke execute on functions from public;
revoke all on function app.odd(int, text) from public; grant execute on function app.odd(int, text) to zoo_reader;
grant usage on schema app to zoo_reader; grant usage on type app.color to zoo_reader; grant usage on foreign server far to zoo_reader;
create text search configuration app.vn (copy = simple);
create event trigger watcher on ddl_command_end when tag in ('CREATE TABLE') execute function app.watch();
comment on event trigger watcher is 'nhìn';
"""
SINCE_12 = """
create table app.computed (a int, b int generated always as (a * 2) stored, c text default 'x'); insert into app.computed (a) select generate_series(1, 10);
create table app.only_computed (b int generated always as (1 + 1) stored); insert into app.only_computed default values;
create collation app.german (provider = libc, locale = 'C');
"""
SINCE_14 = """
create table app.many (m int4multirange, s text compression pglz); insert into app.many values ('{[1,3),[7,9)}', repeat('x', 3000));
create function app.modern(a int) returns int language sql begin atomic select a + 1; end;
"""
SINCE_15 = "create table app.distinctly (a int, unique nulls not distinct (a)); create view app.invoker with (security_invoker) as select 1 as a;\n"
SINCE_18 = """
create table app.virtual (a int, b int generated always as (a * 2) virtual); insert into app.virtual (a) values (4);
alter table app.virtual add constraint a_present not null a not valid;
"""


def database_sql(name: str) -> str:
    return f"""
comment on database "{name}" is 'cơ sở dữ liệu "đất"';
alter database "{name}" set work_mem = '9MB';
alter database "{name}" set search_path = app, "$user", public;
alter database "{name}" set app.setting = 'it''s';
alter role zoo_reader in database "{name}" set datestyle = 'German';
grant create on database "{name}" to zoo_owner;
revoke connect on database "{name}" from public;
"""


def make_zoo(server: Server, *, with_xml: bool = True, keeper: str = "zoo") -> str:
    """Create a database with one of everything that the server's version has; return its name.

    A test that drops the roles names its own ``keeper``: ``zoo_owner`` is then ``KEEPER_owner``.
    """
    server.run(kept_by(keeper, ROLES))
    name = server.new_database(prefix="zoo")
    sql = ZOO + "".join(
        more
        for major, more in ((12, SINCE_12), (14, SINCE_14), (15, SINCE_15), (18, SINCE_18))
        if server.major >= major
    )
    if not with_xml or not has_xml(server):
        sql = sql.replace(" x xml,", " x text,")
    psql(server, name, kept_by(keeper, sql) + kept_by(keeper, database_sql("NAME")).replace("NAME", name))
    return name


def kept_by(keeper: str, sql: str) -> str:
    return sql.replace("zoo_", f"{keeper}_").replace(
        "Vai trò đọc", "Vai trò đọc" if keeper == "zoo" else f"{keeper} đọc"
    )


def psql(server: Server, name: str, sql: str) -> None:
    """Run a script, each statement for itself."""
    arguments: list[str | Path] = [
        DEBIAN / "psql",
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        server.sockets,
        "-p",
        str(server.port),
        "-U",
        "postgres",
    ]
    told = subprocess.run(
        [*arguments, "-d", name, "-o", "/dev/null"], input=sql.encode(), capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr.decode()


def has_xml(server: Server) -> bool:
    try:
        server.run("select '<a/>'::xml")
    except Exception:  # noqa: BLE001  (whatever it says, it has none)
        return False
    return True


# -- an opinion that is not drorch's


def dumped_schema(server: Server, name: str) -> list[str]:
    """Return ``pg_dump --schema-only --create`` without what differs by right: names, random words, switched-off parts."""
    program = (DEBIAN if server.major <= 15 else WHEEL) / "pg_dump"
    text = subprocess.run(
        [program, "-h", server.sockets, "-p", str(server.port), "-U", "postgres", "-s", "--create", name],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    text = text.replace(f'"{name}"', "DB").replace(name, "DB")
    text = text.replace(MAPPING_PASSWORD, "drorch-blanked").replace(f"password={SUBSCRIPTION_PASSWORD}", "BLANKED")
    text = re.sub(r"CONNECTION '.*?(BLANKED|drorch-blanked).*?' PUBLICATION", "CONNECTION 'x' PUBLICATION", text)
    text = re.sub(r"slot_name = (NONE|'\w+')", "slot_name = X", text)
    return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def schema_difference(server: Server, one: str, other: str) -> str:
    """Return the difference of two databases' definitions; empty if there is none."""
    return "\n".join(difflib.unified_diff(dumped_schema(server, one), dumped_schema(server, other), lineterm="", n=1))


def contents(server: Server, name: str, *, float_digits: int = 3) -> dict[str, object]:
    """Return rows (sorted COPY text), sequences, large objects and settings of a database."""
    found: dict[str, object] = {}
    with server.connect(name) as connection:
        connection.execute(
            f"set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = {float_digits}; set bytea_output = 'hex'; set lc_monetary = 'C'"
        )
        connection.execute("set search_path = ''")
        tables = connection.execute(
            """select c.oid::regclass::text, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'm', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""
        ).fetchall()
        for table, kind in tables:
            if kind == "S":
                found[table] = connection.execute(f"select last_value, is_called from {table}").fetchall()
                continue
            populated = connection.execute(
                "select relispopulated from pg_class where oid = %s::regclass", [table]
            ).fetchone()
            if populated == (False,):
                found[table] = "not populated"
                continue
            with connection.cursor().copy(
                f"copy (select * from only {table}) to stdout"
                if kind == "r"
                else f"copy (select * from {table}) to stdout"
            ) as copy:
                found[table] = sorted(bytes(row) for row in copy)
        found["large objects"] = connection.execute(
            "select oid, md5(lo_get(oid)) from pg_largeobject_metadata order by oid"
        ).fetchall()
        found["pages"] = connection.execute(
            "select loid, count(*) from pg_largeobject group by 1 order by 1"
        ).fetchall()
        found["lo rights"] = connection.execute(
            "select oid, pg_get_userbyid(lomowner), lomacl::text, obj_description(oid, 'pg_largeobject') from pg_largeobject_metadata order by oid"
        ).fetchall()
        found["locale"] = connection.execute(
            "select encoding, datcollate, datctype, pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') from pg_database where datname = current_database()"
        ).fetchall()
    return found


def assert_same_contents(
    server: Server, one: str, other: str, *, other_server: Server | None = None, but: str = ""
) -> None:
    digits = 3 if other_server is None else 0  # a server before 12 prints 17 digits where a newer prints the shortest
    before, after = (
        contents(server, one, float_digits=digits),
        contents(other_server or server, other, float_digits=digits),
    )
    before.pop(but, None), after.pop(but, None)
    assert set(before) == set(after)
    for name, found in before.items():
        assert after[name] == found, name
