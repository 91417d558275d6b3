"""The sources that a command of ``drorch source`` is about: named by policies, seen on servers, known to the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drorch.catalog.interface import Catalog
from drorch.cli.invocation import Invocation
from drorch.errors import UsageInvalid
from drorch.operations.estate.life import SourceLife, Subject, unknown
from drorch.operations.estate.ownership import Ownership
from drorch.operations.estate.seen import known_promises, known_sources
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.model import Policy, SourcePromise
from drorch.quantities import counted
from drorch.settings import Settings, load_policies
from drorch.wiring import Wiring, machine_id


def prepared(invocation: Invocation, address: str) -> tuple[Settings, LoadedPolicies]:
    """Return settings and policies for a command about ``address``; raise ``RoleRefused`` where it may not be given, or what is wrong with its policy."""
    settings = invocation.settings()
    settings.require_role("backup", "change whose sources are")
    loaded = load_policies(settings)
    loaded.require_those([address])
    return settings, loaded


def life_of(wiring: Wiring) -> SourceLife:
    """Return what changes the life of sources, for this machine and its key."""
    here, catalog = machine_id(), wiring.catalog()
    ownership = Ownership(
        repository=wiring.repository(), host_key=wiring.writing_key(), catalog=catalog, machine_id=here
    )
    return SourceLife(catalog=catalog, ownership=ownership, machine_id=here, now=wiring.clock.now)


def one_promise(loaded: LoadedPolicies, catalog: Catalog, address: str) -> tuple[Policy, SourcePromise]:
    """Return the policy and the one source that ``address`` means; raise ``UsageInvalid`` when it means several."""
    policy, promises = loaded.find(address)
    found = known_sources(catalog, promises, address)
    if len(found) != 1:
        raise UsageInvalid(
            f"{address} has {counted(len(found), 'source')}",
            expected=f"one of them: {address}/NAME",
            hint="sources are closed one by one",
        )
    return policy, found[0]


def subject_of(loaded: LoadedPolicies, catalog: Catalog, address: str) -> Subject:
    """Return the one source of that address; raise ``PolicyUnknown``."""
    found = next((one for one in every_subject(loaded, catalog) if one.address == address), None)
    if found is None:
        raise unknown(address)
    return found


def every_subject(loaded: LoadedPolicies, catalog: Catalog) -> Iterator[Subject]:
    """Yield every source that a policy names, a server was seen to have or the catalog knows, by address."""
    records = {record.address: record for record in catalog.sources()}
    seen = catalog.seen_databases()
    found: dict[str, Subject] = {}
    for policy in loaded.policies:
        for promise in policy.promises:
            asked = (
                {promise.discovered(one.name).address: one for one in seen if one.asked_by == promise.address}
                if promise.needs_discovery
                else {}
            )
            named = known_promises(promise, seen) if promise.needs_discovery else (promise,)
            for one in named:
                found[one.address] = Subject(
                    address=one.address,
                    policy=policy.name,
                    is_named=True,
                    record=records.get(one.address),
                    seen=asked.get(one.address),
                )
    for address, record in records.items():
        found.setdefault(
            address, Subject(address=address, policy=record.policy, is_named=False, record=record, seen=None)
        )
    yield from (found[address] for address in sorted(found))


def of_promises(loaded: LoadedPolicies, catalog: Catalog, promises: Iterable[SourcePromise]) -> list[Subject]:
    """Return the sources of ``promises``."""
    wanted = {promise.address for promise in promises}
    return [one for one in every_subject(loaded, catalog) if one.address in wanted]
