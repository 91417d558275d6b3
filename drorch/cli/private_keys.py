"""Open a recipient's private key: from a key file and its passphrase, which is asked for and never stands in argv."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import click

from drorch.errors import KeyMissing, KeyWrong, SecretUnavailable
from drorch.format.keyfile import KeyFile, KeyKind, read_key_file
from drorch.format.keys import RecipientKey
from drorch.format.signing import SigningKey
from drorch.ids import KeyId, grouped
from drorch.wiring import is_terminal

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


def recipient_soon(path: Path | None, passphrase_file: Path | None) -> Callable[[], RecipientKey]:
    """Return what returns the key, or raises, as ``read_recipient`` does.

    With a file for the passphrase the key is being opened from now on: to stretch a passphrase takes half a second of a processor
    that nothing else needs while a command starts. Nobody is asked for one before it is needed.
    """
    if passphrase_file is None:
        return lambda: read_recipient(path, None)
    pool = ThreadPoolExecutor(1, thread_name_prefix="key")
    opening = pool.submit(read_recipient, path, passphrase_file)
    pool.shutdown(wait=False)
    return opening.result


def open_seed(path: Path | None, passphrase_file: Path | None) -> tuple[KeyFile, bytes]:
    """Return a recipient's key file and its seed; raises what ``read_recipient`` raises."""
    if path is None:
        raise KeyMissing(
            "a private key is needed",
            expected="--key FILE",
            found="none",
            hint="the key of one of the recipients; hosts that make backups keep none",
        )
    key_file = _closed(path)
    if key_file.kind is not KeyKind.RECIPIENT:
        raise KeyWrong(
            f"{path} holds a key that reads nothing",
            expected="a recipient's key",
            found=f"one of kind {key_file.kind.value}",
        )
    return key_file, key_file.open(_passphrase(path, key_file, passphrase_file))


def read_signer(path: Path | None, passphrase_file: Path | None, role: str) -> SigningKey:
    """Return the signing key of a person with that role; raises ``KeyMissing`` or ``KeyWrong`` as ``read_recipient`` does."""
    if path is None:
        raise KeyMissing(
            "a person signs with a key of their own",
            expected="--key FILE",
            found="none",
            hint=f"`drorch keys generate NAME --role {role}` makes one",
        )
    key_file = _closed(path)
    if key_file.kind.value != role:
        raise KeyWrong(
            f"{path} is not the key of one whose role is {role}",
            expected=f"a key of kind {role}",
            found=f"one of kind {key_file.kind.value}",
        )
    return SigningKey.from_seed(key_file.open(_passphrase(path, key_file, passphrase_file)))


def read_root(path: Path, passphrase_file: Path | None, require: Callable[[KeyId], None]) -> SigningKey:
    """Return the root key of a key file; ``require`` raises for one that may not sign, before anybody is asked for a passphrase."""
    key_file = _closed(path)
    if key_file.kind is not KeyKind.ROOT:
        raise KeyWrong(
            f"{path} does not say who may read and write",
            expected="a root key",
            found=f"one of kind {key_file.kind.value}",
        )
    require(key_file.key_id)
    return SigningKey.from_seed(key_file.open(_passphrase(path, key_file, passphrase_file)))


def _closed(path: Path) -> KeyFile:
    text = text_of(path)
    if text.startswith("drorch-"):
        raise KeyWrong(
            f"{path} is the public half of a key",
            expected="the private half",
            found=f"a file that begins with {text.split(maxsplit=1)[0]}",
            hint=f"the private half is kept by the custodian as {path.stem}.key",
        )
    return read_key_file(text)


def _passphrase(path: Path, key_file: KeyFile, passphrase_file: Path | None) -> str:
    if passphrase_file is not None:
        return text_of(passphrase_file).rstrip("\r\n")
    name = f"{path.name} ({key_file.label} {grouped(key_file.key_id.raw[:4])})"
    return ask_hidden(f"Passphrase of {name}")


def new_passphrase(path: Path | None, question: str = "New passphrase", option: str = "--passphrase-file") -> str:
    """Return a new passphrase: from a file, or asked for twice. ``option`` is what names the file."""
    return ask_hidden(question, option, twice=True) if path is None else text_of(path).rstrip("\r\n")


def ask_hidden(question: str, option: str = "--passphrase-file", *, twice: bool = False) -> str:
    """Return what a person types without showing it; without a terminal, one line of stdin.

    Raises ``SecretUnavailable`` when nobody can be asked.
    """
    if is_terminal():
        answer: str = click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True)
        return answer
    line = line_of_stdin()
    if not line:
        raise SecretUnavailable(
            "a passphrase is needed, and there is no terminal to ask for it",
            expected=f"{option} FILE, a terminal, or a line on stdin",
            found="none of them",
        )
    return line.rstrip("\r\n")


def line_of_stdin() -> str:
    """Return the next line with its end; empty when there is none. Raises ``SecretUnavailable``."""
    try:
        return "" if sys.stdin is None else sys.stdin.readline()
    except UnicodeDecodeError:
        raise SecretUnavailable("what stdin gives is not text", expected="UTF-8", found="other bytes") from None


def text_of(path: Path) -> str:
    """Return the text of a file that was named on the command line; raise ``KeyMissing``."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KeyMissing(
            f"{path} cannot be read",
            expected="a text file",
            found=reason or "",
            hint="look at the path and at who may read it; a key on a stick must be mounted first",
        ) from error
