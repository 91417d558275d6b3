"""A synthetic store of scanned land files (kho ảnh quét): a tree as several offices filled it over twenty years.

Names composed and decomposed side by side, one in TCVN3 bytes, one file under two names, links, one of them to nothing, an empty
folder, an empty file. What looks like a scan is one: PDF, TIFF and JPEG that viewers open.
"""

from __future__ import annotations

from collections.abc import Iterator

from drorch.operations.demonstration.hashes import hashes
from drorch.operations.demonstration.pictures import jpeg, pdf, tiff
from drorch.operations.demonstration.words import OLD_COMMUNES, decomposed, tcvn3
from drorch.sandbox.interface import TreeEntry

_OLD_NS = 915_148_800_123_456_789  # 1 January 1999, with nanoseconds
_DAY_NS = 86_400_000_000_000
_CERTIFICATE = "Giấy chứng nhận.pdf"


def scans(scale: int, seed: int = 45) -> Iterator[TreeEntry]:
    """Yield a tree with ``scale`` scans in folders of communes and years, and what people leave beside them."""
    for number, h in hashes("scan", scale, seed):
        commune = OLD_COMMUNES[h[0] % len(OLD_COMMUNES)][1]
        folder = f"{decomposed(commune) if h[1] < 128 else commune}/{1994 + h[2] % 30}"
        kind = ("pdf", "tif", "jpg")[h[3] % 3]
        yield TreeEntry(
            name=f"{folder}/HS-{number:05d}.{kind}".encode(),
            content=scan(kind, number, h),
            mode=(0o644, 0o640, 0o600, 0o444)[h[4] % 4],
            modified_ns=_OLD_NS + int.from_bytes(h[5:7]) % 9_000 * _DAY_NS + h[7],
        )
    yield from _beside_them()


def scan(kind: str, number: int, h: bytes) -> bytes:
    """Return a small document of that kind: ``pdf``, ``tif`` or ``jpg``."""
    if kind == "tif":
        return tiff(64 + 8 * (h[8] % 8), 64 + h[9] % 64, h)
    picture = jpeg(8 + h[8] % 8, 8 + h[9] % 8, h)
    return picture if kind == "jpg" else pdf(f"Hồ sơ số {number}", picture, 8 * (8 + h[8] % 8), 8 * (8 + h[9] % 8))


def _beside_them() -> Iterator[TreeEntry]:
    _, first = next(hashes("certificate", 1, 0))
    together = f"Hai kiểu chữ/{_CERTIFICATE}".encode()
    yield TreeEntry(name=together, content=scan("pdf", 1, first))
    yield TreeEntry(name=f"Hai kiểu chữ/{decomposed(_CERTIFICATE)}".encode(), content=scan("pdf", 2, first))
    yield TreeEntry(name=b"cu/" + tcvn3("Sổ mục kê.tif"), content=scan("tif", 3, first), modified_ns=_OLD_NS)
    yield TreeEntry(name=b"cu/so-cap-giay.pdf", same_as=together)
    yield TreeEntry(name="mới nhất".encode(), says="Hai kiểu chữ".encode())
    yield TreeEntry(name=b"o-dia-cu", says=b"/mnt/o-dia-da-thao/scan")
    yield TreeEntry(name=b"cu/trong", mode=0o750)
    yield TreeEntry(name="cu/không có gì".encode(), content=b"", mode=0o400, modified_ns=1)
