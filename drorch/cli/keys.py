"""``drorch keys``: make keys, share them out among several people, and say who may read and write."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from drorch.cli import keys_change, keys_reseal, keys_show, keys_trust
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.key_pairs import tell_key, write_new
from drorch.cli.keys_host import generate_host_key
from drorch.cli.output import wrapped
from drorch.cli.private_keys import key_options, line_of_stdin, new_passphrase, open_seed, text_of
from drorch.errors import SecretUnavailable, UsageInvalid
from drorch.format.custody import ShareSheet, combine_shares, split_seed
from drorch.format.keyfile import ROLE_OF_KIND, KeyKind, encode_public, public_of, seal_key_file
from drorch.ids import grouped
from drorch.quantities import counted
from drorch.wiring import is_terminal, random_bytes

SEED_BYTES = 32


@click.group(epilog="Example: drorch keys generate custodians")
def command() -> None:
    """Make keys, share them out among several people, and say who may read and write.

    A recipient's key reads backups. It is made on the custodian's own machine, never on a host that makes backups; only the file NAME.pub
    is brought there. `show`, `add`, `remove` and `revoke` are about the keys of a repository, `trust` about whose evidence counts.
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
    type=click.Choice([kind.value for kind in KeyKind]),
    default="recipient",
    show_default=True,
    help="A recipient reads backups; an operator or verifier signs drills; a root key says who may read and write; the"
    " others are for this machine.",
)
@_directory
@_passphrase_file
@common_options
def generate(name: str, role: str, directory: Path, passphrase_file: Path | None, invocation: Invocation) -> int:
    """Make the files NAME.key (private, under a passphrase) and NAME.pub.

    With --role writer, maintainer or drill-host it makes this machine's own key for the repository of drorch.yaml: that one has no
    passphrase, and `drorch keys add NAME.pub` makes it count.
    """
    kind = KeyKind(role)
    if kind in ROLE_OF_KIND:
        return generate_host_key(name, kind, directory, invocation)
    seed = random_bytes(SEED_BYTES)
    public = public_of(kind, seed, name)
    text = seal_key_file(
        kind=kind,
        seed=seed,
        label=name,
        passphrase=new_passphrase(passphrase_file),
        random_bytes=random_bytes,
    )
    private = write_new(directory / f"{name}.key", text, secret=True)
    write_new(directory / f"{name}.pub", encode_public(public), secret=False)
    told = _TOLD.get(kind, _told_of_person)
    tell_key(name, public.key_id, told(private, f"{directory / name}.pub", name, role), invocation)
    return 0


def _told_of_recipient(private: Path, public: str, _name: str, _role: str) -> list[str]:
    return [
        *wrapped(f"  {private}   private: to the safe, never to a host that makes backups", 4),
        *wrapped(f"  {public}   public: bring it to `drorch init` or `drorch keys add`", 4),
        "  several custodians: drorch keys split",
    ]


def _told_of_root(private: Path, public: str, _name: str, _role: str) -> list[str]:
    return [
        *wrapped(f"  {private}   private: to a safe of its own", 4),
        *wrapped(f"  {public}   public: bring it to who holds a root key now, for `drorch keys add`", 4),
    ]


def _told_of_person(private: Path, public: str, name: str, role: str) -> list[str]:
    return [
        *wrapped(f"  {private}   private: stays with {name}, on a machine of their own", 4),
        *wrapped(f"  {public}   public: bring it to drorch.yaml and to the auditor:", 4),
        f"    people: {{{name}: {{name: ..., role: {role}, key: keys/{name}.pub}}}}",
    ]


_TOLD = {KeyKind.RECIPIENT: _told_of_recipient, KeyKind.ROOT: _told_of_root}


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
        label = key_file.label.replace("/", "_")  # whoever made the key file chose it, and not the place of the sheets
        name = directory / f"{label}.share-{number}-of-{count}.txt"
        written.append(write_new(name, sheet.text(), secret=True))
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.key-shares/1", {"ok": True, "threshold": threshold, "files": [str(path) for path in written]}
        )
    elif not invocation.output.quiet:
        lines = [f"OK  {counted(count, 'sheet')}, any {threshold} of them read every backup of {key_file.label}"]
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
    path = write_new(directory / f"{name}.key", text, secret=True)
    identity = public_of(KeyKind.RECIPIENT, seed, name).key_id
    if invocation.output.as_json:
        invocation.output.document("drorch.key/1", {"ok": True, "label": name, "id": str(identity)})
    elif not invocation.output.quiet:
        invocation.output.lines(
            [f"OK  {path} is key {grouped(identity.raw[:8])}", "  compare that with the sheets; delete it after use"]
        )
    return 0


def words_of_share(path: Path) -> str:
    """Return the words of a share file: bare words, or a share sheet, whose table rows begin with a number."""
    lines = text_of(path).splitlines()
    numbered = [line.split() for line in lines if line.split() and line.split()[0].isdigit()]
    if numbered:
        return " ".join(word for row in numbered for word in row if word.isalpha())
    return " ".join(lines)


def _asked_shares() -> list[str]:
    """Return what a person types without showing it; without a terminal, lines of stdin. An empty line ends either."""
    shares: list[str] = []
    while words := _asked_share(len(shares) + 1):
        shares.append(words)
    if not shares:
        raise SecretUnavailable(
            "shares are needed, and none was given",
            expected="--share FILE for each, a terminal, or lines on stdin",
            found="none of them",
        )
    return shares


def _asked_share(number: int) -> str:
    if is_terminal():
        return getpass.getpass(f"Words of share {number} (empty line ends): ").strip()
    return line_of_stdin().strip()


command.add_command(keys_show.command, "show")
command.add_command(keys_change.add, "add")
command.add_command(keys_change.remove, "remove")
command.add_command(keys_change.revoke, "revoke")
command.add_command(keys_reseal.command, "reseal")
command.add_command(keys_trust.command, "trust")
