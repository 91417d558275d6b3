"""Open a recipient's private key: from a key file and its passphrase, which is asked for and never stands in argv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from drorch.errors import KeyMissing, KeyWrong
from drorch.format.keyfile import KeyFile, KeyKind, read_key_file
from drorch.format.keys import RecipientKey
from drorch.ids import grouped

F = TypeVar("F", bound=Callable[..., Any])


def key_options(function: F) -> F:
    """Add ``--key`` and ``--passphrase-file``."""
    passphrase = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Read the passphrase from FILE instead of asking.",
    )
    key = click.option(
        "--key",
        "key_path",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The private key of a recipient.",
    )
    return key(passphrase(function))


def read_recipient(path: Path | None, passphrase_file: Path | None) -> RecipientKey:
    """Return the recipient key of a key file; ask for the passphrase on the terminal unless a file gives it.

    Raises ``KeyMissing`` when no key is named or its file is not there, ``KeyWrong`` when it is of another kind or does not open.
    """
    key_file, seed = open_seed(path, passphrase_file)
    return RecipientKey.from_seed(seed, key_file.label)


def open_seed(path: Path | None, passphrase_file: Path | None) -> tuple[KeyFile, bytes]:
    """Return a recipient's key file and its seed; raises what ``read_recipient`` raises."""
    if path is None:
        raise KeyMissing(
            "a private key is needed",
            expected="--key FILE",
            found="none",
            hint="the key of one of the recipients; hosts that make backups keep none",
        )
    key_file = read_key_file(_text(path))
    if key_file.kind is not KeyKind.RECIPIENT:
        raise KeyWrong(
            f"{path} holds a key that reads nothing", expected="a recipient's key", found=f"a {key_file.kind.value} key"
        )
    return key_file, key_file.open(_passphrase(path, key_file, passphrase_file))


def _passphrase(path: Path, key_file: KeyFile, passphrase_file: Path | None) -> str:
    if passphrase_file is not None:
        return _text(passphrase_file).rstrip("\r\n")
    name = f"{path.name} ({key_file.label} {grouped(key_file.key_id.raw[:4])})"
    answer: str = click.prompt(f"Passphrase of {name}", hide_input=True, err=True)
    return answer


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KeyMissing(f"{path} cannot be read", expected="a text file", found=reason or "") from error
