"""Carries verified objects from one store to another, as ciphertext."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drorch.errors import IntegrityError, ObjectMissing
from drorch.format import names
from drorch.format.keys import read_key_bundle
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.trust import TrustChain
from drorch.repository.copies import Copies
from drorch.repository.opening import Replica, read_trust
from drorch.repository.replicas import put_or_compare
from drorch.storage.interface import ObjectStore


class Carrier:
    """Reads objects from any source, each verified, and puts them into the target, each once; counts what it put."""

    def __init__(
        self, sources: Sequence[Replica], target: Replica, trust: TrustChain, progress: Callable[[int], None]
    ) -> None:
        self.sources = tuple(sources)
        self.target = target
        self.trust = trust
        self.objects = 0
        self.bytes = 0
        self._progress = progress
        self._copies = Copies(self.sources)
        self._put: set[str] = set()

    def trust_records(self) -> None:
        """Put the trust records and key bundles that the target lacks; the trust chain was verified when the repository was opened."""
        longest = max((read_trust(source.store) for source in self.sources), key=len)
        for number, raw in enumerate(longest):
            self.put(names.trust(number), raw)
        allowed = self.trust.allowed(ObjectType.KEY_BUNDLE, None)
        number = 0
        while True:
            name = names.bundle(number)

            def verify(raw: bytes, number: int = number) -> object:
                return read_key_bundle(raw, repository=self.trust.repository, number=number, allowed=allowed)

            try:
                self.put(name, self._bundle(name, verify))
            except ObjectMissing:
                break
            number += 1

    def _bundle(self, name: str, verify: Callable[[bytes], object]) -> bytes:
        """Return a good copy of a key bundle, or any: of a revoked maintainer's none counts, and later ones are found by its number."""
        try:
            return self.read(name, verify)
        except IntegrityError:
            return self.read(name, bytes)

    def read(self, name: str, verify: Callable[[bytes], object], limit_bytes: int = OBJECT_LIMIT_BYTES) -> bytes:
        """Return the bytes of the first copy that ``verify`` accepts; raises as ``Copies.first_good`` does."""

        def read(store: ObjectStore, copy: str) -> bytes:
            raw = store.read(copy, limit_bytes=limit_bytes)
            verify(raw)
            return raw

        return self._copies.first_good(name, read)

    def put(self, name: str, raw: bytes) -> None:
        """Put an object once; raises ``ObjectConflict`` when other bytes are there."""
        if name in self._put:
            return
        if put_or_compare(self.target, name, raw):
            self.objects += 1
            self.bytes += len(raw)
            self._progress(len(raw))
        self._put.add(name)
