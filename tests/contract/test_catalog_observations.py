"""What every catalog promises of what was seen in the stores, tried on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from drorch.catalog.interface import Catalog, Observation, ObservationKind, SchemaRecord
from tests.support.catalogs import START, after

HIDDEN, SHORT = ObservationKind.SNAPSHOT_WITHHELD, ObservationKind.LOCK_SHORT
SEEN = Observation(kind=HIDDEN, store="hà nội", lane="0a" * 16, source="land", text="bị giấu", seen_at=START)


def test_what_is_seen_stays_until_whoever_looks_there_does_not_see_it(catalog: Catalog) -> None:
    assert catalog.observations() == ()
    other_lane, other_store = replace(SEEN, lane="0b" * 16), replace(SEEN, store="dalat")
    short = replace(SEEN, kind=SHORT, lane="", source="")
    catalog.note_observations(HIDDEN, [SEEN, other_lane, other_store], stores=["hà nội", "dalat"])
    catalog.note_observations(SHORT, [short], stores=["hà nội"])
    assert catalog.observations() == (short, other_store, SEEN, other_lane)
    catalog.note_observations(HIDDEN, [], stores=["hà nội"], lanes=[SEEN.lane])
    assert catalog.observations() == (short, other_store, other_lane)
    catalog.note_observations(HIDDEN, [], stores=["hà nội"])
    assert catalog.observations() == (short, other_store)
    catalog.note_observations(SHORT, [], stores=["dalat"])
    assert catalog.observations() == (short, other_store)


def test_the_newest_schema_of_a_source_is_remembered(catalog: Catalog) -> None:
    assert catalog.schema("land") is None
    first = SchemaRecord(source="land", snapshot="a", digest="1" * 64, document={"tables": ["public.thửa_đất"]})
    catalog.put_schema(first)
    catalog.put_schema(replace(first, source="hr"))
    newer = replace(first, snapshot="b", document={"tables": []})
    catalog.put_schema(newer)
    assert (catalog.schema("land"), catalog.schema("hr")) == (newer, replace(first, source="hr"))


def test_it_keeps_when_it_was_first_seen(catalog: Catalog) -> None:
    catalog.note_observations(HIDDEN, [SEEN], stores=["hà nội"])
    again = replace(SEEN, text="vẫn bị giấu", seen_at=after(600))
    catalog.note_observations(HIDDEN, [again], stores=["hà nội"])
    assert catalog.observations() == (replace(again, seen_at=START),)
