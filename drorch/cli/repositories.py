"""Which repository a command means: that of drorch.yaml, or on a bare machine the one behind ``--store``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from drorch.catalog.interface import SourceState
from drorch.cli.output import Output, wrapped
from drorch.errors import CatalogError, StoreMissing, StoreUnavailable, TrustMismatch, UsageInvalid
from drorch.ids import LaneId, grouped
from drorch.operations.choose import LATEST
from drorch.operations.spool import is_empty
from drorch.repository.opening import Repository, open_repository
from drorch.wiring import Wiring, is_terminal

F = TypeVar("F", bound=Callable[..., Any])
_DIGITS = re.compile(r"[0-9a-f]{32}([0-9a-f]{32})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """``store`` is a URL, or the name of one of drorch.yaml's stores; ``trust`` what the recovery sheet says."""

    store: str | None
    trust: str | None
    on_first_use: bool


def store_options(function: F) -> F:
    """Add ``--store``, ``--trust`` and ``--trust-on-first-use``, given to the command as ``where``."""

    def call(*args: Any, store: str | None, trust: str | None, on_first_use: bool, **kwargs: Any) -> Any:
        return function(*args, where=Where(store=store, trust=trust, on_first_use=on_first_use), **kwargs)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in (
        click.option(
            "--trust-on-first-use",
            "on_first_use",
            is_flag=True,
            help="Take whatever trust root is there; the result is unauthenticated.",
        ),
        click.option("--trust", metavar="DIGEST", help="The trust root, as on the recovery sheet."),
        click.option("--store", metavar="URL|NAME", help="s3://BUCKET/PREFIX, a directory, or a name of drorch.yaml."),
    ):
        call = option(call)
    return call  # type: ignore[return-value]


def repository(wiring: Wiring, where: Where, output: Output, *, with_spool: bool = True) -> Repository:
    """Open the repository that is meant, its trust root checked against drorch.yaml, ``--trust`` or the person's own eyes.

    ``with_spool``: and what waits in the spool, which may be the only place of the newest snapshot. Raises ``TrustMismatch`` when nobody can vouch for the trust root.
    """
    named = () if where.store is None else (where.store,)
    if where.store is None or where.store in wiring.settings.stores:
        trust = None if where.trust is None else parse_trust(where.trust)
        opened = _with_spool(wiring, trust) if with_spool and not named else wiring.repository(named, trust=trust)
        _tell_left_out(opened, output)
        return opened
    replica = wiring.store_at(where.store)
    if where.trust is not None:
        return open_repository([replica], parse_trust(where.trust))
    if wiring.settings.keys.trust is not None:
        return open_repository([replica], wiring.settings.keys.trust)
    found = open_repository([replica], None)
    shown = grouped(found.trust.root_digest.raw[:16])
    output.message(f"No drorch.yaml here: reading the repository in {where.store}")
    if where.on_first_use:
        output.unauthenticated(f"Trust root {shown}, taken on first use: the result is unauthenticated.")
        return found
    if not is_terminal():
        raise TrustMismatch(
            "nobody vouches for this repository's trust root",
            expected="--trust DIGEST, as on the recovery sheet",
            found=shown,
            hint="compare it with the recovery sheet and give it by --trust",
        )
    question = f"Trust root {shown}.\nIs that what your recovery sheet says?"
    if not click.confirm(question, default=False, err=True):
        raise TrustMismatch(
            "the trust root is not yours",
            found=shown,
            hint="this is not your repository: tell whoever keeps the bucket",
        )
    return found


def _tell_left_out(opened: Repository, output: Output) -> None:
    for name, error in opened.unusable.items():
        text = f"note  {name} is left out ({error.message}); what only it holds is not seen"
        output.message("\n".join(wrapped(text, 6)))


def parse_trust(text: str) -> bytes:
    """Return the digest that people type, with or without dashes; raise ``UsageInvalid``."""
    digits = text.strip().lower().replace("-", "").replace(" ", "")
    if not _DIGITS.fullmatch(digits):
        raise UsageInvalid("not a trust root", expected="32 hexadecimal digits in groups of four", found=text[:80])
    return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLanes:
    """What the catalog says about lanes: those of what is wanted, and those of other sources."""

    wanted: tuple[LaneId, ...] = ()
    of_others: frozenset[LaneId] = frozenset()


def _with_spool(wiring: Wiring, trust: bytes | None) -> Repository:
    """Return all stores and behind them the spool; where no store answers, the spool alone."""
    spooled = wiring.spool_repository()
    if spooled is None:
        return wiring.repository((), trust=trust)
    try:
        opened = wiring.repository((), trust=trust)
    except (StoreUnavailable, StoreMissing) as error:
        if is_empty(spooled.replicas[0]):
            raise
        return replace(spooled, unusable={"every store": error})
    if is_empty(spooled.replicas[0]) or spooled.trust.root_digest != opened.trust.root_digest:
        return opened
    return replace(opened, replicas=(*opened.replicas, *spooled.replicas))


def known_lanes(wiring: Wiring, wanted: str) -> KnownLanes:
    """Return where the catalog has the snapshot or source; nothing on a bare machine, or when there is no catalog to ask."""
    if wiring.settings.file is None:
        return KnownLanes()
    try:
        catalog = wiring.catalog()
        records, sources = catalog.snapshots(), catalog.sources()
    except CatalogError:  # it saves looking; nothing that a restore needs is only there
        return KnownLanes()
    source = wanted.removeprefix(LATEST)
    if wanted.startswith(LATEST):
        lanes = {record.lane for record in records if record.source == source}
        lanes |= {record.lane for record in sources if record.address == source}
    else:
        lanes = {record.lane for record in records if record.snapshot.startswith(wanted.lower())}
    others = ({record.lane for record in records} | {record.lane for record in sources}) - lanes
    return KnownLanes(
        wanted=tuple(LaneId.parse(lane) for lane in sorted(lanes)),
        of_others=frozenset(LaneId.parse(lane) for lane in others),
    )


def known_sources(wiring: Wiring) -> tuple[Mapping[str, str], Collection[str]]:
    """Return which lane is of which source, and which sources are retired, as far as the catalog knows.

    Nothing on a bare machine, or when there is no catalog to ask: it saves looking, and nothing that a restore needs is only there.
    """
    if wiring.settings.file is None:
        return {}, ()
    try:
        catalog = wiring.catalog()
        snapshots, sources = catalog.snapshots(), catalog.sources()
    except CatalogError:
        return {}, ()
    retired = {record.address for record in sources if record.state is SourceState.RETIRED}
    lanes = {record.lane: record.source for record in reversed(snapshots)}
    return lanes | {record.lane: record.address for record in sources if record.address not in retired}, retired
