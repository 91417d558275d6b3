"""``drorch doctor``: try everything that a backup will need, and say what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from drorch import __version__
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, finding_lines, wrapped
from drorch.errors import DrorchError, PolicyInvalid, SourceMissing
from drorch.format.keyfile import HostKeyFile
from drorch.operations.at_once import Job, Limits, Place, results
from drorch.operations.examine import (
    Examined,
    examine_clock,
    examine_directory,
    examine_findings,
    examine_host_key,
    examine_membership,
    examine_pages,
    examine_private_keys,
    examine_secrets,
    examine_settings_file,
    examine_source,
    examine_store,
    failed,
    note,
    of_error,
    ok,
)
from drorch.operations.examine_sizes import SEEN_RUNS, Places, examine_directory_stores, examine_sizes
from drorch.operations.initialise import help_objects
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.discovery import chosen, discovery_of, server_of
from drorch.policy.installation import S3Store
from drorch.policy.model import CommandSource, MariadbSource, Policy, PostgresqlSource, SourcePromise
from drorch.policy.secret import SecretReference
from drorch.quantities import counted
from drorch.settings import Settings, load_policies
from drorch.sources.interface import Level
from drorch.wiring import Wiring, help_files

_MOST_SOURCES = 8  # told one by one
_ALL_ROLES = {"backup", "drill", "maintenance"}


@click.command(epilog="Example: drorch doctor lamdong-land")
@click.argument("policy", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@common_options
def command(policy: str | None, invocation: Invocation) -> int:
    """Try everything that a backup will need, and say what is missing.

    Looks at drorch.yaml, secrets, keys, disks and stores; with POLICY it also logs in to its databases and says what
    the account cannot read. Changes nothing. The exit code is that of the worst failure (docs/ERRORS.md).
    """
    settings = invocation.settings()
    loaded = load_policies(settings)
    promises = () if policy is None else _promises(loaded, policy)
    with invocation.wiring(settings) as wiring:
        chapters = list(_chapters(wiring, loaded, promises, policy))
    code = max((one.code for _, found in chapters for one in found), default=0)
    if invocation.output.as_json:
        invocation.output.document("drorch.doctor/1", _document(settings, policy, chapters, code))
    elif code or not invocation.output.quiet:
        _tell(chapters, settings, promises, invocation.output)
    return code


def _promises(loaded: LoadedPolicies, policy: str) -> tuple[SourcePromise, ...]:
    loaded.require_those([policy])
    return loaded.find(policy)[1]


def _chapters(
    wiring: Wiring, loaded: LoadedPolicies, promises: Sequence[SourcePromise], policy: str | None
) -> Iterator[tuple[str, list[Examined]]]:
    key, about_key = _host_key(wiring)
    yield "this machine", [*_machine(wiring.settings, loaded), *about_key, *_catalog(wiring)]
    settings = wiring.settings
    full = examine_directory_stores(settings.stores, settings.limits.keep_free_percent)
    yield "stores", [*_stores(wiring, key), *full]
    yield "policies", list(_policies(loaded))
    named, about_servers = _named(wiring, promises, policy or "")
    yield from about_servers
    yield from _sources(wiring, loaded, named)
    if policy is not None:
        yield "room and time", list(_sizes(wiring, *loaded.find(policy), policy))


def _machine(settings: Settings, loaded: LoadedPolicies) -> Iterator[Examined]:
    if settings.file is not None:
        yield examine_settings_file(settings.file)
    if settings.why_not_here:
        yield note(f"./drorch.yaml {settings.why_not_here}")
    yield from examine_secrets(_references(settings, loaded), settings.reveal, settings.base_directory / "secrets")
    base = settings.base_directory
    yield from examine_private_keys([base, base / "keys", base / "secrets"])
    for label, path in (
        ("state", settings.state_directory),
        ("cache", settings.cache_directory),
        ("temporary", settings.temporary_directory),
    ):
        yield from examine_directory(path, label, settings.limits.keep_free_percent)
    if set(settings.roles) >= _ALL_ROLES:
        yield note("one machine holds all roles (backup, drill, maintenance)", "see `roles:` to part them")
    else:
        yield ok(f"roles of this machine: {', '.join(settings.roles)}")


def _references(settings: Settings, loaded: LoadedPolicies) -> Iterator[SecretReference]:
    for store in settings.stores.values():
        if isinstance(store, S3Store):
            yield from (reference for reference in (store.access_key, store.secret_key) if reference is not None)
    if settings.catalog.password is not None:
        yield settings.catalog.password
    yield from (notification.url for notification in settings.notifications.values())
    keys, heartbeat = settings.keys, settings.heartbeat
    passwords = (sandbox.password for sandbox in settings.sandboxes.values())
    beside = (keys.drill_key, keys.drill_passphrase, None if heartbeat is None else heartbeat.url, *passwords)
    yield from (reference for reference in beside if reference is not None)
    for policy in loaded.policies:
        for promise in policy.sources():
            source = promise.source
            if isinstance(source, PostgresqlSource | MariadbSource) and source.password is not None:
                yield source.password
            if isinstance(source, CommandSource):
                yield from source.environment.values()
        if policy.hooks is not None:
            yield from policy.hooks.environment.values()


def _host_key(wiring: Wiring) -> tuple[HostKeyFile | None, list[Examined]]:
    settings = wiring.settings
    try:
        key = wiring.host_key()
    except DrorchError as error:
        return None, [of_error(error)]
    reference = settings.keys.host_key
    return key, [
        examine_host_key(None if reference is None else settings.secret_file(reference), key, settings.keys.trust)
    ]


def _catalog(wiring: Wiring) -> Iterator[Examined]:
    try:
        yield ok(f"catalog {wiring.catalog().address}")
    except DrorchError as error:
        yield of_error(error)


def _stores(wiring: Wiring, key: HostKeyFile | None) -> Iterator[Examined]:
    trust = wiring.settings.keys.trust
    good = []
    pages = help_objects(help_files(), __version__)
    for name in wiring.settings.stores:
        try:
            replica = wiring.replica(name)
        except DrorchError as error:
            yield of_error(error, name)
            continue
        repository, found = examine_store(replica, trust)
        yield found
        if repository is not None:
            good.append((name, repository))
            yield examine_clock(replica, wiring.clock.now())
            yield from examine_pages(replica, pages)
    yield from examine_membership(good, key)


def _policies(loaded: LoadedPolicies) -> Iterator[Examined]:
    if loaded.problems:
        yield failed(loaded.summary(), "drorch policy validate", PolicyInvalid)
    if loaded.policies:
        sources = sum(len(policy.sources()) for policy in loaded.policies)
        yield ok(f"policies: {len(loaded.policies)}, sources: {sources}")
    elif not loaded.problems:
        yield note("there is no policy yet", "drorch policy new NAME")


def _named(
    wiring: Wiring, promises: Sequence[SourcePromise], address: str
) -> tuple[list[SourcePromise], list[tuple[str, list[Examined]]]]:
    """Return the sources that ``address`` means, servers asked for theirs, and what there is to say about the servers."""
    named: list[SourcePromise] = []
    chapters: list[tuple[str, list[Examined]]] = []
    for promise in promises:
        if not promise.needs_discovery:
            named.append(promise)
            continue
        found, told = _asked(wiring, promise)
        named += [one for one in found if "/" not in address or one.address == address]
        chapters.append((promise.address, [told]))
        if "/" in address and found and not any(one.address == address for one in found):
            chapters.append((address, [failed("the server has no such database", "look for it there", SourceMissing)]))
    return named, chapters


def _asked(wiring: Wiring, promise: SourcePromise) -> tuple[list[SourcePromise], Examined]:
    """Ask a server for its databases; nothing is recorded."""
    discovery = discovery_of(promise)
    try:
        names = chosen(discovery, wiring.server(promise).databases())
    except DrorchError as error:
        return [], of_error(error, promise.address)
    told = f"{counted(len(names), 'database')} on {server_of(promise.source)}"
    if not names:
        return [], failed(
            f"{told} are like {', '.join(discovery.match)}", "look at `match` and `except`", SourceMissing
        )
    found = [promise.discovered(name) for name in names]
    if discovery.expect not in (None, len(names)):
        return found, note(f"{told}; the policy expects {discovery.expect}", "`expect` is an alarm in `drorch status`")
    return found, ok(told)


def _sources(
    wiring: Wiring, loaded: LoadedPolicies, promises: Sequence[SourcePromise]
) -> Iterator[tuple[str, list[Examined]]]:
    """Yield what was found of each source, several asked at once: a dead server keeps nobody waiting but itself."""
    limits = wiring.settings.limits
    found: dict[str, list[Examined]] = {}

    def act(promise: SourcePromise, place: Place) -> list[Examined]:
        place.waits()
        return [*_source(wiring, promise), *_hooks(wiring, loaded, promise)]

    for promise, examined in results(
        [Job(work=promise, server=server_of(promise.source)) for promise in promises],
        act,
        limits=Limits(in_all=limits.parallel_runs, per_server=limits.parallel_per_server),
        monotonic_seconds=wiring.clock.monotonic_seconds,
        abandon=lambda _error: None,
    ):
        found[promise.address] = examined
    yield from ((promise.address, found[promise.address]) for promise in promises)


def _source(wiring: Wiring, promise: SourcePromise) -> Iterator[Examined]:
    try:
        source = wiring.source(promise)
    except DrorchError as error:
        yield of_error(error, promise.address)
        return
    yield from examine_source(promise.address, source)


def _sizes(wiring: Wiring, policy: Policy, promises: Sequence[SourcePromise], address: str) -> Iterator[Examined]:
    settings = wiring.settings
    places = Places(stores=settings.stores, limits=settings.limits)
    try:
        records = [wiring.catalog().snapshots(source=promise.address, limit=SEEN_RUNS) for promise in promises]
    except DrorchError:  # it is among what was found of this machine
        return
    yield from examine_sizes(address, policy, records, places, wiring.clock.now())


def _hooks(wiring: Wiring, loaded: LoadedPolicies, promise: SourcePromise) -> Iterator[Examined]:
    hooks = loaded.find(promise.policy_name)[0].hooks
    if hooks is not None:
        yield from examine_findings(wiring.examine_hooks(hooks))


def _tell(
    chapters: Sequence[tuple[str, list[Examined]]],
    settings: Settings,
    promises: Sequence[SourcePromise],
    output: Output,
) -> None:
    lines = wrapped(f"drorch {__version__}, {settings.file}", 2)
    for title, found in _worth_telling(chapters):
        lines += ["", title, *finding_lines([one.finding for one in found])]
    findings = [one.finding for _, found in chapters for one in found]
    bad = sum(finding.level in (Level.FAIL, Level.STOP) for finding in findings)
    lines.append("")
    if bad:
        lines.append(f"FAIL  {bad} of {len(findings)} checks")
    else:
        lines.append("OK  nothing stands in the way of a backup")
        lines += [] if promises else ["  databases were not asked: drorch doctor POLICY"]
    output.lines(lines)


def _worth_telling(chapters: Sequence[tuple[str, list[Examined]]]) -> Iterator[tuple[str, list[Examined]]]:
    """Yield the chapters; of many sources only those with something to look at, and how many there are without."""
    sources = [chapter for chapter in chapters if "/" in chapter[0]]
    if len(sources) <= _MOST_SOURCES:
        yield from chapters
        return
    quiet = [title for title, found in sources if all(one.finding.level is Level.OK for one in found)]
    yield from (chapter for chapter in chapters if chapter[0] not in quiet)
    if quiet:
        yield f"{len(quiet)} of {len(sources)} sources", [ok("nothing stands in the way of any of them")]


def _document(
    settings: Settings, policy: str | None, chapters: Sequence[tuple[str, list[Examined]]], code: int
) -> dict[str, object]:
    return {
        "ok": code == 0,
        "version": __version__,
        "settings": str(settings.file),
        "policy": policy,
        "findings": [
            {
                "about": title,
                "level": one.finding.level.value,
                "text": one.finding.text,
                "remedy": one.finding.remedy,
                "code": one.code,
            }
            for title, found in chapters
            for one in found
        ],
    }
