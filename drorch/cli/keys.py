"""``drorch keys``: make recipients' keys on a custodian's machine, and share them out among several people."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from drorch.cli import keys_trust
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.cli.private_keys import key_options, new_passphrase, open_seed, text_of
from drorch.errors import TargetRefused, UsageInvalid
from drorch.format.custody import ShareSheet, combine_shares, split_seed
from drorch.format.keyfile import KeyKind, encode_public, public_of, seal_key_file
from drorch.ids import KeyId, grouped
from drorch.wiring import random_bytes

SEED_BYTES = 32


@click.group(epilog="Example: drorch keys generate custodians")
def command() -> None:
    """Make recipients' keys, and share them out among several people.

    A recipient's key reads backups. It is made on the custodian's own machine, never on a host that makes backups; only the file NAME.pub
    is brought there. Example: drorch keys generate custodians
    """


_directory = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the files go; the current directory by default.",
)
_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the passphrase from FILE instead of asking.",
)


@command.command(
    epilog="Example: drorch keys generate custodians", short_help="Make a private key and its public half."
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["recipient", "operator", "verifier"]),
    default="recipient",
    show_default=True,
    help="A recipient reads backups; an operator or verifier signs drills.",
)
@_directory
@_passphrase_file
@common_options
def generate(name: str, role: str, directory: Path, passphrase_file: Path | None, invocation: Invocation) -> int:
    """Make the files NAME.key (private, under a passphrase) and NAME.pub."""
    seed, kind = random_bytes(SEED_BYTES), KeyKind(role)
    public = public_of(kind, seed, name)
    text = seal_key_file(
        kind=kind,
        seed=seed,
        label=name,
        passphrase=new_passphrase(passphrase_file),
        random_bytes=random_bytes,
    )
    private = _write_new(directory / f"{name}.key", text, secret=True)
    _write_new(directory / f"{name}.pub", encode_public(public), secret=False)
    if invocation.output.as_json:
        invocation.output.document("drorch.key/1", {"ok": True, "label": name, "id": str(public.key_id)})
    elif not invocation.output.quiet:
        lines = [f"OK  key {name} {grouped(public.key_id.raw[:8])}"]
        told = _told_of_person if kind is not KeyKind.RECIPIENT else _told_of_recipient
        invocation.output.lines([*lines, *told(private, f"{directory / name}.pub", name, role)])
    return 0


def _told_of_recipient(private: Path, public: str, _name: str, _role: str) -> list[str]:
    return [
        *wrapped(f"  {private}   private: to the safe, never to a host that makes backups", 4),
        *wrapped(f"  {public}   public: bring it to `drorch init --recipient`", 4),
        "  several custodians: drorch keys split",
    ]


def _told_of_person(private: Path, public: str, name: str, role: str) -> list[str]:
    return [
        *wrapped(f"  {private}   private: stays with {name}, on a machine of their own", 4),
        *wrapped(f"  {public}   public: bring it to drorch.yaml and to the auditor:", 4),
        f"    people: {{{name}: {{name: ..., role: {role}, key: keys/{name}.pub}}}}",
    ]


@command.command(
    epilog="Example: drorch keys split --key custodians.key --threshold 3 --shares 5",
    short_help="Split a private key into sheets of words.",
)
@click.option("--threshold", type=click.IntRange(2, 16), required=True, help="How many shares are needed.")
@click.option("--shares", "count", type=click.IntRange(2, 16), required=True, help="How many shares are made.")
@_directory
@key_options
@common_options
def split(
    threshold: int,
    count: int,
    directory: Path,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Split a private key into sheets of words (SLIP-39), any THRESHOLD of which make it again."""
    if threshold > count:
        raise UsageInvalid("more shares needed than made", expected=f"at most {count}", found=str(threshold))
    key_file, seed = open_seed(key_path, passphrase_file)
    words = split_seed(seed, threshold=threshold, count=count, random_bytes=random_bytes)
    written = []
    for number, share in enumerate(words, 1):
        sheet = ShareSheet(
            label=key_file.label,
            key_id=key_file.key_id,
            number=number,
            count=count,
            threshold=threshold,
            words=share,
            origin=key_file.origin,
        )
        name = directory / f"{key_file.label}.share-{number}-of-{count}.txt"
        written.append(_write_new(name, sheet.text(), secret=True))
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.key-shares/1", {"ok": True, "threshold": threshold, "files": [str(path) for path in written]}
        )
    elif not invocation.output.quiet:
        lines = [f"OK  {count} sheets, any {threshold} of them read every backup of {key_file.label}"]
        lines += [f"  {path}" for path in written]
        lines += wrapped("  print each, give it to one person, delete the files (and then the key file)", 2)
        invocation.output.lines(lines)
    return 0


@command.command(
    epilog="Example: drorch keys combine custodians --share a.txt --share b.txt --share c.txt",
    short_help="Make a private key again out of enough shares.",
)
@click.argument("name")
@click.option(
    "--share",
    "share_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file that holds the words of one share; without it the words are asked for.",
)
@_directory
@_passphrase_file
@common_options
def combine(
    name: str, share_files: tuple[Path, ...], directory: Path, passphrase_file: Path | None, invocation: Invocation
) -> int:
    """Make the private key NAME.key again out of enough shares; the words may be typed in or read from files."""
    shares = [words_of_share(path) for path in share_files] if share_files else _asked_shares()
    seed = combine_shares(shares)
    text = seal_key_file(
        kind=KeyKind.RECIPIENT,
        seed=seed,
        label=name,
        passphrase=new_passphrase(passphrase_file),
        random_bytes=random_bytes,
    )
    path = _write_new(directory / f"{name}.key", text, secret=True)
    identity = public_of(KeyKind.RECIPIENT, seed, name).key_id
    _tell_combined(path, name, identity, invocation)
    return 0


def _tell_combined(path: Path, name: str, identity: KeyId, invocation: Invocation) -> None:
    if invocation.output.as_json:
        invocation.output.document("drorch.key/1", {"ok": True, "label": name, "id": str(identity)})
    elif not invocation.output.quiet:
        invocation.output.lines(
            [f"OK  {path} is key {grouped(identity.raw[:8])}", "  compare that with the sheets; delete it after use"]
        )


def words_of_share(path: Path) -> str:
    """Return the words of a share file: bare words, or a share sheet, whose table rows begin with a number."""
    lines = text_of(path).splitlines()
    numbered = [line.split() for line in lines if line.split() and line.split()[0].isdigit()]
    if numbered:
        return " ".join(word for row in numbered for word in row if word.isalpha())
    return " ".join(lines)


def _asked_shares() -> list[str]:
    shares: list[str] = []
    while words := getpass.getpass(f"Words of share {len(shares) + 1} (empty line ends): ").strip():
        shares.append(words)
    return shares


def _write_new(path: Path, text: str, *, secret: bool) -> Path:
    try:
        path.touch(mode=0o600 if secret else 0o644, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise TargetRefused(
            f"{path} is there already", expected="a new file", hint="name another, or move the old one away"
        ) from error
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error
    return path


command.add_command(keys_trust.command, "trust")
