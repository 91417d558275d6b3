"""What ``init`` writes: whatever the labels of the keys that it was given."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from drorch.errors import DrorchError, StoreUnavailable
from drorch.format.keyfile import KeyKind, PublicKey, public_of
from drorch.operations.first_settings import FirstSettings, FirstStore
from drorch.operations.initialise import Founding, found, put_into_stores
from drorch.policy.document import read_yaml
from drorch.policy.problems import Problems
from drorch.repository.opening import Replica
from drorch.storage.interface import Bytes, PutOutcome
from drorch.storage.memory import MemoryStore
from tests.support.repositories import ManualClock, counting_random, seed

LABELS = ("custodians", "../../etc/cron.d/evil", "a, b]: {c", "Sở Tư pháp", "custodians", "..", "/")


def key(number: int, label: str) -> PublicKey:
    return public_of(KeyKind.RECIPIENT, seed(f"recipient {number}"), label)


def founding(label: str = "random") -> Founding:
    return found(
        recipients=[key(number, label) for number, label in enumerate(LABELS)],
        host_label="host",
        root_passphrase="right, and so long that it is accepted",
        now=datetime(2026, 11, 22, tzinfo=UTC),
        random_bytes=counting_random(label),
    )


def test_each_key_gets_a_file_of_its_own_that_stays_in_its_folder() -> None:
    files = founding().public_files
    assert len(files) == len(LABELS)
    assert all(PurePosixPath(name).name == name and not name.startswith(".") for name in files)
    assert next(iter(files)) == "custodians.pub"
    assert "Sở-Tư-pháp.pub" in files


def test_the_settings_name_those_files_and_nothing_else() -> None:
    made = founding()
    paths = [f"keys/{name}" for name in made.public_files]
    text = FirstSettings(
        trust_root=made.trust_root,
        stores=[FirstStore(name="disk", url='/srv/"quoted" #1')],
        recipients=paths,
        time_zone="Asia/Ho_Chi_Minh",
        owner="x: [y",
    ).text()
    problems = Problems()
    section = read_yaml("drorch.yaml", text.encode(), problems)
    assert section is not None
    assert not problems.told
    assert all(path in text for path in paths)


def test_secrets_stay_out_of_what_is_shown() -> None:
    made = founding()
    shown = repr(made)
    assert "seed" not in shown
    assert made.host_key_file[:40] not in shown


class Second(MemoryStore):
    """A store that fails at puts of names that begin with ``refused``; before or behind the put itself."""

    def __init__(self, refused: str, *, took_it: bool) -> None:
        super().__init__(ManualClock())
        self.refused, self.took_it = refused, took_it

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        if self.took_it or not name.startswith(self.refused):
            super().put_if_absent(name, content)
        if name.startswith(self.refused):
            raise StoreUnavailable("no answer")
        return PutOutcome.CREATED


def put(made: Founding, *stores: MemoryStore) -> dict[str, DrorchError]:
    replicas = [Replica(name=f"store{number}", store=store) for number, store in enumerate(stores)]
    return put_into_stores(made, replicas, help_files={"README.txt": b"read me"}, version="1")


def test_a_store_that_cannot_be_written_leaves_the_others_without_a_repository() -> None:
    first, second = MemoryStore(ManualClock()), Second("", took_it=False)
    with pytest.raises(StoreUnavailable):
        put(founding(), first, second)
    assert [stat.name for stat in first.list_objects("")] == ["help/1/readme.txt"]
    again = founding("again")  # on a store that never deletes
    assert put(again, first, MemoryStore(ManualClock())) == {}
    assert first.read("trust/0", limit_bytes=10**6) == again.trust_0


def test_once_one_store_has_the_repository_its_keys_are_kept() -> None:
    first, second, made = MemoryStore(ManualClock()), Second("trust/", took_it=False), founding()
    missing = put(made, first, second)
    assert list(missing) == ["store1"]
    assert first.read("trust/0", limit_bytes=10**6) == made.trust_0


def test_a_trust_record_that_came_in_although_the_answer_was_lost_is_there() -> None:
    first, second = Second("trust/", took_it=True), Second("trust/", took_it=True)
    assert put(founding(), first, second) == {}


def test_where_no_store_took_the_trust_record_nothing_is_kept() -> None:
    with pytest.raises(StoreUnavailable) as refused:
        put(founding(), Second("trust/", took_it=False))
    assert "No keys were kept" in refused.value.still_good
