"""PostGIS with a coordinate system of one's own: VN-2000 of Lâm Đồng is in no list of the extension (or is there by another number)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch.sources.interface import Level, RestoreChoices, RestoreOutcome
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import assert_same_contents, schema_difference

# VN-2000, central meridian 107°45' (Lâm Đồng), 3° zone, with the seven parameters of 2007: not EPSG's.
VN2000 = (
    "+proj=tmerc +lat_0=0 +lon_0=107.75 +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84 "
    "+towgs84=-191.90441429,-39.30318279,-111.45032835,-0.00928836,0.01975479,-0.00427372,0.252906278 +units=m +no_defs"
)
LAND = f"""
create extension postgis;
insert into spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text) values (910068, 'VN-2000', 68, 'LOCAL_CS["VN-2000 / 107-45"]', '{VN2000}');
create schema land;
create table land.parcel (id int primary key, sheet int, shape geometry(MultiPolygon, 910068), middle geography(Point, 4326));
insert into land.parcel select g, g % 7,
  st_multi(st_makeenvelope(500000 + g * 10, 1320000 + g, 500009.123456789 + g * 10, 1320009.987654321 + g, 910068)),
  st_setsrid(st_makepoint(107.75 + g / 1000.0, 11.9), 4326)::geography from generate_series(1, 300) g;
create index parcel_shape on land.parcel using gist (shape);
alter table land.parcel add constraint big_enough check (st_area(shape) > 1);
create view land.centres as select id, st_transform(st_centroid(shape), 4326) as centre from land.parcel;
create materialized view land.sheets as select sheet, st_union(shape) as shape from land.parcel group by 1;
"""
NEAR = "select id from land.parcel where shape && st_makeenvelope(500095, 1320000, 500205, 1320100, 910068) order by 1"
PROOF = "select md5(string_agg(id || st_asewkb(shape)::text || st_asewkb(middle::geometry)::text, ',' order by id)) from land.parcel"
CENTRES = "select id, st_asewkt(centre, 9) from land.centres order by id limit 20"


@pytest.fixture(scope="module")
def land(postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, MemoryContent]]:
    name = postgresql_15.new_database(LAND, prefix="gis")
    with postgresql_15.source(postgresql_15.location(name), tmp_path_factory.mktemp("private")).capture() as capture:
        yield name, read_capture(capture)


def restore(server: Server, name: str, content: MemoryContent, **choices: Any) -> RestoreOutcome:
    return server.target(server.location(name)).restore(content, RestoreChoices(**choices), SilentObserver())


def test_geometries_and_ones_own_system_come_back(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    pg, (name, content) = postgresql_15, land
    assert content.blobs["table/public.spatial_ref_sys"].count(b"\n") == 1  # the extension brings its own
    back = f"{name}_back"
    outcome = restore(pg, back, content)
    assert schema_difference(pg, name, back) == ""
    assert_same_contents(pg, name, back)
    for sql in (PROOF, CENTRES, NEAR, "select srid, proj4text from spatial_ref_sys where srid = 910068"):
        found = pg.run(sql, back)
        assert found == pg.run(sql, name)
        assert found
    with pg.connect(back) as connection:
        connection.execute("set enable_seqscan = off")
        assert "parcel_shape" in str(connection.execute(f"explain {NEAR}".encode()).fetchall())
    assert outcome.by_hand == ()
    # The constraint and the type modifier still refuse what they refused.
    for wrong in ("st_multi(st_makeenvelope(0, 0, 1, 1, 4326))", "st_multi(st_makeenvelope(0, 0, 0.1, 0.1, 910068))"):
        with pytest.raises(Exception, match=r"SRID|big_enough"):
            pg.run(f"insert into land.parcel values (0, 0, {wrong})", back)


def test_one_table_of_geometries_comes_alone(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    pg, (name, content) = postgresql_15, land
    restore(pg, f"{name}_part", content, tables=("land.parcel",))
    assert pg.run(PROOF, f"{name}_part") == pg.run(PROOF, name)


def test_a_system_that_a_newer_postgis_brings_itself_does_not_stop_the_restore(
    postgresql_15: Server, private: Path
) -> None:
    """The source added by hand what the target's extension has: the source's definition counts, and that is told."""
    pg = postgresql_15
    name = pg.new_database("create extension postgis", prefix="gis")
    with pg.source(pg.location(name), private).capture() as capture:
        content = read_capture(capture)
    content.blobs["table/public.spatial_ref_sys"] = b"3405\tEPSG\t3405\tby hand\t+proj=utm +zone=48 +towgs84=1,2,3\n"
    outcome = restore(pg, f"{name}_back", content)
    assert pg.run("select srtext from spatial_ref_sys where srid = 3405", f"{name}_back") == [("by hand",)]
    count = "select count(*) from spatial_ref_sys"
    assert pg.run(count, f"{name}_back") == pg.run(count, name)
    assert outcome.by_hand == ("table/public.spatial_ref_sys: 1 row of the extension gave way to the source's",)


def test_a_server_without_postgis_is_told_what_to_install(
    postgresql_18: Server, land: tuple[str, MemoryContent]
) -> None:
    found = postgresql_18.target(postgresql_18.location("gis_not_here")).preflight(land[1], RestoreChoices())
    stops = [(finding.text, finding.remedy) for finding in found if finding.level is Level.STOP]
    assert stops == [("extension postgis 3.3.2 is not installed", "apt install postgresql-18-postgis-3")]


def test_an_older_extension_needs_a_decision(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    _name, content = land
    newer = MemoryContent(facts=dict(content.facts), short_id="x", specs=content.specs, blobs=content.blobs)
    newer.facts = {**newer.facts, "extensions": [{"name": "postgis", "version": "99.1", "schema": "public"}]}
    target = postgresql_15.target(postgresql_15.location("gis_not_here"))
    (stop,) = [one for one in target.preflight(newer, RestoreChoices()) if one.level is Level.STOP]
    assert stop.text == "extension postgis is 3.3.2, the source has 99.1"
    assert stop.remedy == "apt install postgresql-15-postgis-3, or --allow-older"
    assert not [one for one in target.preflight(newer, RestoreChoices(allow_older=True)) if one.level is Level.STOP]
