"""What a stored stream says of itself, read as something that anybody could have written."""

from __future__ import annotations

import json
from collections.abc import Mapping

from drorch.errors import ObjectCorrupt
from drorch.sources.interface import Json


def text_of(attributes: Mapping[str, Json], name: str) -> str:
    """Return the text under ``name``; raise ``ObjectCorrupt``."""
    found = attributes.get(name)
    if not isinstance(found, str):
        raise ObjectCorrupt(f"a stored stream does not say its {name}", expected="text", found=type(found).__name__)
    return found


def texts_of(attributes: Mapping[str, Json], name: str) -> list[str]:
    """Return the texts under ``name``; raise ``ObjectCorrupt``."""
    found = attributes.get(name)
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise ObjectCorrupt(f"a stored stream does not say its {name}", expected="a list of texts", found="another")
    return [str(one) for one in found]


def written_texts_of(attributes: Mapping[str, Json], name: str) -> list[str]:
    """Return the texts of the JSON that is written under ``name``; raise ``ObjectCorrupt``."""
    try:
        return texts_of({name: json.loads(text_of(attributes, name))}, name)
    except (ValueError, RecursionError) as error:
        raise ObjectCorrupt(f"a stored stream does not say its {name}", expected="JSON", found="other text") from error
