"""A cold start: a process that knows nothing but a store, a key and the recovery sheet restores what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drorch.cli.private_keys import read_recipient
from drorch.environment import process_environment
from drorch.errors import TargetError
from drorch.operations.drills.scenarios.cold_start import Belongings, cold_start
from drorch.operations.drills.scenarios.reached import Asked, Reached
from drorch.operations.interruption import Interruption
from drorch.repository.reader import SnapshotReader
from drorch.sandbox.interface import SandboxLimits
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.installations import COMMAND, PASSPHRASE, Custodian, Town, run


@pytest.fixture
def wiring(town: Town) -> Iterator[Wiring]:
    with Wiring(load_settings(town.installation.settings, process_environment())) as made:
        yield made


def reach(wiring: Wiring, source: str, **changes: object) -> Reached:
    trust = wiring.settings.keys.trust
    assert trust is not None
    words: dict[str, object] = {
        "store": wiring.store_belongings("vault"),
        "trust": trust,
        "passphrase": lambda: PASSPHRASE,
    }
    asked = Asked(repository=wiring.repository(), source=source, wanted=f"latest:{source}", store="vault")
    belongings = Belongings(**(words | changes))  # type: ignore[arg-type]
    return cold_start(asked, belongings, wiring.run_afresh(), cuts=Interruption().cuts)


def facts(reached: Reached, custodian: Custodian) -> dict[str, object]:
    recipient = read_recipient(custodian.key, custodian.passphrase)
    with closing(SnapshotReader(reached.repository, reached.snapshot.link, [recipient])) as reader:
        return dict(reader.body.facts)


def test_a_process_that_knows_nothing_restores(wiring: Wiring, custodian: Custodian) -> None:
    reached = reach(wiring, "land", key=custodian.key.read_text())
    assert reached.bring is not None
    with wiring.sandbox(facts(reached, custodian), SandboxLimits()) as place:  # type: ignore[arg-type]
        outcome = reached.bring(place)
        assert place.read_back is not None
        with place.read_back.capture() as capture:
            assert capture.ask("select count(*) from parcel") == "2999"
        home = place.sandbox.scratch / "home"
        assert outcome.tables == 4
        assert sorted(path.name for path in home.iterdir() if not path.name.startswith(".")) == ["custodian.key"]
    assert not home.exists()
    assert place.sandbox.wipe().is_clean
    assert "empty home" in reached.told[0]
    assert PASSPHRASE not in " ".join(reached.told)


def test_shares_of_the_key_do(wiring: Wiring, custodian: Custodian, tmp_path: Path) -> None:
    words = ["keys", "split", *custodian.opens, "--threshold", "2", "--shares", "3", "--directory", str(tmp_path)]
    run([*COMMAND, *words])
    sheets = tuple(path.read_text() for path in sorted(tmp_path.glob("*.txt"))[:2])
    reached = reach(wiring, "civil", shares=sheets)
    assert reached.bring is not None
    with wiring.sandbox({"engine": "sqlite"}, SandboxLimits()) as place:
        assert reached.bring(place).tables == 2


def test_a_wrong_sheet_is_told(wiring: Wiring, custodian: Custodian) -> None:
    reached = reach(wiring, "civil", key=custodian.key.read_text(), trust=bytes(32))
    assert reached.bring is not None
    with (
        wiring.sandbox({"engine": "sqlite"}, SandboxLimits()) as place,
        pytest.raises(TargetError, match="knew nothing"),
    ):
        reached.bring(place)
