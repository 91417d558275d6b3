"""Open restored documents and pictures as a reader would: a digest says that bytes are the same, not that they are a picture."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drorch.sources.files.names import shown
from drorch.sources.interface import FileDifference, Opened

_PDF, _TIFF, _JPEG = "PDF", "TIFF", "JPEG"
_FORMS: Final = {b".pdf": _PDF, b".tif": _TIFF, b".tiff": _TIFF, b".jpg": _JPEG, b".jpeg": _JPEG}


class DocumentOpener:
    """See ``OpensFiles``: PDF by pypdf, pictures by Pillow."""

    def open_all(self, directory: bytes) -> Opened:
        """See ``OpensFiles``."""
        counted: Counter[str] = Counter()
        broken: list[FileDifference] = []
        for above, directories, files in os.walk(directory):
            directories.sort()
            for name in sorted(files):
                path = above + b"/" + name
                form = _FORMS.get(os.path.splitext(name)[1].lower())  # noqa: PTH122 - names are bytes
                if form is None or os.path.islink(path):  # noqa: PTH114 - names are bytes
                    continue
                counted[form] += 1
                found = _fault(_pages_of_pdf if form == _PDF else _picture, path)
                if found:
                    expected = f"a {form} that opens"
                    broken.append(
                        FileDifference(name=shown(os.path.relpath(path, directory)), expected=expected, found=found)
                    )
        return Opened(by_form=dict(counted), broken=tuple(broken))


def _fault(open_it: Callable[[Path], str], path: bytes) -> str:
    """Return why the file does not open, ``""`` when it does. What a reader raises on hostile bytes is anything at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reader's remarks; what matters is whether it could read
            return open_it(Path(os.fsdecode(path)))
    except Exception as error:  # noqa: BLE001 - a file must never end a drill
        return f"{type(error).__name__} while it was opened"


def _pages_of_pdf(path: Path) -> str:
    from pypdf import PdfReader

    with path.open("rb") as file:
        reader = PdfReader(file)
        if reader.is_encrypted:
            return ""  # whole, and its password is not ours to have
        for page in reader.pages:
            page.get_contents()
        return "" if len(reader.pages) else "a document without pages"


def _picture(path: Path) -> str:
    from PIL import Image, ImageSequence

    with Image.open(path) as picture:
        for frame in ImageSequence.Iterator(picture):
            frame.load()
    return ""
