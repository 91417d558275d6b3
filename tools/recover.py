#!/usr/bin/env python3
"""Read a drorch repository without drorch, from docs/FORMAT.md alone.

    recover.py DIRECTORY --trust DIGEST list
    recover.py DIRECTORY --trust DIGEST --key FILE restore SNAPSHOT --to DIR [--stream NAME]

DIRECTORY is a repository: a downloaded bucket prefix. DIGEST stands on every key sheet. SNAPSHOT is an id as
``list`` prints it, its first characters, or ``latest:SOURCE``. Needs Python 3.11 and the packages cryptography (50 or
later), blake3 and zstandard. Numbers in brackets, as in [4], are sections of FORMAT.md.

Every stream becomes a file of its own, named in streams.jsonl; what the snapshot says of itself is in facts.json.
Beside this file lie recover_format.py, recover_content.py and recover_lanes.py, which it needs, and, needed by nobody:
rebuild.py makes a database of the streams again, salvage.py takes what it can from packs without a chain, a tree or a
list of streams.

What is checked before a byte is written: the trust chain from the digest you gave [4], both signatures of everything
signed [3.1], the chain of manifests and its commits [8], the run's commitment [5], the tag and the keyed id of every
chunk [6], and the digest of every stream [9]. What cannot be checked: whether somebody hides the newest snapshots;
compare the heads that ``list`` prints with what you know, or give one with --expect-head.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from blake3 import blake3
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
except ImportError as missing:
    sys.exit(f"recover.py: {missing.name} is missing or too old; pip install 'cryptography>=50' blake3 zstandard")

if TYPE_CHECKING:
    from tools.recover_content import (
        Child,
        Entry,
        Recipient,
        Record,
        RunKeys,
        Tree,
        derive,
        open_record,
        read_entry,
        read_node,
        read_reference,
    )
    from tools.recover_format import (
        COMMON,
        KIB,
        MAX_BASES,
        MAX_RECORD,
        MAX_STREAM,
        RUN_RECORD,
        Cursor,
        Fields,
        Refused,
        Store,
        Trust,
        _noted,
        counted,
        note,
        read_pair,
        run_text,
        shown,
        split_signed,
        unwrap,
        unzstd,
    )
    from tools.recover_lanes import Lane, Snapshot
else:
    from recover_content import (
        Child,
        Entry,
        Recipient,
        Record,
        RunKeys,
        Tree,
        derive,
        open_record,
        read_entry,
        read_node,
        read_reference,
    )
    from recover_format import (
        COMMON,
        KIB,
        MAX_BASES,
        MAX_RECORD,
        MAX_STREAM,
        RUN_RECORD,
        Cursor,
        Fields,
        Refused,
        Store,
        Trust,
        _noted,
        counted,
        note,
        read_pair,
        run_text,
        shown,
        split_signed,
        unwrap,
        unzstd,
    )
    from recover_lanes import Lane, Snapshot

__all__ = [  # also what salvage.py takes from here
    "COMMON",
    "KIB",
    "MAX_BASES",
    "MAX_RECORD",
    "MAX_STREAM",
    "RUN_RECORD",
    "Child",
    "Cursor",
    "Entry",
    "Fields",
    "Lane",
    "Recipient",
    "Record",
    "Refused",
    "RunKeys",
    "Snapshot",
    "Store",
    "Tree",
    "Trust",
    "_noted",
    "add_key_options",
    "answer",
    "derive",
    "empty_directory",
    "main",
    "note",
    "open_record",
    "read_entry",
    "read_node",
    "read_pair",
    "read_private_key",
    "read_reference",
    "run_text",
    "shown",
    "split_signed",
    "unwrap",
    "unzstd",
    "write_stream",
]

# ---- Restoring


def write_stream(tree: Tree, entry: Entry, path: Path, *, keep_damaged: bool) -> list[str]:
    """Write a stream to ``path`` once its digest is right; return what is lost.

    Of a damaged stream nothing is kept, or ``path``.damaged with zeros in place of what is lost.
    """
    unfinished, digest, at, lost = path.with_name(path.name + ".part"), blake3(), 0, list[str]()
    with unfinished.open("wb") as file:
        for length, piece in tree.pieces(entry.tree, entry.start, entry.start + entry.size) if entry.tree else ():
            if isinstance(piece, Refused):
                lost.append(f"bytes {at} to {at + length - 1}: {piece}")
                file.seek(length, 1)
            else:
                file.write(piece)
                digest.update(piece)
            at += length
        file.truncate(at)
    if not lost and (at, digest.digest()) != (entry.size, entry.digest):
        lost.append("the digest of the whole stream is wrong")
    if lost and not keep_damaged:
        unfinished.unlink()
    else:
        unfinished.rename(path.with_name(path.name + ".damaged") if lost else path)
    return lost


def empty_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise Refused(f"{path} is not empty")
    return path


def restore(snapshot: Snapshot, to: Path, only: list[str], *, keep_damaged: bool) -> None:
    """Write every stream (or those named) of a snapshot to a file of its own, with an index and the facts."""
    fields, lane, good, lost, size = snapshot.manifest.fields, snapshot.lane, set[str](), 0, 0
    body, entries = lane.content(snapshot)
    target = empty_directory(to)
    facts = {"snapshot": run_text(snapshot.run), "source": fields.text(23), "restore_point": when(fields, 21)}
    facts |= {"facts": body.json(1), "closing_facts": body.json(4)}
    (target / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with (target / "streams.jsonl").open("x", encoding="utf-8") as index:
        for entry in entries:
            if only and entry.name not in only:
                continue
            problems = write_stream(lane.tree, entry, target / entry.file_name, keep_damaged=keep_damaged)
            for problem in problems:
                print(f"LOST  {shown(entry.name)}: {shown(problem)}")
            lost += bool(problems)
            if not problems:
                good.add(entry.name)
                size += entry.size
                print(f"ok    {entry.size:>14,} bytes  {shown(entry.name)}")
                about = {"name": entry.name, "file": entry.file_name, "bytes": entry.size, "blake3": entry.digest.hex()}
                index.write(json.dumps({**about, **entry.about}, ensure_ascii=False) + "\n")
    print(f"{counted(len(good), 'stream')}, {size:,} bytes, every digest right: {target}")
    if lost or set(only) - good:
        raise Refused(f"not restored: {counted(lost, 'stream')}; good: {len(good):,}")


# ---- The command line


def when(fields: Fields, number: int) -> str:
    try:
        return datetime.fromtimestamp(fields.number(number, 8) / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return "?"


def list_snapshots(lanes: list[Lane]) -> None:
    for lane in lanes:
        print(f"lane {lane.lane.hex()}")
        given_up = lane.given_up()
        for snapshot in lane.snapshots:
            fields = snapshot.manifest.fields
            result = {1: "complete", 2: "partial"}.get(fields.number(25, 1), "?")
            state = "given up" if snapshot.run in given_up else snapshot.state
            print(f"  {run_text(snapshot.run)}  {when(fields, 21)}  {state} {result}")
            counts = f"{fields.number(28, 8):,} bytes  {counted(fields.number(30, 8), 'row')}"
            print(f"    {snapshot.number}  {shown(fields.text(23))}  {counts}")
        if lane.snapshots:
            print(f"  head {lane.snapshots[-1].number}\n    {lane.snapshots[-1].manifest.digest.hex()}")
    if problems := [lane.problem for lane in lanes if lane.problem]:
        raise Refused("; ".join(problems))


def find_snapshot(lanes: list[Lane], wanted: str, *, past_damage: bool) -> Snapshot:
    every = [snapshot for lane in lanes for snapshot in lane.snapshots]
    found = [each for each in every if run_text(each.run).startswith(wanted.lower())]
    if wanted.startswith("latest:"):
        named = [s for s in every if s.state == "committed" and s.manifest.fields.text(23) == wanted[7:]]
        heads = {id(each.lane): each for each in named}  # within a lane the chain decides, not the clock
        found = sorted(heads.values(), key=lambda each: each.manifest.fields.number(21, 8))[-1:]
    if len(found) != 1:
        problems = "".join(f"; {lane.problem}" for lane in lanes if lane.problem)
        raise Refused(f"{'more than one' if found else 'no'} snapshot {wanted}{problems}")
    if found[0].state != "committed" and not (past_damage and found[0].state == "undecided"):
        raise Refused(f"snapshot {wanted} is {found[0].state}: it has no commit that counts, so it does not exist")
    if found[0].lane.problem:
        note(found[0].lane.problem)
    return found[0]


def read_key_file(path: Path, passphrase_file: Path | None) -> tuple[bytes, bytes]:
    """Seed and trust root (empty if the file does not name it) of a private key file [13]."""
    raw = path.read_bytes()[: 64 * KIB].decode("utf-8", "replace")
    lines = [line.rstrip("\r ") for line in raw.rstrip().split("\n")]
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    try:
        if lines[0] != "drorch private key 1" or fields["kind"] != "recipient" or not lines[-1].startswith("sealed: "):
            raise Refused(f"{path}: is not the private key file of a recipient")
        n, r, p = (int(number) for number in fields["scrypt"].split()[:3])
        salt, sealed = bytes.fromhex(fields["scrypt"].split()[3]), bytes.fromhex(fields["sealed"])
        trust = bytes.fromhex(fields.get("trust", ""))
    except (KeyError, ValueError, IndexError) as error:
        raise Refused(f"{path}: is damaged") from error
    if not (n > 1 and n & (n - 1) == 0 and r > 0 and 0 < p <= 16 and n * r <= 1 << 23 and len(sealed) == 60):
        raise Refused(f"{path}: its numbers are out of bounds")
    if passphrase_file:
        words = passphrase_file.read_text(encoding="utf-8").splitlines()[:1]
    else:
        words = [getpass.getpass(f"Passphrase of the key {shown(fields.get('label', path.name))}: ")]
    passphrase = unicodedata.normalize("NFC", "".join(words)).encode()
    associated = "".join(f"{line}\n" for line in lines[:-1]).encode()
    try:
        return AESGCM(Scrypt(salt, 32, n, r, p).derive(passphrase)).decrypt(sealed[:12], sealed[12:], associated), trust
    except InvalidTag as error:
        raise Refused(f"{path}: the passphrase is wrong, or the file was changed") from error


def read_private_key(args: argparse.Namespace) -> tuple[Recipient | None, bytes]:
    """The recipient's key, if one was given, and the trust root that its file names."""
    seed, trust = read_key_file(args.key, args.passphrase_file) if args.key else (b"", b"")
    if args.seed_hex_file:
        text = args.seed_hex_file.read_text(encoding="ascii").strip()
        if len(text) != 64 or text.strip("0123456789abcdefABCDEF"):
            raise Refused(f"{args.seed_hex_file}: not 64 hexadecimal digits")
        seed = bytes.fromhex(text)
    return Recipient(seed) if seed else None, trust


def trust_digest(text: str | None, of_key_file: bytes) -> bytes:
    """The trust root that the operator gave, or that the private key's file names; both must agree."""
    try:
        digest = bytes.fromhex(text.replace("-", "")) if text is not None else of_key_file
    except ValueError:
        digest = b""
    if len(digest) not in (16, 32):
        raise Refused("give --trust with the 32 or 64 hexadecimal digits that stand on every key sheet")
    if of_key_file and not of_key_file.startswith(digest):
        raise Refused("the key file belongs to another repository than --trust names")
    return digest


def add_key_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, metavar="FILE", help="a recipient's private key file")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its passphrase; asked for otherwise")
    parser.add_argument("--seed-hex-file", type=Path, metavar="FILE", help="instead: the key's 64 hexadecimal digits")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="read a drorch repository without drorch", allow_abbrev=False)
    add = parser.add_argument
    add("directory", type=Path, help="the repository: a downloaded bucket prefix")
    add_key_options(parser)
    add("--trust", metavar="DIGEST", help="the digest of trust/0, from a key sheet; the key file may name it too")
    add("--expect-head", metavar="DIGEST", action="append", default=[], help="refuse unless this manifest is there")
    add("--past-damage", action="store_true", help="go on behind a gap in a chain, and without a commit")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show what is there, with the head of every lane")
    one = commands.add_parser("restore", help="write a snapshot's streams to files")
    one.add_argument("snapshot", help="an id, its first characters, or latest:SOURCE")
    one.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    one.add_argument("--stream", action="append", default=[], metavar="NAME", help="only this stream (repeatable)")
    one.add_argument("--keep-damaged", action="store_true", help="keep a damaged stream as NAME.damaged, with zeros")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    me, trust_of_key = read_private_key(args)
    store = Store(args.directory)
    trust = Trust(store, trust_digest(args.trust, trust_of_key))
    print(f"repository {trust.repository.hex()}: trust root verified, {counted(trust.records, 'record')}")
    names = [name for name in store.names("l") if len(name) == 32 and not name.strip("0123456789abcdef")]
    lanes = [Lane(store, trust, me, bytes.fromhex(name), past_damage=args.past_damage) for name in names]
    heads = {snapshot.manifest.digest.hex() for lane in lanes for snapshot in lane.snapshots}
    for head in args.expect_head:
        if head.lower() not in heads:
            raise Refused(f"manifest {head} is not there: newer snapshots are hidden or lost")
    if args.command == "list":
        list_snapshots(lanes)
    else:
        snapshot = find_snapshot(lanes, args.snapshot, past_damage=args.past_damage)
        restore(snapshot, args.to, args.stream, keep_damaged=args.keep_damaged)


def answer(name: str, act: Callable[[], None]) -> int:
    """Do it, and turn what was refused into one line and an exit code."""
    _noted.clear()
    try:
        act()
    except (Refused, OSError) as error:
        print(f"{name}: error: {shown(str(error))}", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return answer("recover", partial(run, arguments(argv)))


if __name__ == "__main__":
    sys.exit(main())
