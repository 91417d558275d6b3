"""The demonstration's land register on real servers: the same everywhere, and with the traps of old registers in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from drorch.operations.demonstration.land import land_register_changes, land_register_sql

COMPARE = Path(__file__).parents[2] / "tools" / "compare.py"
SCALE = 3000


def filled(server, scale=SCALE, seed=3):
    name = server.new_database(options="template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'")
    run(server, name, land_register_sql(scale, seed))
    return name


def run(server, name, statements):
    with server.connect(name, client_encoding="UTF8") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def compare(server, first, second):
    urls = [f"postgresql://postgres@/{name}?host={server.sockets}&port={server.port}" for name in (first, second)]
    argv = [sys.executable, "-I", str(COMPARE), "postgresql", *urls, "--programs", str(server.programs)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def register(postgresql_15):
    return filled(postgresql_15)


def test_it_has_the_parcels_asked_for(postgresql_15, register):
    counts = {
        table: postgresql_15.run(f"select count(*) from dia_chinh.{table}", register)[0][0]
        for table in ("thua_dat", "chu_su_dung", "giay_chung_nhan", "quyen_su_dung", "bien_dong", "tai_san")
    }
    assert counts == {
        "thua_dat": SCALE,
        "chu_su_dung": 1800,
        "giay_chung_nhan": 2400,
        "quyen_su_dung": SCALE,
        "bien_dong": 1500,
        "tai_san": 750,
    }
    assert postgresql_15.run("select count(*) from dia_chinh.nhat_ky", register) == [(0,)]


def test_it_holds_the_traps_of_old_registers(postgresql_15, register):
    def count(sql):
        return postgresql_15.run(f"select count(*) from {sql}", register)[0][0]

    assert (
        count("dia_chinh.don_vi a join dia_chinh.don_vi b using (ma) where a.he_ma < b.he_ma and a.ten <> b.ten") >= 1
    )  # a code reused
    assert count("dia_chinh.chu_su_dung where ngay_sinh = '00/00/1975'") > 0
    assert count("dia_chinh.chu_su_dung where ghi_chu is not null and ghi_chu <> normalize(ghi_chu, NFC)") > 0
    assert count("(select distinct length(so_giay_to) from dia_chinh.chu_su_dung) lengths") == 2
    assert (
        count("dia_chinh.thua_dat where x_vn2000 between 1290000 and 1320000 and y_vn2000 between 545000 and 585000")
        == SCALE
    )
    assert count("pg_largeobject_metadata") == 2


def test_the_same_arguments_give_the_same_database_and_others_another(postgresql_15, register):
    said = compare(postgresql_15, register, filled(postgresql_15))
    assert said.returncode == 0, said.stdout + said.stderr
    said = compare(postgresql_15, register, filled(postgresql_15, seed=4))
    assert "rows of dia_chinh.thua_dat" in said.stdout


def test_a_day_changes_some_rows_and_one_definition(postgresql_15):
    name = filled(postgresql_15)
    run(postgresql_15, name, land_register_changes(1))
    run(postgresql_15, name, land_register_changes(2))
    assert postgresql_15.run("select count(*) from dia_chinh.thua_dat", name) == [(SCALE + 500,)]
    assert (
        postgresql_15.run("select count(*) from dia_chinh.thua_dat where ghi_chu = 'sổ mới'", name)[0][0]
        >= 2 * SCALE // 200
    )
    assert postgresql_15.run("select count(*) from dia_chinh.nhat_ky", name) == [(500,)]


def test_it_runs_on_the_newest_server(postgresql_18):
    name = filled(postgresql_18, scale=200)
    run(postgresql_18, name, land_register_changes(1))
    assert postgresql_18.run("select count(*) from dia_chinh.thua_dat", name) == [(450,)]


@pytest.mark.matrix
def test_it_runs_on_the_oldest_server(postgresql_11):
    name = filled(postgresql_11, scale=200)
    run(postgresql_11, name, land_register_changes(1))
    assert postgresql_11.run("select count(*) from dia_chinh.thua_dat", name) == [(450,)]
