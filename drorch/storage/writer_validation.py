"""Can a writer's credential do what it must, and nothing else? Every forbidden call is tried.

A success must do no harm, so all of it happens on probe objects in a lane of the writer's own prefix that no
source can have (its id ends in ten zero bytes), or on names that nothing reads. The probes stay: the credential cannot delete
them; they are put once and found again next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from drorch.errors import Bug, DrorchError, ObjectMissing, StoreDenied, StoreUnfit
from drorch.storage.interface import Finding, ObjectStore

_WRITER_DIGITS = 12
_PROBE = b"left by `drorch store validate --as writer`"
_READABLE = ("r", "q", "x", "m")


class ForbiddenCalls(Protocol):
    """Calls below ``ObjectStore`` that a writer must not be able to make; a success changes nothing of worth."""

    def overwrite(self, name: str, content: bytes) -> None:
        """Put without the condition that the name is free."""
        ...

    def copy_onto(self, name: str) -> None:
        """Let the server write the object anew."""
        ...

    def begin_multipart(self, name: str) -> None:
        """Begin an upload in parts."""
        ...

    def tag(self, name: str) -> None:
        """Change the object's tags."""
        ...

    def list_versions(self, prefix: str) -> None:
        """List older versions."""
        ...

    def read_version(self, name: str) -> None:
        """Read one version."""
        ...

    def delete_version(self, name: str) -> None:
        """Delete one version."""
        ...


def probe_lane(writer: str) -> str:
    """Return the lane of the probes of ``writer`` (12 hexadecimal digits: the first six bytes of its key id)."""
    if len(writer) != _WRITER_DIGITS or set(writer) - set("0123456789abcdef"):
        raise Bug(f"not the first six bytes of a key id: {writer!r}")
    return writer.ljust(32, "0")


def validate_as_writer(store: ObjectStore, forbidden: ForbiddenCalls, *, writer: str) -> tuple[Finding, ...]:
    """Try what a writer must be able to do, then every call that it must not; each is one finding.

    A forbidden call passes when the store refuses it or does not know it. Raises ``StoreUnavailable`` when the
    store does not answer: then nothing is known.
    """
    own = f"l/{probe_lane(writer)}/"
    foreign = f"l/{probe_lane(f'{int(writer, 16) ^ 1:012x}')}/"
    return (
        *_allowed(store, own),
        *_forbidden_reads(store, own, foreign),
        *_forbidden_changes(store, own, foreign),
        *_forbidden_below(forbidden, own),
    )


def _allowed(store: ObjectStore, own: str) -> Iterator[Finding]:
    """Put the probes that the forbidden calls need, too."""
    for kind in (*_READABLE, "p/00"):
        yield _must_work(f"may put in {kind}/", partial(store.put_if_absent, f"{own}{kind}/validate", _PROBE))
    for kind in _READABLE:
        yield _must_work(f"may get from {kind}/", partial(_read, store, f"{own}{kind}/validate"))
    for place in (f"{own}m/", f"{own}g/", f"{own}d/", "trust/", "keys/"):
        yield _must_be_missing(f"may look for what is not in {place.removeprefix(own)}", store, f"{place}999999999999")
    yield _must_work("may list its lanes", partial(_list_one, store, own))


def _forbidden_reads(store: ObjectStore, own: str, foreign: str) -> Iterator[Finding]:
    pack = f"{own}p/00/validate"
    yield _must_fail("must not get a pack", partial(_read, store, pack))
    yield _must_fail("must not get a part of a pack", partial(store.read_range, pack, 0, 1))
    yield _must_fail("must not get from another's lane", partial(_read, store, f"{foreign}m/000000000001"))
    for place, words in (("", "everything"), ("l/", "all lanes"), (foreign, "another's lane"), ("ledger/", "ledger/")):
        yield _must_fail(f"must not list {words}", partial(_list_one, store, place))


def _forbidden_changes(store: ObjectStore, own: str, foreign: str) -> Iterator[Finding]:
    """Put what is nothing to any reader, and delete the probes: a put that got through stays, under one name."""
    for place in ("", "trust/", "keys/", "help/", "l/", f"{own}g/", f"{own}d/", f"{foreign}m/", f"{foreign}p/00/"):
        words = place.replace(own, "its own ").replace(foreign, "another's ") or "the top"
        yield _must_fail(f"must not put in {words}", partial(store.put_if_absent, f"{place}validate-writer", b""))
    for kind in (*_READABLE, "p/00", "g", "d"):
        yield _must_fail(f"must not delete in its own {kind}/", partial(store.delete, [f"{own}{kind}/validate"]))
    for place, words in (("trust/", "trust/"), (f"{foreign}p/00/", "another's lane")):
        yield _must_fail(f"must not delete in {words}", partial(store.delete, [f"{place}validate-writer"]))


def _forbidden_below(forbidden: ForbiddenCalls, own: str) -> Iterator[Finding]:
    calls: dict[str, Callable[[str], None]] = {
        "overwrite": lambda name: forbidden.overwrite(name, _PROBE),
        "copy onto": forbidden.copy_onto,
        "begin a multipart upload of": forbidden.begin_multipart,
        "tag": forbidden.tag,
        "read a version of": forbidden.read_version,
        "delete a version of": forbidden.delete_version,
    }
    yield _must_fail("must not list versions", partial(forbidden.list_versions, own))
    for words, call in calls.items():
        yield _must_fail(f"must not {words} a pack", partial(call, f"{own}p/00/validate"))
        yield _must_fail(f"must not {words} a manifest", partial(call, f"{own}m/validate"))


def _read(store: ObjectStore, name: str) -> bytes:
    return store.read(name, limit_bytes=1 << 20)


def _list_one(store: ObjectStore, prefix: str) -> None:
    next(store.list_objects(prefix), None)


def _must_work(name: str, call: Callable[[], object]) -> Finding:
    expected = "let through"
    try:
        call()
    except DrorchError as error:
        return _failed(name, expected, error)
    return Finding(name=name, passed=True, expected=expected, found="as expected")


def _must_be_missing(name: str, store: ObjectStore, absent: str) -> Finding:
    """A chain is read until its next object is missing: a store that says "denied" there hides where it ends."""
    expected = "told that nothing is there"
    try:
        _read(store, absent)
    except ObjectMissing:
        return Finding(name=name, passed=True, expected=expected, found="as expected")
    except DrorchError as error:
        return _failed(name, expected, error)
    return Finding(name=name, passed=False, expected=expected, found="an object")


def _must_fail(name: str, call: Callable[[], object]) -> Finding:
    expected = "refused"
    try:
        call()
    except StoreDenied:
        return Finding(name=name, passed=True, expected=expected, found="as expected")
    except StoreUnfit:
        return Finding(name=name, passed=True, expected=expected, found="the store does not know the call")
    except DrorchError as error:
        return _failed(name, expected, error)  # it got past the permissions
    return Finding(name=name, passed=False, expected=expected, found="let through")


def _failed(name: str, expected: str, error: DrorchError) -> Finding:
    if error.retryable:
        raise error
    found = f"{error.message}: {error.found}" if error.found else error.message
    return Finding(name=name, passed=False, expected=expected, found=found)
