"""The key is in the hands of its custodians: they bring their shares, and it exists for as long as the drill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drorch.errors import KeyWrong
from drorch.format.custody import combine_shares
from drorch.format.keyfile import KeyKind, public_of
from drorch.format.keys import RecipientKey
from drorch.ids import grouped
from drorch.quantities import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedKey:
    """A key that shares made. ``told`` says what was done, without a word of them."""

    key: RecipientKey
    shares: int
    told: str


def combine_key(shares: Sequence[str], label: str) -> CombinedKey:
    """Make the key out of the words of enough shares, and try that one share fewer makes none; raise ``KeyWrong``."""
    seed = combine_shares(shares)
    identity = public_of(KeyKind.RECIPIENT, seed, label).key_id
    quorum = "; one fewer made no key" if _is_needed(shares) else "; fewer would have done"
    return CombinedKey(
        key=RecipientKey.from_seed(seed, label),
        shares=len(shares),
        told=f"{counted(len(shares), 'share')} made key {grouped(identity.raw[:8])}{quorum}; it was written nowhere",
    )


def _is_needed(shares: Sequence[str]) -> bool:
    """Whether the last share was needed: without it there is no key."""
    try:
        combine_shares(shares[:-1])
    except KeyWrong:
        return True
    return False
