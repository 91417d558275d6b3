"""Paper: a seed in k-of-n shares of words (SLIP-39), the sheet for each share, and the recovery sheet for the safe.

The texts are in Vietnamese and English, at most 78 columns.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import shamir_mnemonic
from shamir_mnemonic import shamir

from drorch.errors import Bug, KeyWrong
from drorch.format.keyfile import KeyOrigin
from drorch.format.keys import SEED_BYTES
from drorch.ids import KeyId, grouped

MOST_SHARES = 16
_ITERATION_EXPONENT = 1
_WIDTH = 78
_RULE = "-" * _WIDTH
_random_source = threading.Lock()


def split_seed(seed: bytes, *, threshold: int, count: int, random_bytes: Callable[[int], bytes]) -> tuple[str, ...]:
    """Return ``count`` shares of 33 words, any ``threshold`` of which give the seed and fewer of which tell nothing.

    Raises ``KeyWrong`` for numbers that make no sense (2 <= threshold <= count <= 16).
    """
    if len(seed) != SEED_BYTES:
        raise Bug(f"a seed of {len(seed)} bytes")
    if not 2 <= threshold <= count <= MOST_SHARES:
        raise KeyWrong(
            "a key cannot be shared out like that",
            expected=f"2 <= needed <= shares <= {MOST_SHARES}",
            found=f"{threshold} of {count}",
        )
    with _random_source:  # the library takes its randomness from a module's variable
        usual, shamir.RANDOM_BYTES = shamir.RANDOM_BYTES, random_bytes
        try:
            groups = shamir_mnemonic.generate_mnemonics(
                1, [(threshold, count)], seed, iteration_exponent=_ITERATION_EXPONENT
            )
        finally:
            shamir.RANDOM_BYTES = usual
    return tuple(groups[0])


def combine_shares(shares: Iterable[str]) -> bytes:
    """Return the seed that the shares make; raise ``KeyWrong`` for too few, mistyped or foreign ones. Case and spaces are free."""
    words = [" ".join(share.lower().split()) for share in shares]
    try:
        seed = shamir_mnemonic.combine_mnemonics(words)
    except (shamir_mnemonic.MnemonicError, ValueError, IndexError, KeyError) as error:
        # The library's messages quote no words, but how it goes on is not ours to promise: they are not passed on.
        raise KeyWrong(
            "the shares do not make a key",
            expected="enough different shares of one key, without a mistyped word",
            found="1 share" if len(words) == 1 else f"{len(words)} shares",
            hint="check each sheet's set mark and words; any one word that is wrong is noticed",
        ) from error
    if len(seed) != SEED_BYTES:
        raise KeyWrong("the shares make something else", expected="a key of drorch", found=f"{len(seed)} bytes")
    return bytes(seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareMark:
    """What a share says of itself, and what is no secret: which one it is, and how many are needed."""

    number: int
    threshold: int


def mark_of(share: str) -> ShareMark:
    """Return which share these words are; raise ``KeyWrong`` for words that are none."""
    try:
        found = shamir_mnemonic.Share.from_mnemonic(" ".join(share.lower().split()))
    except (shamir_mnemonic.MnemonicError, ValueError, IndexError, KeyError) as error:
        raise KeyWrong(
            "the words are no share of a key",
            expected="the words of one sheet, none of them mistyped",
            hint="check the sheet's words; any one word that is wrong is noticed",
        ) from error
    return ShareMark(number=found.index + 1, threshold=found.member_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSheet:
    """What stands on the sheet of one share. ``origin`` is unknown for a key that is older than its repository."""

    label: str
    key_id: KeyId
    number: int
    count: int
    threshold: int
    words: str = field(repr=False)
    origin: KeyOrigin | None = None

    def text(self) -> str:
        """Return the sheet, which is a secret."""
        words = self.words.split()
        rows = [words[start : start + 4] for start in range(0, len(words), 4)]
        table = [
            "".join(f"{4 * row + column + 1:>4} {word:<13}" for column, word in enumerate(four)).rstrip()
            for row, four in enumerate(rows)
        ]
        return _page(
            [
                "MẢNH KHÓA DRORCH / DRORCH KEY SHARE",
                _RULE,
                *_pair("Khóa", "Key", f"{self.label}  ({grouped(self.key_id.raw[:8])})"),
                *_pair("Mảnh", "Share", f"{self.number} / {self.count}"),
                *_pair("Cần", "Needed", f"{self.threshold} / {self.count}"),
                *_origin_block(self.origin),
                "",
                *table,
                *_paragraph(
                    "Giữ bí mật, cất trong phong bì niêm phong, mỗi mảnh một nơi khác nhau. "
                    f"Đủ {self.threshold} mảnh thì đọc được mọi bản sao lưu; ít hơn thì không biết gì."
                ),
                *_paragraph(
                    "Keep secret, in a sealed envelope, each share in another place. "
                    f"{self.threshold} shares read every backup; fewer tell nothing."
                ),
                *_paragraph("Ghép lại / To combine: drorch keys combine"),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySheet:
    """What stands on the page that goes into the safe. It holds no secret. ``recipients`` are label and id."""

    title: str
    origin: KeyOrigin
    stores: Sequence[str]
    recipients: Sequence[tuple[str, KeyId]]
    printed_on: str

    def text(self) -> str:
        """Return the sheet."""
        store = self.stores[0] if self.stores else "URL"
        return _page(
            [
                "PHIẾU KHÔI PHỤC / RECOVERY SHEET",
                _RULE,
                *_pair("Hệ thống", "System", self.title),
                *_pair("In ngày", "Printed", self.printed_on),
                *_origin_block(self.origin),
                "",
                "Kho lưu / Stores",
                *(f"  {address}" for address in self.stores),
                "",
                "Khóa đọc được / Keys that open it",
                *(f"  {label}  ({grouped(key_id.raw[:8])})" for label, key_id in self.recipients),
                "",
                "Cách khôi phục trên máy trống / How to restore on a bare machine",
                "  1. drorch, docs/OPERATIONS.md: install; S3: AWS_ACCESS_KEY_ID,",
                "     AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL",
                "  2. drorch snapshots --store STORE",
                "  3. drorch restore SNAPSHOT --store STORE --key KEY --to TARGET",
                f"     STORE = {store}",
                *_paragraph(
                    "Khi được hỏi, so mã gốc tin cậy trên màn hình với phiếu này. Khác một chữ thì dừng lại: "
                    "đó không phải kho của đơn vị."
                ),
                *_paragraph(
                    "When asked, compare the trust root on the screen with this sheet. If one digit differs, "
                    "stop: it is not your repository."
                ),
                *_paragraph(
                    "Không có drorch: thư mục help/ trong kho có recover.py và format.md, đọc được bằng Python. / "
                    "Without drorch: help/ in the store holds recover.py and format.md; Python is enough."
                ),
            ]
        )


def _pair(vietnamese: str, english: str, value: str) -> list[str]:
    name = f"{vietnamese} / {english}"
    return textwrap.wrap(f"{name:<28}{value}", _WIDTH, subsequent_indent=" " * 28, drop_whitespace=True) or [name]


def _origin_block(origin: KeyOrigin | None) -> list[str]:
    blank = "." * 39
    repository = blank if origin is None else grouped(origin.repository.raw)
    trust = blank if origin is None else grouped(origin.trust_root.raw[:16])
    return [
        f"{'Kho / Repository':<28}{repository}",
        f"{'Gốc tin cậy / Trust root':<28}{trust}",
    ]


def _paragraph(text: str) -> list[str]:
    return ["", *textwrap.wrap(text, _WIDTH)]


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
