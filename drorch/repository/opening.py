"""Find a repository in a store, or make one; what is returned was checked against the caller's trust root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from drorch.errors import (
    DrorchError,
    IntegrityError,
    ObjectCorrupt,
    ObjectMissing,
    StoreError,
    StoreMissing,
    TrustMismatch,
)
from drorch.format import names
from drorch.format.trust import TrustChain
from drorch.policy.locks import LockRule
from drorch.quantities import counted
from drorch.storage.interface import ObjectStore, PutOutcome

TRUST_LIMIT_BYTES = 8 * 2**20
TRUST_CHAIN_LIMIT_BYTES = (
    128 * 2**20
)  # read whole before any of it can be verified: who fills a bucket shall not fill our memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One store that holds the repository; ``name`` is its name in drorch.yaml, ``lock`` how it locks what is put."""

    name: str
    store: ObjectStore
    lock: LockRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository whose trust chain was verified; ``replicas`` hold byte-identical objects.

    ``unusable`` says which stores were left out because they do not answer or are not a good copy, and why. ``short_of_trust`` are those
    that can be read, but lack the last trust records: what is signed by keys of those could not be read from them alone.
    """

    trust: TrustChain
    replicas: tuple[Replica, ...]
    unusable: Mapping[str, DrorchError] = field(default_factory=dict)
    short_of_trust: frozenset[str] = frozenset()


def read_trust(store: ObjectStore) -> tuple[bytes, ...]:
    """Return the objects ``trust/0``, ``trust/1``, ... until one is absent.

    Raises ``StoreMissing`` when none is there, ``ObjectCorrupt`` when they are together longer than any chain.
    """
    found: list[bytes] = []
    while True:
        if sum(map(len, found)) > TRUST_CHAIN_LIMIT_BYTES:
            raise ObjectCorrupt(
                f"the trust records of {store.address} are too long",
                expected=f"at most {TRUST_CHAIN_LIMIT_BYTES >> 20} MiB",
                found=f"{counted(len(found), 'object')} and more",
            )
        try:
            found.append(store.read(names.trust(len(found)), limit_bytes=TRUST_LIMIT_BYTES))
        except ObjectMissing:
            break
    if not found:
        raise StoreMissing(
            f"no repository in {store.address}",
            expected="an object named trust/0",
            found="none",
            hint="`drorch init` makes a repository; check bucket and prefix if there should be one",
        )
    return tuple(found)


def open_repository(replicas: Sequence[Replica], expected_root: bytes | None) -> Repository:
    """Open the repository that ``replicas`` hold.

    ``expected_root`` is the trust root's digest, whole or its first 16 bytes; ``None`` accepts any (the caller then shows it and
    marks the result as unauthenticated). The longest trust chain among the replicas counts, and the shorter ones must
    be its beginning. A store that does not answer, or whose trust chain is not good, is left out (``unusable``) as long as another is good.
    Raises ``TrustMismatch``, ``SignatureInvalid``, ``StoreMissing`` or what the stores raise.
    """
    chains: dict[str, tuple[bytes, ...]] = {}
    unusable: dict[str, DrorchError] = {}
    for replica in replicas:
        try:
            chain = read_trust(replica.store)
            TrustChain.verify(chain, expected_root)
        except (StoreError, IntegrityError) as error:
            unusable[replica.name] = error
        else:
            chains[replica.name] = chain
    if not chains:
        raise next(iter(unusable.values()))
    longest = max(chains.values(), key=len)
    good = [replica for replica in replicas if replica.name in chains]
    for replica in good:
        chain = chains[replica.name]
        if chain != longest[: len(chain)]:
            raise TrustMismatch(
                f"the stores hold different repositories: {replica.name} is not a copy of the others",
                expected="the same trust records in every store",
                found=f"a different trust record in {replica.store.address}",
            )
    return Repository(
        trust=TrustChain.verify(longest, expected_root),
        replicas=tuple(good),
        unusable=MappingProxyType(unusable),
        short_of_trust=frozenset(name for name, chain in chains.items() if len(chain) < len(longest)),
    )


def require_empty(replica: Replica) -> None:
    """Raise ``StoreMissing`` when the store holds a repository, and what the store raises when it does not answer."""
    try:
        replica.store.stat(names.trust(0))
    except ObjectMissing:
        return
    raise _another_lives_in(replica.store)


def put_help(replica: Replica, files: Mapping[str, bytes]) -> None:
    """Put plain files that say what is here; the same again is nothing new."""
    for name, content in files.items():
        replica.store.put_if_absent(name, content)


def create_repository(replica: Replica, trust_0: bytes) -> None:
    """Put ``trust/0``; raise ``StoreMissing`` when somebody's repository is there already, our own is none.

    A put whose answer was lost is asked for: what it left behind is there for ever.
    """
    try:
        if replica.store.put_if_absent(names.trust(0), trust_0) is PutOutcome.CREATED:
            return
    except StoreError:
        with suppress(StoreError):
            if replica.store.read(names.trust(0), limit_bytes=TRUST_LIMIT_BYTES) == trust_0:
                return
        raise
    if replica.store.read(names.trust(0), limit_bytes=TRUST_LIMIT_BYTES) != trust_0:
        raise _another_lives_in(replica.store)


def _another_lives_in(store: ObjectStore) -> StoreMissing:
    return StoreMissing(
        f"another repository lives in {store.address}",
        expected="an empty place",
        found="an object named trust/0",
        hint="choose another prefix, or give this repository's trust digest in drorch.yaml to use it",
    )
