from dataclasses import replace
from datetime import timedelta

import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt, SignatureInvalid
from drorch.format import names
from drorch.format.fields import u8, u64
from drorch.format.manifest import Commit, CommitState, Manifest, Needs, SealedBody, bitmap_of, ordinals_of
from drorch.format.objects import ObjectType, digest_of
from drorch.format.record import RecordContext
from drorch.format.signing import sign_object
from drorch.ids import Digest
from tests.support.format_values import (
    AT,
    CONTEXT,
    LANE,
    MAINTAINERS,
    OTHER_RUN,
    REPOSITORY,
    RUN,
    RUN_KEYS,
    WRITER,
    WRITERS,
    fixed,
    reference,
    some_manifest,
)

BODY = SealedBody(
    facts={"engine": "postgresql", "tên": "Đất đai"},
    entries=reference(),
    containers=(reference(0, 70_000), reference(2, 7)),
    closing_facts={"held_seconds": 8},
    entries_size=5_000_000,
)
SALT = fixed("salt")


def verify(raw: bytes, **changes):
    return Manifest.verify(
        raw, **{"repository": REPOSITORY, "lane": LANE, "sequence": 1, "allowed": WRITERS, **changes}
    )


def test_a_manifest_comes_back():
    raw = some_manifest().sign(b"sealed", WRITER, AT)
    found = verify(raw)
    expected = some_manifest(made_at=AT, digest=digest_of(raw), signers={WRITER.key_id}, sealed_body=b"sealed")
    assert found == expected


def test_what_is_optional_may_be_absent():
    bare = some_manifest(needs=(), store_date=None, retention_class=None, slot=None, group=None, engine=None)
    found = verify(bare.sign(b"sealed", WRITER, AT))
    assert (found.needs, found.store_date, found.retention_class, found.slot, found.group, found.engine) == (
        (),
        None,
        None,
        None,
        None,
        None,
    )


def test_a_manifest_under_another_number_is_refused():
    raw = some_manifest().sign(b"", WRITER, AT)
    with pytest.raises(SignatureInvalid):
        verify(raw, sequence=2)


def test_name_and_number_must_agree():
    fields = some_manifest(sequence=2)._fields()
    raw = sign_object(
        ObjectType.MANIFEST,
        fields,
        name=names.manifest(LANE, 1),
        repository=REPOSITORY,
        lane=LANE,
        made_at=AT,
        keys=(WRITER,),
    )
    with pytest.raises(ObjectCorrupt, match="another number"):
        verify(raw)


def test_who_may_not_sign_is_refused():
    with pytest.raises(SignatureInvalid):
        verify(some_manifest().sign(b"", WRITER, AT), allowed=MAINTAINERS)


@pytest.mark.parametrize("result", [0, 3])
def test_an_unknown_result_is_refused(result):
    fields = [(number, u8(result) if number == 25 else value) for number, value in some_manifest()._fields()]
    raw = sign_object(
        ObjectType.MANIFEST,
        fields,
        name=names.manifest(LANE, 1),
        repository=REPOSITORY,
        lane=LANE,
        made_at=AT,
        keys=(WRITER,),
    )
    with pytest.raises(FormatUnsupported):
        verify(raw)


def test_a_manifest_that_is_too_long_is_refused():
    with pytest.raises(Bug):
        some_manifest().sign(bytes(8 * 2**20), WRITER, AT)
    with pytest.raises(ObjectCorrupt, match="too long"):
        verify(bytes(8 * 2**20 + 1))


def test_times_keep_their_milliseconds_and_their_zone():
    later = AT + timedelta(milliseconds=1)
    found = verify(some_manifest(ended=later).sign(b"", WRITER, later))
    assert (found.ended, found.made_at) == (later, later)
    assert found.ended.tzinfo is not None


def test_bitmaps_count_from_the_high_bit():
    assert bitmap_of([0, 9], 10) == b"\x80\x40"
    assert bitmap_of([], 0) == b""
    assert list(ordinals_of(b"\x80\x40\x00\x01")) == [0, 9, 31]
    with pytest.raises(Bug):
        bitmap_of([10], 10)


def test_needs_answer_for_one_pack():
    needs = Needs(RUN, Digest(fixed("list")), bitmap_of([0, 9], 11))
    assert [ordinal for ordinal in range(40) if needs.has(ordinal)] == list(needs.ordinals) == [0, 9]


def test_the_body_comes_back_for_its_run_only():
    sealed = BODY.seal(RUN_KEYS.run_key, SALT, CONTEXT)
    assert SealedBody.open(RUN_KEYS.run_key, CONTEXT, sealed) == BODY
    with pytest.raises(ObjectCorrupt):
        SealedBody.open(RUN_KEYS.run_key, RecordContext(REPOSITORY, LANE, OTHER_RUN), sealed)
    with pytest.raises(ObjectCorrupt):
        SealedBody.open(fixed("another"), CONTEXT, sealed)


def test_a_body_without_streams_has_no_entries():
    empty = SealedBody(facts={}, entries=None)
    assert SealedBody.open(RUN_KEYS.run_key, CONTEXT, empty.seal(RUN_KEYS.run_key, SALT, CONTEXT)) == empty


def test_every_byte_of_a_body_counts():
    sealed = BODY.seal(RUN_KEYS.run_key, SALT, CONTEXT)
    for position in range(0, len(sealed), 5):
        damaged = bytearray(sealed)
        damaged[position] ^= 2
        with pytest.raises(ObjectCorrupt):
            SealedBody.open(RUN_KEYS.run_key, CONTEXT, bytes(damaged))
    for length in (0, 47, len(sealed) - 1):
        with pytest.raises(ObjectCorrupt):
            SealedBody.open(RUN_KEYS.run_key, CONTEXT, sealed[:length])


COMMIT = Commit(
    sequence=1,
    manifest_digest=Digest(fixed("manifest")),
    state=CommitState.COMMITTED,
    manifest=b"manifest",
    pack_list=b"pack list",
    run_record=b"run record",
)


def verify_commit(raw: bytes, **changes) -> Commit:
    return Commit.verify(raw, **{"repository": REPOSITORY, "lane": LANE, "sequence": 1, "allowed": WRITERS, **changes})


@pytest.mark.parametrize(
    "commit",
    [
        COMMIT,
        replace(COMMIT, pack_list=b""),
        Commit(sequence=1, manifest_digest=COMMIT.manifest_digest, state=CommitState.VOID),
    ],
    ids=["committed", "without packs", "void"],
)
def test_a_commit_comes_back(commit):
    raw = commit.sign(repository=REPOSITORY, lane=LANE, made_at=AT, key=WRITER)
    found = verify_commit(raw)
    assert found == replace(commit, made_at=AT, digest=digest_of(raw), signers=frozenset({WRITER.key_id}))


def test_a_commit_of_another_number_is_refused():
    raw = COMMIT.sign(repository=REPOSITORY, lane=LANE, made_at=AT, key=WRITER)
    with pytest.raises(SignatureInvalid):
        verify_commit(raw, sequence=2)


@pytest.mark.parametrize(("number", "value", "error"), [(18, u8(3), FormatUnsupported), (16, u64(2), ObjectCorrupt)])
def test_an_unknown_state_or_number_is_refused(number, value, error):
    fields = [(16, u64(1)), (17, bytes(32)), (18, u8(1))]
    changed = [(one, value if one == number else old) for one, old in fields]
    raw = sign_object(
        ObjectType.COMMIT,
        changed,
        name=names.commit(LANE, 1),
        repository=REPOSITORY,
        lane=LANE,
        made_at=AT,
        keys=(WRITER,),
    )
    with pytest.raises(error):
        verify_commit(raw)
