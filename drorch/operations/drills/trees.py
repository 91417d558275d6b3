"""Checks of what is no database: a tree of files, and what a policy's own command brought back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote_to_bytes

from drorch.evidence.drill_checks import Check, CheckResult, Compared, Difference, Outcome
from drorch.format.digests import StreamDigest
from drorch.format.entries import ROW_FORMAT_NONE
from drorch.operations.drills.checking import of_differences
from drorch.operations.drills.content import TITLE
from drorch.quantities import counted
from drorch.sources.interface import Content, FileDifference, OpensFiles, ProgramEnd, TreeProof

FILES = "files open"
NOTHING_OF_THE_KIND = "nothing of the kind"
_PIECE_BYTES = 1 << 20


def directory_of(url: str) -> bytes:
    """Return the directory that ``files:///srv/x`` names."""
    return unquote_to_bytes(url.removeprefix("files://"))


def compare_tree(content: Content, url: str, proof: TreeProof) -> CheckResult:
    """Compare every name of the tree with the snapshot."""
    found = proof.compare(content, directory_of(url))
    differences = [_difference(one) for one in found.differences]
    shown, told = of_differences(differences)
    good = max(0, found.names - len(differences))
    outcome = Outcome.FAIL if differences else Outcome.OK
    if not found.files and not differences:
        outcome, told = Outcome.INCONCLUSIVE, ("the snapshot has no file: nothing was compared",)
    return CheckResult(
        check=Check.CONTENT,
        title=TITLE,
        outcome=outcome,
        expected=f"{counted(found.names, 'name')}, {counted(found.files, 'file')}, {found.size_bytes:,} bytes, as at the backup",
        found=f"{good:,} as at the backup",
        note=f"{good:,} of {found.names:,} names",
        differences=shown,
        compared=tuple(
            Compared(name=one.name, outcome=Outcome.FAIL, expected=one.expected, found=one.found)
            for one in found.differences
        ),
        told=told,
    )


def open_files(url: str, opener: OpensFiles, *, content_is_equal: bool) -> CheckResult:
    """Open documents and pictures. One that does not open and is as at the backup was so before: somebody should know."""
    found = opener.open_all(directory_of(url))
    differences = [_difference(one) for one in found.broken]
    shown, told = of_differences(differences)
    number = sum(found.by_form.values())
    listed = ", ".join(f"{count:,} {form}" for form, count in sorted(found.by_form.items()))
    outcome = Outcome.OK if not differences else Outcome.FINDING if content_is_equal else Outcome.FAIL
    return CheckResult(
        check=Check.FILES,
        title=FILES,
        outcome=outcome,
        expected=f"{number:,} documents and pictures that open",
        found=f"{number - len(differences):,} open",
        note=listed or "no PDF, TIFF or JPEG",
        differences=shown,
        told=told,
    )


def compare_command(content: Content, verified: ProgramEnd | None) -> CheckResult:
    """Tell what proves a restore by a program: the bytes that it was given, and what the policy's ``verify`` says of the result."""
    size = sum(stream.size_bytes for stream in content.streams())
    digests = ", ".join(stream.bytes_digest.hex() for stream in content.streams())
    expected = f"{size:,} bytes, digest {digests}"
    told: tuple[str, ...]
    if not size:
        outcome, told = Outcome.INCONCLUSIVE, ("the snapshot has no byte: nothing was compared",)
    elif verified is None:
        text = "the policy has no `verify`: that the product can read what came back is not shown"
        outcome, told = Outcome.FINDING, (text,)
    elif verified.code != 0 or not verified.in_time:
        words = "; ".join(verified.lines[-3:]) or "without a word"
        how = f"ended with {verified.code}" if verified.in_time else "did not end in time"
        outcome, told = Outcome.FAIL, (f"`verify` {how}: {words}",)
    else:
        outcome, told = Outcome.OK, ()
    said = "no `verify`" if verified is None else f"`verify` ended with {verified.code}"
    return CheckResult(
        check=Check.CONTENT,
        title=TITLE,
        outcome=outcome,
        expected=expected,
        found=f"{expected}; {said}",
        note=f"{size:,} bytes; {said}",
        differences=tuple(
            Difference(name="verify", expected="0", found=one) for one in told if outcome is Outcome.FAIL
        ),
        told=told,
    )


def compare_file(content: Content, file: Path) -> CheckResult:
    """Tell whether the file that a command's bytes went to holds what was captured, byte by byte."""
    size = sum(stream.size_bytes for stream in content.streams())
    digests = ", ".join(stream.bytes_digest.hex() for stream in content.streams())
    counted = StreamDigest(ROW_FORMAT_NONE, {}, None)
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            counted.feed(piece)
    there = counted.finish()
    expected, found = (
        f"{size:,} bytes, digest {digests}",
        f"{there.size_bytes:,} bytes, digest {there.bytes_digest.hex()}",
    )
    outcome = Outcome.OK if expected == found else Outcome.FAIL
    told = () if outcome is Outcome.OK else (f"the file is not what was captured: expected {expected}, found {found}",)
    return CheckResult(
        check=Check.CONTENT,
        title=TITLE,
        outcome=outcome if size else Outcome.INCONCLUSIVE,
        expected=expected,
        found=found,
        note=f"{size:,} bytes",
        differences=() if not told else (Difference(name="file", expected=expected, found=found),),
        told=told,
    )


def does_not_apply(check: Check, title: str, why: str) -> CheckResult:
    """Return the result of a check that has nothing to look at in what was restored, and says so."""
    return CheckResult(check=check, title=title, outcome=Outcome.OK, expected=NOTHING_OF_THE_KIND, found=why, note=why)


def _difference(one: FileDifference) -> Difference:
    return Difference(name=one.name, expected=one.expected, found=one.found)
