from dataclasses import replace

import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt, SignatureInvalid, TrustMismatch
from drorch.format.objects import ObjectType, digest_of
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.format.trust_record import Head, Recipient, Revocation, Role, RootKey, Signer, TrustRecord
from drorch.ids import Digest, LaneId, RepositoryId
from tests.support.format_values import AT, LANE, MAINTAINER, OTHER_WRITER, ROOTS, WRITER, fixed, trust_record

NEW_ROOT = SigningKey.from_seed(fixed("new root"))
HEAD = Head(7, Digest(fixed("head")))


def next_record(raw: bytes, before: TrustRecord, **changes) -> TrustRecord:
    after: TrustRecord = replace(before, number=before.number + 1, previous=digest_of(raw), **changes)
    return after


@pytest.fixture
def first() -> TrustRecord:
    return trust_record()


@pytest.fixture
def root(first) -> bytes:
    record: TrustRecord = first
    return record.sign(ROOTS[:2], AT)


def verify(*objects: bytes) -> TrustChain:
    return TrustChain.verify(objects, digest_of(objects[0]).raw)


def revoked(record: TrustRecord, raw: bytes, last_good) -> TrustRecord:
    signers = tuple(signer for signer in record.signers if signer.public != WRITER.public)
    return next_record(raw, record, signers=signers, revocations=(Revocation(WRITER.key_id, last_good),))


def test_a_record_comes_back(first, root):
    chain = verify(root)
    assert chain.last == first
    assert (chain.repository, chain.number, chain.min_writer) == (first.repository, 0, 1)
    assert (chain.recipients, chain.signers) == (first.recipients, first.signers)
    assert chain.root_digest == chain.last_digest == digest_of(root)


def test_the_root_may_be_known_by_its_first_sixteen_bytes(root):
    digest = digest_of(root).raw
    assert TrustChain.verify([root], digest[:16]).root_digest.raw == digest
    with pytest.raises(Bug):
        TrustChain.verify([root], digest[:8])


def test_another_root_is_refused_however_well_it_is_signed(root):
    forger = tuple(SigningKey.from_seed(fixed(f"forger {number}")) for number in range(3))
    forged = trust_record(roots=tuple(RootKey(key.public) for key in forger)).sign(forger, AT)
    assert TrustChain.verify([forged], None).root_digest == digest_of(forged)  # only for who pins nothing
    with pytest.raises(TrustMismatch) as caught:
        TrustChain.verify([forged], digest_of(root).raw)
    assert caught.value.expected != caught.value.found


def test_no_record_is_no_repository():
    with pytest.raises(TrustMismatch):
        TrustChain.verify([], None)


@pytest.mark.parametrize("signers", [(), ROOTS[:1], (ROOTS[0], ROOTS[0]), (ROOTS[0], WRITER)])
def test_too_few_root_keys_do_not_make_a_root(first, signers):
    with pytest.raises(SignatureInvalid):
        verify(first.sign(signers, AT))


def test_the_keys_of_the_record_before_sign_the_next(first, root):
    second = next_record(root, first, roots=(RootKey(NEW_ROOT.public),), threshold=1)
    by_old = second.sign(ROOTS[1:], AT)
    assert verify(root, by_old).last == second
    with pytest.raises(SignatureInvalid):
        verify(root, second.sign((NEW_ROOT,), AT))
    third = next_record(by_old, second)
    assert verify(root, by_old, third.sign((NEW_ROOT,), AT)).number == 2
    with pytest.raises(SignatureInvalid):
        verify(root, by_old, third.sign(ROOTS, AT))


@pytest.mark.parametrize(
    "changes",
    [{"number": 2}, {"previous": Digest(bytes(32))}, {"repository": RepositoryId(bytes(16))}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_that_does_not_follow_is_an_error(first, root, changes):
    wrong = replace(next_record(root, first), **changes).sign(ROOTS, AT)
    with pytest.raises(SignatureInvalid):
        verify(root, wrong)


def test_a_record_cannot_be_left_out(first, root):
    second = next_record(root, first).sign(ROOTS, AT)
    third = next_record(second, next_record(root, first)).sign(ROOTS, AT)
    with pytest.raises(SignatureInvalid):
        verify(root, third)


def test_a_newer_repository_is_refused_and_a_newer_writer_told(first, root):
    writer = next_record(root, first, min_writer=2).sign(ROOTS, AT)
    assert verify(root, writer).min_writer == 2
    with pytest.raises(FormatUnsupported):
        verify(root, next_record(root, first, min_reader=2).sign(ROOTS, AT))


def test_writers_sign_in_their_own_lanes_only(root):
    chain = verify(root)
    other_lane = LaneId(OTHER_WRITER.key_id.raw[:6] + bytes(10))
    for object_type in (ObjectType.RUN_RECORD, ObjectType.PACK_LIST, ObjectType.MANIFEST, ObjectType.COMMIT):
        assert chain.allowed(object_type, LANE) == {WRITER.key_id: WRITER.public}
        assert set(chain.allowed(object_type, other_lane)) == {OTHER_WRITER.key_id}
        assert chain.allowed(object_type, LaneId(bytes(16))) == {}


def test_maintainers_sign_what_deletes_and_nothing_that_counts(root):
    chain = verify(root)
    for object_type in (ObjectType.KEY_BUNDLE, ObjectType.RETIRE_LIST, ObjectType.DAMAGE_LIST):
        assert set(chain.allowed(object_type, None)) == {MAINTAINER.key_id}
    assert chain.allowed(ObjectType.TRUST, None) == {}


def test_a_revoked_writer_counts_up_to_its_last_good_head(first, root):
    chain = verify(root, revoked(first, root, {LANE: HEAD}).sign(ROOTS, AT))
    elsewhere = LaneId(LANE.raw[:6] + bytes(10))
    assert chain.is_revoked(WRITER.key_id)
    assert set(chain.allowed(ObjectType.MANIFEST, LANE)) == {WRITER.key_id}  # found in the record before
    assert chain.last_good(WRITER.key_id, LANE) == HEAD
    assert chain.allowed(ObjectType.MANIFEST, elsewhere) == {}
    assert chain.last_good(WRITER.key_id, elsewhere) is None
    assert not chain.is_revoked(OTHER_WRITER.key_id)


def test_a_revoked_maintainer_signs_nothing(first, root):
    revocations = (Revocation(MAINTAINER.key_id, {LANE: HEAD}),)
    chain = verify(root, next_record(root, first, revocations=revocations).sign(ROOTS, AT))
    assert MAINTAINER.key_id not in chain.allowed(ObjectType.RETIRE_LIST, None)


def test_a_record_that_contradicts_itself_is_not_made(first):
    twin = Signer(WRITER.public, Role.MAINTAINER, "same key")
    for changes in (
        {"threshold": 4},
        {"threshold": 0},
        {"roots": first.roots[:1] * 2},
        {"signers": (*first.signers, twin)},
        {"recipients": first.recipients * 17},
    ):
        with pytest.raises(Bug):
            replace(first, **changes)


def test_a_record_that_contradicts_itself_is_not_read(first, root, monkeypatch):
    with monkeypatch.context() as patched:  # the forger's drorch does not check itself
        patched.setattr(TrustRecord, "_contradiction", lambda _: "")
        bad = next_record(root, first, threshold=200).sign(ROOTS, AT)
    with pytest.raises(ObjectCorrupt, match="contradicts itself"):
        verify(root, bad)


def test_public_keys_have_their_sizes():
    with pytest.raises(ObjectCorrupt):
        Recipient.checked(b"short", b"short", "x")
