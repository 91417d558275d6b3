"""What every catalog promises of drills, tried on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest

from drorch.catalog.interface import Catalog, DrillSignature
from drorch.errors import UsageInvalid
from tests.support.catalogs import START, a_drill


def test_a_drill_is_recorded_whole_and_again_in_place_of_what_was_said(catalog: Catalog) -> None:
    catalog.record_drill(a_drill(summary="đang ghi"))
    catalog.record_drill(a_drill())
    assert catalog.drills() == (a_drill(),)


def test_drills_are_found_by_what_they_are_newest_first(catalog: Catalog) -> None:
    one = a_drill(drill="01A")
    two = a_drill(drill="01B", declared_at=START + timedelta(days=1), verdict="fail", test="other")
    three = a_drill(drill="01C", source="scans", policy="scans", declared_at=START + timedelta(days=2))
    for record in (two, three, one):
        catalog.record_drill(record)
    assert catalog.drills() == (three, two, one)
    assert catalog.drills(source="lamdong-land", limit=1) == (two,)
    assert catalog.drills(policy="scans") == (three,)
    assert catalog.drills(test="other") == (two,)
    assert catalog.drills(verdicts=["pass"]) == (three, one)
    assert catalog.drills(since=START + timedelta(days=1)) == (three, two)
    assert catalog.newest_drill_by_source() == {"lamdong-land": two, "scans": three}
    assert catalog.newest_drill_by_source(verdicts=["pass"]) == {"lamdong-land": one, "scans": three}


def test_a_drill_is_found_by_the_beginning_of_its_id_in_either_case(catalog: Catalog) -> None:
    catalog.record_drill(a_drill(drill="01KB3X9M00"))
    catalog.record_drill(a_drill(drill="01KB3X9N00"))
    assert catalog.find_drill("01kb3x9m").drill == "01KB3X9M00"
    with pytest.raises(UsageInvalid, match="several drills") as caught:
        catalog.find_drill("01KB3X9")
    assert caught.value.found == "01KB3X9M00, 01KB3X9N00"
    for prefix in ("02", "", "01KB3X9_", "%"):
        with pytest.raises(UsageInvalid, match="no drill"):
            catalog.find_drill(prefix)


def test_signatures_are_kept_by_person_and_role(catalog: Catalog) -> None:
    first = DrillSignature(drill="01A", person="verifier1", role="verifier", signed_at=START)
    again = DrillSignature(drill="01A", person="verifier1", role="verifier", signed_at=START + timedelta(days=1))
    other = DrillSignature(drill="01A", person="operator1", role="operator", signed_at=START)
    for signature in (first, other, again, DrillSignature(drill="01B", person="x", role="operator", signed_at=START)):
        catalog.record_drill_signature(signature)
    assert catalog.drill_signatures(["01A"]) == (other, again)
    assert catalog.drill_signatures([]) == ()


def test_drills_outlive_history_and_a_rebuilt_listing(catalog: Catalog) -> None:
    catalog.record_drill(a_drill())
    catalog.purge_history(START + timedelta(days=4_000))
    catalog.replace_listing([], [])
    assert catalog.drills() == (a_drill(),)
