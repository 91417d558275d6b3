from drorch.operations.left_out import left_out
from drorch.sources.interface import Json


def test_only_what_is_missing_is_listed_in_a_fixed_order() -> None:
    facts: dict[str, Json] = {
        "tables": 3,
        "left_out": ["subscription s"],
        "excluded_data": ["audit.log", "audit.old"],
        "roles": ["x"],
    }
    found = left_out(facts, {"blanked_secrets": ["USER MAPPING u"], "snapshot_held_seconds": 3})
    assert [(one.kind, one.names) for one in found] == [
        ("excluded_data", ("audit.log", "audit.old")),
        ("left_out", ("subscription s",)),
        ("blanked_secrets", ("USER MAPPING u",)),
    ]


def test_a_whole_snapshot_lists_nothing() -> None:
    assert left_out({"excluded_data": [], "left_out": "odd", "engine": "sqlite"}, {}) == ()


def test_long_lists_are_cut_with_their_number() -> None:
    (one,) = left_out({"excluded_data": [f"t{number}" for number in range(1_010)]}, {})
    assert one.text == "t0, t1, t2, t3, t4, t5 and 1,004 more"
    assert len(one.names) == 1_010


def test_labels_fit_the_column_of_the_report() -> None:
    kinds = ["excluded_data", "unlogged_without_data", "left_out", "blanked_secrets", "exclude_data_unused"]
    found = left_out({kind: ["x"] for kind in kinds}, {})
    assert len(found) == len(kinds)
    assert max(len(one.label) for one in found) < 16
