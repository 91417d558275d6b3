"""Which sources a command is about: addresses resolved, servers asked for their databases where the policy says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drorch.catalog.interface import Catalog, RunState, SourceState
from drorch.errors import DrorchError, PolicyUnknown, SourceMissing
from drorch.operations.estate.discover import Discoverer, Found
from drorch.operations.estate.seen import DISCOVERY
from drorch.operations.overview import last_runs, needs_another_try
from drorch.operations.policy_history import digest_of_text
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.order import with_mates
from drorch.wiring import Wiring, this_machine

_ASKED_AT_ONCE = 8

Pair = tuple[Policy, SourcePromise]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The sources, what servers said (whole policies only), and the policies whose servers could not be asked."""

    pairs: tuple[Pair, ...]
    found: tuple[Found, ...]
    failures: tuple[tuple[str, DrorchError], ...]


def choose_sources(
    wiring: Wiring,
    loaded: LoadedPolicies,
    addresses: Sequence[str],
    *,
    only_failed: bool = False,
    only_new: bool = False,
) -> Chosen:
    """Return the sources that ``addresses`` mean now, all policies' without any, without those that are closed.

    A server that cannot be asked is a failure of its policy. Raises ``PolicyUnknown``, and ``SourceMissing`` for a name that is gone.
    """
    named = [(address, *loaded.find(address)) for address in (addresses or [one.name for one in loaded.policies])]
    wanted = [*named, *_mates(loaded, named)]
    asking = {
        promise.address: (policy, promise)
        for _, policy, promises in wanted
        for promise in promises
        if promise.needs_discovery
    }
    answers = _answers(wiring, list(asking.values()))
    pairs: dict[str, Pair] = {}
    for address, policy, promises in wanted:
        for pair in _meant(address, policy, promises, answers):
            pairs.setdefault(pair[1].address, pair)
    catalog = wiring.catalog()
    closed = {record.address for record in catalog.sources() if record.state is SourceState.CLOSED}
    left = [pair for address, pair in pairs.items() if address not in closed or address in addresses]
    whole = {address for address, _, _ in wanted if "/" not in address}
    if only_new:
        tried = last_runs(catalog)
        left = [pair for pair in left if pair[1].address not in tried]
    return Chosen(
        pairs=tuple(_with_mates(loaded, left, _failed(wiring, catalog, left)) if only_failed else left),
        found=tuple(one for one in answers.values() if isinstance(one, Found) and one.policy in whole),
        failures=tuple((address, one) for address, one in answers.items() if isinstance(one, DrorchError)),
    )


def _mates(
    loaded: LoadedPolicies, named: Sequence[tuple[str, Policy, tuple[SourcePromise, ...]]]
) -> Iterator[tuple[str, Policy, tuple[SourcePromise, ...]]]:
    """Yield the policies that share a group with one that was named: a group is captured whole."""
    whole = {address for address, _, _ in named}
    names = {policy.name for _, policy, _ in named}
    for name in with_mates(loaded.policies, sorted(names)):
        policy, promises = loaded.find(name)
        if name not in whole and (name not in names or policy.group is not None):
            yield name, policy, promises


def _with_mates(loaded: LoadedPolicies, pairs: Sequence[Pair], failed: Iterable[Pair]) -> Iterator[Pair]:
    """Yield those of ``pairs`` that failed, with all others of their groups."""
    again = {promise.address: policy for policy, promise in failed}
    grouped = {policy.name for policy in again.values() if policy.group is not None}
    mates = set(with_mates(loaded.policies, sorted(grouped))) if grouped else set[str]()
    yield from (pair for pair in pairs if pair[1].address in again or pair[0].name in mates)


def _answers(wiring: Wiring, asking: Sequence[Pair]) -> dict[str, Found | DrorchError]:
    """Ask the servers, several at once: one that is dead keeps nobody waiting but itself."""
    if not asking:
        return {}
    catalog, machine = wiring.catalog(), this_machine()

    def ask(pair: Pair) -> Found | DrorchError:
        policy, promise = pair
        digest = str(digest_of_text(policy_text(policy)))
        try:
            discoverer = Discoverer(catalog, machine, wiring.clock, wiring.random_bytes, digest)
            return discoverer.run(promise, wiring.server(promise))
        except DrorchError as error:
            told = error.message
            error.message = told if told.startswith(promise.address) else f"{promise.address}: {told}"
            return error

    pool = ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="ask")
    try:
        return dict(zip((promise.address for _, promise in asking), pool.map(ask, asking), strict=True))
    finally:  # whoever interrupts is not kept by a server that does not answer
        pool.shutdown(wait=False, cancel_futures=True)


def _meant(
    address: str, policy: Policy, promises: Iterable[SourcePromise], answers: dict[str, Found | DrorchError]
) -> Iterator[Pair]:
    """Yield the sources that one address means; a name that its server does not have is an error."""
    is_one = "/" in address
    failed, found, gone = False, 0, set[str]()
    for promise in promises:
        answer = answers.get(promise.address) if promise.needs_discovery else None
        failed = failed or isinstance(answer, DrorchError)
        gone |= set(answer.gone) if isinstance(answer, Found) else set()
        offered = answer.promises if isinstance(answer, Found) else () if promise.needs_discovery else (promise,)
        for one in offered:
            if not is_one or one.address == address:
                found += 1
                yield policy, one
    if not is_one or found or failed:
        return
    if address in gone:
        raise SourceMissing(
            f"{address}: the server does not have it any more",
            hint=f"`drorch source retire {address} --reason TEXT` when that is meant",
        )
    raise PolicyUnknown(f"there is no source {address}", hint=f"`drorch status {policy.name} --all` lists them")


def _failed(wiring: Wiring, catalog: Catalog, pairs: Iterable[Pair]) -> Iterator[Pair]:
    last, now = last_runs(catalog), wiring.clock.now()
    asked = catalog.newest_run_by_source(operation=DISCOVERY)
    for policy, promise in pairs:
        run = last.get(promise.address)
        question = asked.get(policy.name)
        was_away = (
            question is not None
            and question.state is RunState.FAILED
            and (run is None or run.started_at < question.started_at)
        )
        if was_away or needs_another_try(policy, promise.address, run, now):
            yield policy, promise
