import pytest

from drorch.errors import Bug, ObjectCorrupt
from drorch.format import names
from drorch.ids import Digest, LaneId, RunId

LANE = LaneId(bytes(range(16)))
RUN = RunId(bytes(range(16)))
TEXT = "000102030405060708090a0b0c0d0e0f"
RUN_TEXT = str(RUN)
DIGEST = Digest(bytes(range(100, 132)))

EVERY_NAME = {
    "trust/0": names.trust(0),
    "keys/12": names.bundle(12),
    f"l/{TEXT}/r/{RUN_TEXT}": names.run_record(LANE, RUN),
    f"l/{TEXT}/p/64/{DIGEST}": names.pack(LANE, DIGEST),
    f"l/{TEXT}/q/{RUN_TEXT}": names.pack_list(LANE, RUN),
    f"l/{TEXT}/x/{RUN_TEXT}-3": names.index_segment(LANE, RUN, 3),
    f"l/{TEXT}/m/000000000042": names.manifest(LANE, 42),
    f"l/{TEXT}/m/000000000042.c": names.commit(LANE, 42),
    f"l/{TEXT}/g/7": names.retire_list(LANE, 7),
    f"l/{TEXT}/d/0": names.damage_list(LANE, 0),
    "help/1.0/format.md": names.help_file("1.0", "FORMAT.md"),
}


@pytest.mark.parametrize(("expected", "found"), EVERY_NAME.items())
def test_names_are_those_of_the_specification(expected, found):
    assert found == expected
    assert len(found) <= 200
    assert found == found.lower()
    assert found.isascii()


def test_the_prefixes_lead_to_the_names():
    assert names.pack(LANE, DIGEST).startswith(names.packs_prefix(LANE))
    assert names.index_segment(LANE, RUN, 0).startswith(names.index_prefix(LANE))
    assert names.manifest(LANE, 1).startswith(names.lane_prefix(LANE))
    assert names.lane_prefix(LANE).startswith(names.lanes_prefix())


def test_a_lane_is_found_in_its_names_only():
    assert names.lane_of(names.pack(LANE, DIGEST)) == LANE
    assert names.lane_of(f"l/{TEXT}/") == LANE
    for name in ("trust/0", f"l/{TEXT}", f"x/l/{TEXT}/m", f"l/{TEXT.upper()}/m", "l/123/m"):
        assert names.lane_of(name) is None


def test_alternates_know_what_they_are_copies_of():
    name = names.pack(LANE, DIGEST)
    alternate = names.alternate(name, 2)
    assert alternate == name + "~2"
    assert names.base_name(alternate) == name
    assert names.pack_digest(alternate) == names.pack_digest(name) == DIGEST
    with pytest.raises(Bug):
        names.alternate(name, 0)


def test_a_pack_in_the_wrong_folder_is_none():
    assert names.pack_digest(f"l/{TEXT}/p/65/{DIGEST}") is None
    assert names.pack_digest(names.manifest(LANE, 1)) is None


def test_index_segments_are_taken_apart():
    assert names.parse_index_segment(names.index_segment(LANE, RUN, 12)) == (RUN, 12)


@pytest.mark.parametrize(
    "name", ["", f"{RUN_TEXT}", f"{RUN_TEXT}-", f"{RUN_TEXT}-01", f"{'z' * 26}-1", f"{RUN_TEXT}-1x"]
)
def test_what_is_no_index_segment_is_refused(name):
    with pytest.raises(ObjectCorrupt):
        names.parse_index_segment(name)


@pytest.mark.parametrize("sequence", [0, -1, 10**12])
def test_manifests_are_numbered_from_one_in_twelve_digits(sequence):
    with pytest.raises(Bug):
        names.manifest(LANE, sequence)


def test_help_files_cannot_climb():
    with pytest.raises(Bug):
        names.help_file("..", "x")
    with pytest.raises(Bug):
        names.help_file("1", "a/b")
