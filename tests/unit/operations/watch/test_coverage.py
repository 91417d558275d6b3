"""Each system of the register is what its sources are."""

from __future__ import annotations

from drorch.catalog.interface import Catalog
from drorch.operations.overview import overview
from drorch.operations.watch.coverage import Cover, Coverage, coverage
from drorch.operations.watch.exposure import worst
from drorch.policy.systems import System
from tests.support.catalogs import START
from tests.support.policies import POSTGRESQL, load
from tests.support.watched import DAY, HOUR, backed_up, drilled, facts_of


def system(identifier: str, *policies: str, is_paper: bool = False) -> System:
    return System(
        identifier=identifier, name=identifier, owner="UBND", is_paper=is_paper, policies=policies, note="", line=1
    )


def held(catalog: Catalog, *systems: System, days: float = 0) -> Coverage:
    loaded, now = load(POSTGRESQL), START + HOUR + days * DAY
    found = overview(loaded.policies, (), catalog, now=now, is_running=lambda _claim: True)
    return coverage(systems, found, facts_of(catalog, now))


def covers(found: Coverage) -> dict[str, Cover]:
    return {one.system.identifier: one.cover for one in found.systems}


def test_every_state(watched: Catalog) -> None:
    backed_up(watched)
    found = held(
        watched, system("paper", is_paper=True), system("land", "land"), system("open"), system("wrong", "lnad")
    )
    assert covers(found) == {
        "wrong": Cover.UNKNOWN,
        "open": Cover.UNPROTECTED,
        "land": Cover.NEVER_DRILLED,
        "paper": Cover.PAPER,
    }
    assert list(covers(found)) == ["wrong", "open", "land", "paper"]
    assert (found.is_well, found.unregistered) == (False, ())
    drilled(watched, START)
    proven = held(watched, system("land", "land"))
    assert (covers(proven), proven.is_well) == ({"land": Cover.PROTECTED}, True)
    late = held(watched, system("land", "land"), days=3)
    assert covers(late) == {"land": Cover.LATE}


def test_a_source_of_no_system_is_named(watched: Catalog) -> None:
    backed_up(watched)
    found = held(watched, system("paper", is_paper=True))
    assert (found.unregistered, found.is_well) == (("land",), False)


def test_what_would_be_lost_now_is_told_of_each_source(watched: Catalog) -> None:
    (nothing,) = held(watched, system("land", "land")).systems[0].exposures
    assert (nothing.restore_point, nothing.lost_seconds, nothing.rpo_seconds) == (None, None, 86_400)
    backed_up(watched)
    drilled(watched, START)
    (one,) = held(watched, system("land", "land")).systems[0].exposures
    assert (one.restore_point, one.lost_seconds, one.proven_at) == (START, 3_600, START)
    assert one.share < 1 < held(watched, system("land", "land"), days=3).systems[0].exposures[0].share
    assert worst([one, nothing]) is nothing
    assert worst([]) is None
