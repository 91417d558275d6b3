import unicodedata

import pytest

from drorch.errors import FormatUnsupported, KeyWrong
from drorch.format.keyfile import (
    HostKeyFile,
    KeyKind,
    KeyOrigin,
    PublicKey,
    ScryptCost,
    encode_public,
    public_of,
    read_host_key_file,
    read_key_file,
    read_public,
    seal_key_file,
)
from drorch.format.keys import HostKey
from drorch.format.trust_record import Role
from drorch.ids import Digest
from tests.support.format_values import CUSTODIAN, REPOSITORY, WRITER, counter_random, fixed

ORIGIN = KeyOrigin(repository=REPOSITORY, trust_root=Digest(fixed("trust root")))
CHEAP = ScryptCost(n=2**4, r=8, p=1)
SEED = fixed("custodian")
PASSPHRASE = "Mật khẩu rất dài"
HOST = HostKeyFile(role=Role.WRITER, label="máy db1", origin=ORIGIN, key=HostKey(fixed("writer"), fixed("master")))


def sealed(**changes) -> str:
    values = {
        "kind": KeyKind.RECIPIENT,
        "seed": SEED,
        "label": "Người giữ khóa",
        "passphrase": PASSPHRASE,
        "random_bytes": counter_random("key file"),
        "origin": ORIGIN,
        "cost": CHEAP,
    }
    return seal_key_file(**{**values, **changes})


def test_a_key_file_gives_its_seed_to_who_knows_the_passphrase():
    found = read_key_file(sealed())
    assert (found.kind, found.label, found.origin) == (KeyKind.RECIPIENT, "Người giữ khóa", ORIGIN)
    assert found.key_id == CUSTODIAN.public().recipient_id
    assert found.open(PASSPHRASE) == SEED


def test_a_root_key_has_a_key_file_too_and_may_be_older_than_its_repository():
    found = read_key_file(sealed(kind=KeyKind.ROOT, seed=fixed("writer"), origin=None))
    assert (found.kind, found.origin, found.key_id) == (KeyKind.ROOT, None, WRITER.key_id)
    assert found.open(PASSPHRASE) == fixed("writer")


def test_the_passphrase_is_the_same_however_the_keyboard_composes_it():
    assert read_key_file(sealed()).open(unicodedata.normalize("NFD", PASSPHRASE)) == SEED
    assert unicodedata.normalize("NFD", PASSPHRASE) != PASSPHRASE


def test_a_wrong_passphrase_is_told_and_not_shown():
    with pytest.raises(KeyWrong) as caught:
        read_key_file(sealed()).open("a wrong guess")
    shown = str(vars(caught.value)) + repr(caught.value.__cause__)
    assert "a wrong guess" not in shown
    assert SEED.hex() not in shown


def test_an_empty_passphrase_is_refused():
    with pytest.raises(KeyWrong):
        sealed(passphrase="")


def test_the_file_does_not_hold_the_seed():
    text = sealed()
    assert SEED.hex() not in text
    assert SEED.hex() not in repr(read_key_file(text))


@pytest.mark.parametrize("line", ["label: Ng", "id: ", "repository: ", "trust: ", "kind: ", "scrypt: ", "sealed: "])
def test_no_line_can_be_altered(line):
    text = sealed()
    at = text.index(line) + len(line)
    altered = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    with pytest.raises((KeyWrong, FormatUnsupported)):
        read_key_file(altered).open(PASSPHRASE)


def test_a_file_that_names_another_key_than_it_holds_is_refused(monkeypatch):
    with monkeypatch.context() as careless:
        other = public_of(KeyKind.RECIPIENT, fixed("other"), "x")
        careless.setattr("drorch.format.keyfile.public_of", lambda *_: other)
        text = sealed()
    with pytest.raises(KeyWrong, match="another key than it says"):
        read_key_file(text).open(PASSPHRASE)


def test_lines_cannot_be_taken_out_or_doubled():
    lines = sealed().splitlines()
    for position in range(1, len(lines)):
        for altered in (lines[:position] + lines[position + 1 :], [*lines, lines[position]]):
            with pytest.raises((KeyWrong, FormatUnsupported)):
                read_key_file("\n".join(altered)).open(PASSPHRASE)


def test_a_mailer_may_change_line_ends():
    mailed = "\ufeff\r\n" + sealed().replace("\n", " \r\n") + "\r\n\r\n"
    assert read_key_file(mailed).open(PASSPHRASE) == SEED


@pytest.mark.parametrize(
    "cost",
    [
        "1 8 1",
        "3 8 1",
        "2147483648 8 1",
        "1048576 16 1",
        "16 8 99",
        "16 8",
        "x 8 1",
        "0 0 0",
        "65536 1 1",
        "2 4194304 16",
    ],
)
def test_a_cost_that_no_machine_should_pay_is_refused(cost):
    text = sealed().replace("scrypt: 16 8 1", f"scrypt: {cost}")
    with pytest.raises(KeyWrong):
        read_key_file(text)


def test_a_machine_without_the_memory_says_so(monkeypatch):
    def refuse(**_):
        raise MemoryError

    monkeypatch.setattr("drorch.format.keyfile.Scrypt", refuse)
    with pytest.raises(KeyWrong, match="too little memory"):
        read_key_file(sealed()).open(PASSPHRASE)


def test_the_usual_cost_is_a_key_file_too():
    assert read_key_file(sealed(cost=None)).open(PASSPHRASE) == SEED
    assert "scrypt: 131072 8 1 " in sealed(cost=None)


def test_a_newer_version_is_told_apart_from_damage():
    with pytest.raises(FormatUnsupported):
        read_key_file(sealed().replace("drorch private key 1", "drorch private key 2"))
    with pytest.raises(FormatUnsupported):
        read_host_key_file(HOST.encode().replace("drorch host key 1", "drorch host key 2"))
    with pytest.raises(FormatUnsupported):
        read_public("drorch-root-2 AAAA label")


@pytest.mark.parametrize(
    "text", ["", "\n", "something else", "drorch private key", "drorch private key x", HOST.encode()]
)
def test_what_is_no_key_file_is_refused(text):
    with pytest.raises(KeyWrong):
        read_key_file(text)


def test_a_host_key_comes_back_and_is_not_shown():
    text = HOST.encode()
    assert read_host_key_file(text) == HOST
    assert HOST.public() == PublicKey(kind=KeyKind.WRITER, label="máy db1", public=WRITER.public)
    assert fixed("writer").hex() not in repr(HOST)


def test_a_host_key_that_was_damaged_is_refused():
    text = HOST.encode()
    for position in range(20, len(text), 7):
        damaged = text[:position] + ("0" if text[position] != "0" else "1") + text[position + 1 :]
        with pytest.raises((KeyWrong, FormatUnsupported)):
            read_host_key_file(damaged)
    with pytest.raises(KeyWrong):
        read_host_key_file(sealed())


@pytest.mark.parametrize("kind", KeyKind)
def test_public_keys_come_back(kind):
    key = public_of(kind, fixed("writer"), "Máy chủ 1")
    text = encode_public(key)
    assert text.count("\n") == 1
    assert read_public(text) == key
    assert read_public(text.rstrip() + "\r\n").key_id == key.key_id


def test_a_public_key_that_was_copied_badly_is_refused():
    text = encode_public(public_of(KeyKind.RECIPIENT, SEED, "label"))
    for wrong in ("", "x", text[:-10], text.replace("recipient", "root"), text.replace("recipient", "guest")):
        with pytest.raises(KeyWrong):
            read_public(wrong)
    for position in range(25, 2_000, 50):
        letter = "A" if text[position] != "A" else "B"
        with pytest.raises(KeyWrong):
            read_public(text[:position] + letter + text[position + 1 :])


@pytest.mark.parametrize("label", ["", " x", "two\nlines", "x" * 101, "tab\there"])
def test_a_label_is_one_printable_line(label):
    with pytest.raises(KeyWrong):
        sealed(label=label)
