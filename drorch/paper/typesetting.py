"""The only user of the typesetter: a page in, a PDF out. The same page makes the same bytes, wherever and whenever."""

from __future__ import annotations

import json
import unicodedata
from importlib import resources

from drorch.errors import Bug, EvidenceError
from drorch.paper.blocks import Page, document_of

_TEMPLATE = "page.typ"


def typeset(page: Page) -> bytes:
    """Return the PDF of a page, its fonts embedded; texts are brought to NFC, as Vietnamese readers search them."""
    try:
        import typst
    except ImportError as error:
        raise EvidenceError(
            "this installation cannot print reports",
            expected="the package typst",
            found="none",
            hint="install drorch with the extra `drills`",
        ) from error
    data = unicodedata.normalize("NFC", json.dumps(document_of(page), ensure_ascii=False))
    template = (resources.files("drorch.paper") / _TEMPLATE).read_bytes()
    try:
        made = typst.compile(template, sys_inputs={"page": data}, ignore_system_fonts=True)
    except (typst.TypstError, RuntimeError, ValueError) as error:
        raise Bug(f"a page cannot be typeset: {str(error)[:200]}") from error
    if not isinstance(made, bytes):
        raise Bug("the typesetter returned no PDF")
    return made
