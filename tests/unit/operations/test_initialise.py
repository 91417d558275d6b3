"""What ``init`` writes: whatever the labels of the keys that it was given."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

from drorch.format.keyfile import KeyKind, PublicKey, public_of
from drorch.operations.first_settings import FirstSettings, FirstStore
from drorch.operations.initialise import Founding, found
from drorch.policy.document import read_yaml
from drorch.policy.problems import Problems
from tests.support.repositories import counting_random, seed

LABELS = ("custodians", "../../etc/cron.d/evil", "a, b]: {c", "Sở Tư pháp", "custodians", "..", "/")


def key(number: int, label: str) -> PublicKey:
    return public_of(KeyKind.RECIPIENT, seed(f"recipient {number}"), label)


def founding() -> Founding:
    return found(
        recipients=[key(number, label) for number, label in enumerate(LABELS)],
        host_label="host",
        root_passphrase="right, and so long that it is accepted",
        now=datetime(2026, 11, 22, tzinfo=UTC),
        random_bytes=counting_random(),
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
