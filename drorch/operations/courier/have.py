"""What a store has: the page by which the other side knows what to send."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drorch.format.courier import encode_have
from drorch.format.trust import TrustChain
from drorch.storage.interface import ObjectStore

# Lists of the maintainer speak of one store: they are not carried.
_CARRIED = re.compile(r"(?:trust|keys)/[0-9]+|l/[0-9a-f]{32}/[rpqxm]/.+")


def have(store: ObjectStore, trust: TrustChain) -> bytes:
    """Return the page of what ``store`` has."""
    return encode_have(trust.repository, _names(store))


def _names(store: ObjectStore) -> Iterator[str]:
    for prefix in ("trust/", "keys/", "l/"):
        yield from (stat.name for stat in store.list_objects(prefix) if _CARRIED.fullmatch(stat.name))
