#!/usr/bin/env python3
"""Take what can be had from a heap of packs, with nothing but a private key: no chain, no commit, no list of streams.

    salvage.py DIRECTORY --key FILE --to DIR

DIRECTORY is searched for packs, whatever their names. Whole streams come out where their trees are there, else loose
chunks at the offsets where they were seen. Tags and ids are checked, signatures are not: **nothing tells who wrote
what is found**. Use it when recover.py, which must lie beside this file, says that something is lost: a chunk may
stand in another pack, too. Numbers in brackets are sections of docs/FORMAT.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tools import recover
    from tools.recover import Child, Fields, Recipient, Refused, RunKeys, Store, note
else:
    import recover
    from recover import Child, Fields, Recipient, Refused, RunKeys, Store, note

ENTRIES_ORDINAL, CONTAINER_ORDINAL = 2**32 - 1, 2**31  # [6]


class Seen(NamedTuple):
    """A record of a heap of packs: where it lies, what opens it, what its header says."""

    path: Path
    start: int
    length: int
    keys: RunKeys
    kind: int
    ordinal: int
    offset: int
    chunk_id: bytes


class Heap:
    """Every record of some packs by lane and chunk id: the last resort, and what salvage works on."""

    def __init__(self, paths: Iterable[Path], opened: Callable[[bytes, str], RunKeys]) -> None:
        self.index: dict[tuple[bytes, bytes], list[Seen]] = {}
        for path in paths:
            try:
                self._add(path, opened)
            except (Refused, OSError) as error:
                note(f"{path.name}: {error}; what is behind that is not used")

    def _add(self, path: Path, opened: Callable[[bytes, str], RunKeys]) -> None:
        raw = Store(path.parent).read(path.name)
        header, body = recover.unwrap(raw, 4, range(1, 6), path.name)
        keys, at = opened(header.one(4), path.name), body.at
        if keys.where != header.one(1, 16) + header.one(2, 16) + header.one(3, 16):
            raise Refused("its run record belongs to another run")
        while at < len(raw):
            start, length = at + 4, int.from_bytes(raw[at : at + 4], "big")
            at = start + length
            if length > recover.MAX_RECORD or at > len(raw):
                raise Refused(f"cut off or damaged at byte {start - 4}")
            try:
                record = recover.open_record(raw[start:at], keys, f"{path.name} at byte {start - 4}")
            except Refused as error:
                note(error)
                continue
            seen = Seen(path, start, length, keys, record.kind, record.ordinal, record.offset, record.chunk_id)
            self.index.setdefault((keys.where[16:32], record.chunk_id), []).append(seen)

    def chunk(self, lane: bytes, kind: int, chunk_id: bytes, depth: int = 0) -> bytes:
        """The plain bytes of a chunk, from any record that holds it."""
        what = f"chunk {chunk_id.hex()[:16]}"
        for seen in self.index.get((lane, chunk_id), []) if depth <= recover.MAX_BASES else []:
            try:
                raw = Store(seen.path.parent).read(seen.path.name, seen.start, seen.length)
                record = recover.open_record(raw, seen.keys, what)
                if record.kind == kind:
                    return record.decode(seen.keys, lambda base: self.chunk(lane, 1, base, depth + 1), what)
            except (Refused, OSError) as error:
                note(error)
        raise Refused(f"{what} is in no pack that is here")


class Salvage:
    """Makes what it can of a heap of packs: whole streams where their trees are here, else loose chunks."""

    def __init__(self, directory: Path, me: Recipient) -> None:
        self._me, self._opened = me, dict[bytes, RunKeys]()
        self.heap = Heap((path for path in sorted(directory.rglob("*")) if is_pack(path)), self._open)
        self.seen = [seen for every in self.heap.index.values() for seen in every]

    def _open(self, raw: bytes, what: str) -> RunKeys:
        if raw not in self._opened:
            record = Fields(recover.split_signed(raw, 3, what)[0], {*recover.COMMON, *recover.RUN_RECORD}, what)
            self._opened[raw] = self._me.open(record)
        return self._opened[raw]

    def tops(self, lane: bytes) -> dict[bytes, dict[int, Child]]:
        """The top nodes of a lane's trees, by the run that wrote them and the ordinal of their first chunk."""
        children, ordinals = dict[bytes, list[Child]](), dict[bytes, int]()
        for seen in (seen for seen in self.seen if seen.keys.where[16:32] == lane):
            try:
                if seen.kind == 1:
                    ordinals.setdefault(seen.chunk_id, seen.ordinal)
                elif seen.kind == 2 and seen.chunk_id not in children:
                    raw = self.heap.chunk(lane, 2, seen.chunk_id)
                    children[seen.chunk_id] = recover.read_node(
                        raw, Child(-1, seen.chunk_id, (), recover.Cursor(raw[1:], "").number(1))
                    )
            except Refused as error:
                note(error)
        tops: dict[bytes, dict[int, Child]] = {}
        for top in children.keys() - {child.chunk_id for each in children.values() for child in each}:
            first, level = top, -1
            while children.get(first):
                first, level = children[first][0].chunk_id, level + 1
            node = Child(sum(child.size for child in children[top]), top, (), level)
            tops.setdefault(self.heap.index[lane, top][0].keys.where[32:], {})[ordinals.get(first, -1)] = node
        return tops

    def streams(self, keys: RunKeys, tops: dict[bytes, dict[int, Child]], target: Path) -> set[int]:
        """Write every stream that the run's list of entries names and that is whole; return their ordinals."""
        lane, run, done = keys.where[16:32], keys.where[32:], set[int]()
        tree = recover.Tree(lambda child: self.heap.chunk(lane, 1 if child.level < 0 else 2, child.chunk_id))
        if not (root := tops.get(run, {}).get(ENTRIES_ORDINAL)):
            return done
        last, absent = (
            max(n for each in tops.values() for n in each if n < ENTRIES_ORDINAL),
            Child(recover.MAX_STREAM, b"", (), 0),
        )
        for other in [run, *(each for each in tops if each != run)]:  # an unchanged container lies in an earlier run
            containers = [tops[other].get(n, absent) for n in range(CONTAINER_ORDINAL, last + 1)]
            try:
                for entry in tree.entries(root, containers):
                    path = target / entry.file_name
                    if entry.ordinal not in done and not recover.write_stream(tree, entry, path, keep_damaged=False):
                        done.add(entry.ordinal)
                        print(f"ok    {entry.size:>14,} bytes  {recover.shown(entry.name)}")
            except Refused as error:
                note(error)
        return done

    def loose(self, keys: RunKeys, target: Path, done: set[int]) -> None:
        """Write the run's other chunks, a file for each stream, at the offsets where they were seen."""
        rows = [seen for seen in self.seen if (seen.keys, seen.kind) == (keys, 1)]
        for seen in sorted(rows, key=lambda each: (each.ordinal, each.offset)):
            if seen.ordinal in done or (done and seen.ordinal >= CONTAINER_ORDINAL):
                continue
            try:
                plain = self.heap.chunk(keys.where[16:32], 1, seen.chunk_id)
            except Refused as error:
                note(error)
                continue
            path = target / f"ordinal-{seen.ordinal:010d}.loose"
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.seek(seen.offset)
                file.write(plain)
            print(f"loose {len(plain):>14,} bytes  ordinal {seen.ordinal} at {seen.offset}")


def is_pack(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(7) == b"DRORCH\x04"


def salvage(directory: Path, me: Recipient, to: Path) -> None:
    """Decode a heap of packs with nothing but a private key."""
    target, work = recover.empty_directory(to), Salvage(directory, me)
    print("salvage: nothing tells who wrote these packs; compare what comes out with what you know")
    runs = sorted({seen.keys for seen in work.seen})
    tops = {lane: work.tops(lane) for lane in {keys.where[16:32] for keys in runs}}
    for keys in runs:
        lane, run = keys.where[16:32], recover.run_text(keys.where[32:])
        folder = target / f"{lane.hex()[:12]}-{run}"
        folder.mkdir()
        print(f"run {run} of lane {lane.hex()}")
        work.loose(keys, folder, work.streams(keys, tops[lane], folder))
    if not runs:
        raise Refused("no pack here opens with this private key")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="decode a heap of packs with only a private key", allow_abbrev=False)
    parser.add_argument("directory", type=Path, help="where packs lie, under whatever names")
    recover.add_key_options(parser)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    me, _ = recover.read_private_key(args)
    if not me:
        raise Refused("this needs the private key of a recipient: give --key")
    salvage(args.directory, me, args.to)


def main(argv: list[str] | None = None) -> int:
    return recover.answer("salvage", partial(run, arguments(argv)))


if __name__ == "__main__":
    sys.exit(main())
