import itertools

import pytest
from shamir_mnemonic import shamir

from drorch.errors import Bug, KeyWrong
from drorch.format.custody import RecoverySheet, ShareSheet, combine_shares, mark_of, split_seed
from drorch.format.keyfile import KeyOrigin
from drorch.ids import Digest
from tests.support.format_values import CUSTODIAN, REPOSITORY, counter_random, fixed

SEED = fixed("custodian")
ORIGIN = KeyOrigin(repository=REPOSITORY, trust_root=Digest(fixed("trust root")))
KEY_ID = CUSTODIAN.public().recipient_id


def split(threshold: int = 3, count: int = 5, label: str = "shares") -> tuple[str, ...]:
    return split_seed(SEED, threshold=threshold, count=count, random_bytes=counter_random(label))


def test_any_three_of_five_give_the_seed():
    shares = split()
    assert len(shares) == 5
    assert {len(share.split()) for share in shares} == {33}
    for some in itertools.combinations(shares, 3):
        assert combine_shares(some) == SEED


def test_two_of_five_give_nothing():
    for some in itertools.combinations(split(), 2):
        with pytest.raises(KeyWrong):
            combine_shares(some)
    with pytest.raises(KeyWrong):
        combine_shares([])


def test_the_same_share_twice_counts_once():
    one, two, *_ = split()
    with pytest.raises(KeyWrong):
        combine_shares([one, two, one])


def test_what_people_type_may_differ_in_case_and_spaces():
    shares = [f"  {share.upper().replace(' ', chr(10))} " for share in split()[:3]]
    assert combine_shares(shares) == SEED


def test_a_wrong_word_is_noticed_and_not_repeated():
    shares = list(split()[:3])
    words = shares[0].split()
    for position in (0, 4, 20, 32):
        wrong = words.copy()
        wrong[position] = "academic" if words[position] != "academic" else "acid"
        with pytest.raises(KeyWrong) as caught:
            combine_shares([" ".join(wrong), *shares[1:]])
        assert words[10] not in caught.value.message + caught.value.found
    with pytest.raises(KeyWrong):
        combine_shares(["notaword " * 33, *shares[1:]])


def test_shares_of_two_keys_do_not_mix():
    one, other = split(label="one"), split(label="other")
    with pytest.raises(KeyWrong):
        combine_shares([one[0], one[1], other[2]])


def test_shares_of_another_kind_of_secret_are_refused():
    foreign = shamir.generate_mnemonics(1, [(2, 2)], b"x" * 16)[0]
    with pytest.raises(KeyWrong, match="something else"):
        combine_shares(foreign)


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (4, 3), (2, 17), (0, 0)])
def test_numbers_that_make_no_sense_are_refused(threshold, count):
    with pytest.raises(KeyWrong):
        split(threshold, count)


def test_randomness_is_the_callers_and_the_library_is_left_as_it_was():
    usual = shamir.RANDOM_BYTES
    assert split() == split()
    assert split() != split(label="other randomness")
    assert shamir.RANDOM_BYTES is usual
    with pytest.raises(Bug):
        split_seed(b"short", threshold=2, count=3, random_bytes=counter_random("x"))


def sheets() -> list[str]:
    share = ShareSheet(
        label="Giám đốc Sở", key_id=KEY_ID, number=2, count=5, threshold=3, words=split()[1], origin=ORIGIN
    )
    unknown = ShareSheet(label="x" * 100, key_id=KEY_ID, number=2, count=5, threshold=3, words=split()[1])
    recovery = RecoverySheet(
        title="Đất đai huyện Vĩnh Lạc (cũ)",
        origin=ORIGIN,
        stores=("s3://dat-dai-hanoi/drorch", "/srv/drorch"),
        recipients=(("Giám đốc Sở", KEY_ID),),
        printed_on="22/11/2026",
    )
    return [share.text(), unknown.text(), recovery.text()]


def test_sheets_fit_the_page_and_name_the_trust_root():
    share, unknown, recovery = sheets()
    for text in (share, unknown, recovery):
        assert max(map(len, text.splitlines())) <= 78
    for text in (share, recovery):
        assert "Trust root" in text
        assert ORIGIN.trust_root.raw[:2].hex() + "-" in text
    assert "....." in unknown


def test_the_words_on_a_sheet_are_the_share():
    share, *_ = sheets()
    words = [word for line in share.splitlines() for word in line.split() if line.startswith(" ") and word.isalpha()]
    assert " ".join(words) == split()[1]


def test_a_share_is_not_shown_by_accident():
    share = ShareSheet(label="x", key_id=KEY_ID, number=1, count=3, threshold=2, words=split()[0])
    assert split()[0].split()[5] not in repr(share)


def test_the_recovery_sheet_holds_no_secret_and_every_store():
    *_, recovery = sheets()
    assert SEED.hex() not in recovery
    assert "s3://dat-dai-hanoi/drorch" in recovery
    assert "/srv/drorch" in recovery


def test_a_share_says_which_it_is_and_how_many_are_needed():
    marks = [mark_of(share.upper()) for share in split(3, 5)]
    assert [(mark.number, mark.threshold) for mark in marks] == [(number, 3) for number in range(1, 6)]
    with pytest.raises(KeyWrong, match="no share"):
        mark_of("academic acid nonsense")
