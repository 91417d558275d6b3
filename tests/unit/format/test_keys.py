"""Keys, and an independent HPKE: written from FORMAT.md section 5, ML-KEM, P-384, SHA-3 and HMAC, not from a library's HPKE."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from drorch.errors import Bug, KeyMissing, ObjectCorrupt, SignatureInvalid
from drorch.format.keys import (
    P384_ORDER,
    HostKey,
    LaneKeys,
    RecipientKey,
    RunKeys,
    RunRecord,
    SealedAgain,
    key_bundle,
    lane_for,
    open_run_keys,
    read_key_bundle,
    seal_run_keys,
)
from drorch.format.trust_record import Recipient
from drorch.ids import LaneId, RepositoryId
from tests.support.format_values import (
    AT,
    CUSTODIAN,
    DRILL_HOST,
    LANE,
    MAINTAINER,
    MAINTAINERS,
    OTHER_RUN,
    REPOSITORY,
    RUN,
    RUN_KEYS,
    WRITER,
    WRITERS,
    fixed,
    some_run_record,
)

CURVE = ec.SECP384R1()
SUITE = b"HPKE" + bytes.fromhex("0051 0002 0002")


class IndependentRecipient:
    """Section 5 read again: seed -> both private keys."""

    def __init__(self, seed: bytes) -> None:
        stream = hashlib.shake_256(b"drorch/1 recipient" + seed).digest(64 + 48)
        self.ml_kem = MLKEM1024PrivateKey.from_seed_bytes(stream[:64])
        self.p384 = ec.derive_private_key(int.from_bytes(stream[64:], "big"), CURVE)
        self.ml_kem_public = self.ml_kem.public_key().public_bytes_raw()
        self.p384_public = point(self.p384.public_key())


def point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def load_point(raw: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)


def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(48), b"HPKE-v1" + SUITE + label + ikm, "sha384")


def expand(prk: bytes, label: bytes, context: bytes, length: int) -> bytes:
    info = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + context
    assert length <= 48
    return hmac.digest(prk, info + b"\x01", "sha384")[:length]


def key_and_nonce(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


def combine(ss_pq: bytes, ss_t: bytes, ct_t: bytes, pk_t: bytes) -> bytes:
    return hashlib.sha3_256(ss_pq + ss_t + ct_t + pk_t + b"MLKEM1024-P384").digest()


def independent_open(recipient: IndependentRecipient, sealed: bytes, info: bytes) -> bytes:
    ct_pq, ct_t, ciphertext = sealed[:1568], sealed[1568:1665], sealed[1665:]
    ss_t = recipient.p384.exchange(ec.ECDH(), load_point(ct_t))
    shared = combine(recipient.ml_kem.decapsulate(ct_pq), ss_t, ct_t, recipient.p384_public)
    key, nonce = key_and_nonce(shared, info)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def independent_seal(recipient: Recipient, plain: bytes, info: bytes) -> bytes:
    ss_pq, ct_pq = MLKEM1024PublicKey.from_public_bytes(recipient.ml_kem_1024).encapsulate()
    ephemeral = ec.generate_private_key(CURVE)
    ct_t = point(ephemeral.public_key())
    ss_t = ephemeral.exchange(ec.ECDH(), load_point(recipient.p384))
    key, nonce = key_and_nonce(combine(ss_pq, ss_t, ct_t, recipient.p384), info)
    return ct_pq + ct_t + AESGCM(key).encrypt(nonce, plain, b"")


def info_for(recipient: Recipient) -> bytes:
    return b"drorch/1 run key" + REPOSITORY.raw + LANE.raw + RUN.raw + recipient.recipient_id.raw


def seal() -> bytes:
    return seal_run_keys(RUN_KEYS, CUSTODIAN.public(), REPOSITORY, LANE, RUN)


def test_the_independent_recipient_is_the_same_key():
    recipient = IndependentRecipient(fixed("custodian"))
    public = CUSTODIAN.public()
    assert (recipient.ml_kem_public, recipient.p384_public) == (public.ml_kem_1024, public.p384)
    assert public.recipient_id.raw == hashlib.sha256(recipient.ml_kem_public + recipient.p384_public).digest()


def test_independent_hpke_opens_what_drorch_seals():
    opened = independent_open(IndependentRecipient(fixed("custodian")), seal(), info_for(CUSTODIAN.public()))
    assert opened == RUN_KEYS.run_key + RUN_KEYS.lane_secret


def test_drorch_opens_what_independent_hpke_seals():
    public = CUSTODIAN.public()
    sealed = independent_seal(public, RUN_KEYS.run_key + RUN_KEYS.lane_secret, info_for(public))
    assert open_run_keys(sealed, CUSTODIAN, REPOSITORY, LANE, RUN, RUN_KEYS.commitment()) == RUN_KEYS


def test_the_order_is_that_of_the_curve():
    # n · G is the point at infinity, so (n - 1) · G is G with the other Y.
    generator = ec.derive_private_key(1, CURVE).public_key().public_numbers()
    last = ec.derive_private_key(P384_ORDER - 1, CURVE).public_key().public_numbers()
    assert (last.x, last.y != generator.y) == (generator.x, True)


def test_sealed_keys_open_for_their_run_and_recipient_only():
    sealed, commitment = seal(), RUN_KEYS.commitment()
    assert len(sealed) == 1745
    for repository, lane, run in (
        (RepositoryId(bytes(16)), LANE, RUN),
        (REPOSITORY, LaneId(bytes(16)), RUN),
        (REPOSITORY, LANE, OTHER_RUN),
    ):
        with pytest.raises(ObjectCorrupt):
            open_run_keys(sealed, CUSTODIAN, repository, lane, run, commitment)
    with pytest.raises(ObjectCorrupt):
        open_run_keys(sealed, DRILL_HOST, REPOSITORY, LANE, RUN, commitment)


def test_every_part_of_the_sealed_keys_is_checked():
    for position in (0, 1567, 1568, 1569, 1664, 1665, 1744):
        damaged = bytearray(seal())
        damaged[position] ^= 1
        with pytest.raises(ObjectCorrupt):
            open_run_keys(bytes(damaged), CUSTODIAN, REPOSITORY, LANE, RUN, RUN_KEYS.commitment())
    for length in (0, 100, 1665, 1744):
        with pytest.raises(ObjectCorrupt):
            open_run_keys(seal()[:length], CUSTODIAN, REPOSITORY, LANE, RUN, RUN_KEYS.commitment())


def test_what_opens_must_be_what_the_run_record_commits_to():
    with pytest.raises(ObjectCorrupt, match="not those of the run record"):
        open_run_keys(seal(), CUSTODIAN, REPOSITORY, LANE, RUN, bytes(48))
    short = independent_seal(CUSTODIAN.public(), b"short", info_for(CUSTODIAN.public()))
    with pytest.raises(ObjectCorrupt, match="sealed run keys are damaged"):
        open_run_keys(short, CUSTODIAN, REPOSITORY, LANE, RUN, RUN_KEYS.commitment())


def test_a_point_off_the_curve_is_no_recipient():
    public = CUSTODIAN.public()
    with pytest.raises(ObjectCorrupt):
        seal_run_keys(RUN_KEYS, Recipient(public.ml_kem_1024, b"\x04" + bytes(96)), REPOSITORY, LANE, RUN)


def test_secrets_are_not_shown():
    host = HostKey(fixed("writer"), fixed("master"))
    for holder in (RUN_KEYS, LaneKeys.derive(fixed("lane secret")), host, CUSTODIAN):
        text = repr(holder)
        for secret in ("run key", "lane secret", "writer", "master", "custodian"):
            assert fixed(secret).hex() not in text
            assert repr(fixed(secret))[2:10] not in text
    assert host.signing_key().key_id == WRITER.key_id


def test_seeds_have_their_size():
    with pytest.raises(Bug):
        RecipientKey.from_seed(b"short")
    with pytest.raises(Bug):
        RunKeys(b"short", bytes(32))


def verified(raw: bytes, **changes) -> RunRecord:
    return RunRecord.verify(raw, **{"repository": REPOSITORY, "lane": LANE, "run": RUN, "allowed": WRITERS, **changes})


def test_a_run_record_gives_the_keys_to_each_recipient():
    record = verified(some_run_record())
    assert (record.trust_number, record.made_at, record.signers) == (0, AT, frozenset({WRITER.key_id}))
    assert record.open([CUSTODIAN]) == record.open([DRILL_HOST]) == RUN_KEYS


def test_a_stranger_is_told_that_his_key_is_missing():
    stranger = RecipientKey.from_seed(fixed("stranger"))
    record = verified(some_run_record())
    with pytest.raises(KeyMissing):
        record.open([stranger])
    with pytest.raises(KeyMissing):
        record.open([])


def test_a_key_bundle_adds_a_recipient():
    added = RecipientKey.from_seed(fixed("added"))
    sealed = seal_run_keys(RUN_KEYS, added.public(), REPOSITORY, LANE, RUN)
    one = SealedAgain(LANE, RUN, added.public().recipient_id, sealed)
    raw = key_bundle(repository=REPOSITORY, number=3, sealed=[one], made_at=AT, key=MAINTAINER)
    assert read_key_bundle(raw, repository=REPOSITORY, number=3, allowed=MAINTAINERS) == (one,)
    record = verified(some_run_record())
    assert record.open([added], {one.recipient_id: one.sealed}) == RUN_KEYS
    with pytest.raises(SignatureInvalid):
        read_key_bundle(raw, repository=REPOSITORY, number=4, allowed=MAINTAINERS)
    with pytest.raises(SignatureInvalid):
        read_key_bundle(raw, repository=REPOSITORY, number=3, allowed=WRITERS)


def test_a_run_record_of_another_run_is_refused():
    with pytest.raises(SignatureInvalid):
        verified(some_run_record(), run=OTHER_RUN)


def test_lanes_follow_from_writer_source_and_generation():
    master = fixed("master")
    lane, secret = lane_for(WRITER.key_id, master, "land", 0)
    assert lane.raw[:6] == WRITER.key_id.raw[:6]
    assert lane.raw[6:] == hmac.digest(master, b"lane\0land\0\0\0\0\0", "sha256")[:10]
    assert lane_for(WRITER.key_id, master, "land", 0) == (lane, secret)
    others = [lane_for(WRITER.key_id, master, *other) for other in (("land", 1), ("lane", 0))]
    others.append(lane_for(WRITER.key_id, fixed("other master"), "land", 0))
    assert len({lane, *(other for other, _ in others)}) == 4
    assert len({secret, *(other for _, other in others)}) == 4


def test_lane_keys_differ_from_each_other_and_fit_the_chunker():
    keys = LaneKeys.derive(fixed("lane secret"))
    assert len({keys.chunk_id_key, keys.index_key, keys.rows_key}) == 3
    assert 0 <= keys.chunker_seed < 2**63
