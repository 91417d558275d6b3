"""Whether the new database can have the encoding, locale and collations of the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drorch.sources.interface import Finding, Json, Level, RestoreChoices
from drorch.sources.postgresql.databases import Occupation
from drorch.sources.postgresql.fact_values import items, listed
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.inventory import display_name
from drorch.sources.postgresql.quoting import literal
from drorch.sources.postgresql.session import Session


def locale_findings(server: Session, facts: Mapping[str, Json], choices: RestoreChoices) -> Iterator[Finding]:
    """Yield what the new database cannot be as the source was, and what then has to be built anew."""
    provider = str(facts.get("locale_provider") or "libc")
    if choices.locale is not None:
        if _has_locale(server, choices.locale):
            yield Finding(level=Level.NOTE, text=f"locale {choices.locale} instead of {facts.get('collate')}, as asked")
        else:
            text = f"the server has no locale {choices.locale}, which --locale asks for"
            yield Finding(level=Level.STOP, text=text, remedy="`locale -a` on the server lists those that it has")
        return
    problem = _provider_problem(server, facts, provider)
    if problem:
        yield Finding(level=Level.STOP, text=problem, remedy="--locale NAME")
    for name in dict.fromkeys((str(facts.get("collate")), str(facts.get("ctype")))):
        if not _has_locale(server, name):
            yield Finding(
                level=Level.STOP, text=f"the server has no locale {name}", remedy="install it, or --locale NAME"
            )
    yield from _other_versions(server, facts, provider)


def _other_versions(server: Session, facts: Mapping[str, Json], provider: str) -> Iterator[Finding]:
    """Indexes are always built anew here; who compares sort orders with the old server should know why they differ."""
    version = facts.get("collation_version")
    ours = _collation_versions(server, facts, provider)
    if version and ours and str(version) not in ours:
        yield Finding(
            level=Level.NOTE,
            text=f"the source sorted by version {version} of its locale, this server has {listed(sorted(ours))}; indexes are built anew here",
        )
    known = {
        display_name(schema or "", name or ""): actual
        for schema, name, actual in server.run(
            """select n.nspname, c.collname, pg_catalog.pg_collation_actual_version(c.oid) from pg_catalog.pg_collation c
            join pg_catalog.pg_namespace n on n.oid = c.collnamespace where c.collprovider in ('i', 'c') and c.oid < 16384"""
        )
    }
    other = [
        str(one["name"])
        for one in items(facts, "collations")
        if one.get("version") and known.get(str(one["name"]), one["version"]) != one["version"]
    ]
    if other:
        text = f"another version of the collations {listed(other)} than the source's; indexes are built anew here"
        yield Finding(level=Level.NOTE, text=text)


def _provider_problem(server: Session, facts: Mapping[str, Json], provider: str) -> str:
    version = server.server_version
    if provider == "icu":
        # 16 and newer list `unicode` also where they were built without ICU.
        sql = "select 1 from pg_catalog.pg_collation where collprovider = 'i' and collname <> 'unicode' limit 1"
        has_icu = server.value(sql) is not None
        if version < 150_000 or not has_icu:
            return f"the server cannot have ICU locale {facts.get('locale')} for a whole database"
    if provider == "builtin" and (
        version < 170_000 or (facts.get("locale") == "PG_UNICODE_FAST" and version < 180_000)
    ):
        return f"the server does not have the builtin locale {facts.get('locale')}"
    return ""


def _has_locale(server: Session, name: str) -> bool:
    """Ask the server's list first; a locale that was installed since is found by trying, in a transaction that is undone."""
    if name in ("C", "POSIX"):
        return True
    known = server.run("select distinct collcollate from pg_catalog.pg_collation where collcollate is not null")
    if any(_folded(row[0] or "") == _folded(name) for row in known):
        return True
    server.run("begin")
    try:
        server.run(f"create collation pg_temp.drorch_probe (locale = {literal(name)})")
    except StatementRefused:
        return False
    finally:
        server.run("rollback")
    return True


def _folded(locale: str) -> str:
    return locale.lower().replace("-", "")


def _collation_versions(server: Session, facts: Mapping[str, Json], provider: str) -> set[str]:
    """Return the versions that the server gives the locale of the source; none if it does not say."""
    if server.server_version < 150_000:
        return set()
    if provider == "icu":
        sql = """select pg_catalog.pg_collation_actual_version(oid) from pg_catalog.pg_collation
            where collprovider = 'i' and collname in ($1, 'und-x-icu') order by collname = 'und-x-icu' limit 1"""
        return {version for (version,) in server.run(sql, f"{facts.get('locale')}-x-icu") if version}
    if provider != "libc":
        return set()
    name = str(facts.get("collate"))
    rows = server.run(
        """select datcollate, pg_catalog.pg_database_collation_actual_version(oid) from pg_catalog.pg_database
        union select collcollate, pg_catalog.pg_collation_actual_version(oid) from pg_catalog.pg_collation where collprovider = 'c'"""
    )
    return {version for collate, version in rows if version and _folded(collate or "") == _folded(name)}


def same_locale_findings(facts: Mapping[str, Json], occupied: Occupation) -> Iterator[Finding]:
    """Yield how a database that is there differs from the source."""
    if facts.get("encoding") != occupied.encoding:
        yield encoding_differs(facts, occupied)
    if _folded(str(facts.get("collate"))) != _folded(occupied.collate) or _folded(str(facts.get("ctype"))) != _folded(
        occupied.ctype
    ):
        yield Finding(
            level=Level.NOTE, text=f"the database has locale {occupied.collate}, the source {facts.get('collate')}"
        )


def encoding_differs(facts: Mapping[str, Json], occupied: Occupation) -> Finding:
    """Return what stands in the way if a database that is there has another encoding."""
    return Finding(
        level=Level.STOP,
        text=f"the database has encoding {occupied.encoding}, the source {facts.get('encoding')}",
        remedy="restore under a name that does not exist yet",
    )
