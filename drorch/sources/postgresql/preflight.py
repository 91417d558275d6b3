"""Everything that stands in the way of a restore, found at once and before the first byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from drorch.quantities import format_size
from drorch.sources.interface import Content, Finding, Json, Level, RestoreChoices
from drorch.sources.postgresql.databases import Occupation
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.quoting import literal
from drorch.sources.postgresql.session import Session

_SHOWN = 8
# Where Debian keeps an extension that is not part of PostgreSQL itself; ``{v}`` is the server's major version.
_PACKAGES = {
    "address_standardizer": "postgresql-{v}-postgis-3",
    "age": "postgresql-{v}-age",
    "amcheck": "postgresql-{v}",
    "hll": "postgresql-{v}-hll",
    "hypopg": "postgresql-{v}-hypopg",
    "ip4r": "postgresql-{v}-ip4r",
    "mysql_fdw": "postgresql-{v}-mysql-fdw",
    "ogr_fdw": "postgresql-{v}-ogr-fdw",
    "oracle_fdw": "postgresql-{v}-oracle-fdw",
    "orafce": "postgresql-{v}-orafce",
    "partman": "postgresql-{v}-partman",
    "pg_cron": "postgresql-{v}-cron",
    "pg_hint_plan": "postgresql-{v}-pg-hint-plan",
    "pg_partman": "postgresql-{v}-partman",
    "pg_repack": "postgresql-{v}-repack",
    "pgaudit": "postgresql-{v}-pgaudit",
    "pgrouting": "postgresql-{v}-pgrouting",
    "pgtap": "postgresql-{v}-pgtap",
    "plperl": "postgresql-plperl-{v}",
    "plperlu": "postgresql-plperl-{v}",
    "plpython3u": "postgresql-plpython3-{v}",
    "plr": "postgresql-{v}-plr",
    "pltcl": "postgresql-pltcl-{v}",
    "pltclu": "postgresql-pltcl-{v}",
    "plv8": "postgresql-{v}-plv8",
    "postgis": "postgresql-{v}-postgis-3",
    "postgis_raster": "postgresql-{v}-postgis-3",
    "postgis_sfcgal": "postgresql-{v}-postgis-3",
    "postgis_tiger_geocoder": "postgresql-{v}-postgis-3",
    "postgis_topology": "postgresql-{v}-postgis-3",
    "rum": "postgresql-{v}-rum",
    "semver": "postgresql-{v}-semver",
    "tds_fdw": "postgresql-{v}-tds-fdw",
    "unit": "postgresql-{v}-unit",
    "vector": "postgresql-{v}-pgvector",
}
# What PostgreSQL itself brings (Debian: in the server's own package); anything else is asked of the administrator.
_CONTRIB = (
    "adminpack autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw "
    "fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime old_snapshot pageinspect pg_buffercache "
    "pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility pg_walinspect pgcrypto pgrowlocks "
    "pgstattuple postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp xml2"
)


def findings(
    server: Session,
    content: Content,
    choices: RestoreChoices,
    occupied: Occupation,
    roles_needed: Sequence[str],
    *,
    extensions: frozenset[str] | None,
    is_local: bool,
) -> list[Finding]:
    """Return the list.

    ``server`` is any session on the target server, ``occupied`` what has the name now, ``extensions`` those that the
    chosen tables need (``None``: all of the snapshot).
    """
    facts = content.facts
    found = [*_version(server, facts, choices)]
    if choices.tables:
        found += _existing_for_tables(occupied)
    else:
        found += _occupied(occupied, choices)
    found += _extensions(server, facts, choices, extensions)
    if not occupied.exists or choices.replace:
        found += [*_locale(server, facts, choices), *_may_create(server)]
    elif not choices.tables:
        found += _same_locale(facts, occupied)
    elif facts.get("encoding") != occupied.encoding:
        found.append(_encoding_differs(facts, occupied))
    found += [*_roles(server, roles_needed, choices), *_tablespaces(facts), *_room(server, content, is_local=is_local)]
    found += _notes(facts)
    return found


def _version(server: Session, facts: Mapping[str, Json], choices: RestoreChoices) -> Iterator[Finding]:
    source, target = _number(facts, "server_version_num") // 10_000, server.server_version // 10_000
    text = f"server {server.parameter('server_version').split(' ')[0]}, source {facts.get('server_version')}"
    if target >= source:
        yield Finding(level=Level.OK, text=text)
    elif choices.allow_older:
        yield Finding(level=Level.NOTE, text=f"{text}: older than the source, as allowed")
    else:
        yield Finding(level=Level.STOP, text=f"{text}: older than the source", remedy="--allow-older")


def _number(facts: Mapping[str, Json], key: str) -> int:
    value = facts.get(key)
    return value if isinstance(value, int) else 0


def _occupied(occupied: Occupation, choices: RestoreChoices) -> Iterator[Finding]:
    if not occupied.exists:
        yield Finding(level=Level.OK, text="the database does not exist yet; it is made from template0")
    elif choices.replace:
        yield Finding(
            level=Level.NOTE, text=f"the database holds {occupied.objects} objects; it is kept under another name"
        )
        if occupied.sessions and not choices.terminate_sessions:
            yield Finding(
                level=Level.STOP,
                text=f"the database is in use by {_listed(occupied.sessions)}",
                remedy="end them, or --terminate-sessions",
            )
    elif not occupied.is_empty:
        remedy = "--replace keeps it under another name"
        if occupied.is_unfinished:
            remedy = "it is what is left of a restore that did not end: drop it, or --replace"
        yield Finding(level=Level.STOP, text=f"the database is not empty: {occupied.objects} objects", remedy=remedy)
    else:
        yield Finding(level=Level.OK, text="the database exists and is empty")


def _existing_for_tables(occupied: Occupation) -> Iterator[Finding]:
    if not occupied.exists:
        yield Finding(level=Level.OK, text="the database does not exist yet; it is made from template0")


def _extensions(
    server: Session, facts: Mapping[str, Json], choices: RestoreChoices, wanted: frozenset[str] | None
) -> Iterator[Finding]:
    available = {
        name: version or ""
        for name, version in server.run("select name, default_version from pg_catalog.pg_available_extensions")
    }
    major = server.server_version // 10_000
    for extension in _items(facts, "extensions"):
        name, version = str(extension["name"]), str(extension["version"])
        if wanted is not None and name not in wanted:
            continue
        if name not in available:
            yield Finding(
                level=Level.STOP, text=f"extension {name} {version} is not installed", remedy=_package(name, major)
            )
        elif _is_older(available[name], version):
            text = f"extension {name} is {available[name]}, the source has {version}"
            if choices.allow_older:
                yield Finding(level=Level.NOTE, text=text)
            else:
                yield Finding(level=Level.STOP, text=text, remedy=f"{_package(name, major)}, or --allow-older")


def _items(facts: Mapping[str, Json], key: str) -> list[Any]:
    value = facts.get(key)
    return list(value) if isinstance(value, (list, tuple)) else []


def _package(name: str, major: int) -> str:
    if name in _PACKAGES:
        return f"apt install {_PACKAGES[name].format(v=major)}"
    if name in _CONTRIB.split():
        return f"apt install postgresql-{major}"
    return "install it on the server"


def _is_older(ours: str, theirs: str) -> bool:
    def parts(version: str) -> list[int]:
        return [int(part) if part.isdigit() else 0 for part in version.split(".")]

    return parts(ours) < parts(theirs)


def _locale(server: Session, facts: Mapping[str, Json], choices: RestoreChoices) -> Iterator[Finding]:
    provider = str(facts.get("locale_provider") or "libc")
    if choices.locale is not None:
        yield Finding(level=Level.NOTE, text=f"locale {choices.locale} instead of {facts.get('collate')}, as asked")
        return
    problem = _provider_problem(server, facts, provider)
    if problem:
        yield Finding(level=Level.STOP, text=problem, remedy="--locale NAME")
    for name in dict.fromkeys((str(facts.get("collate")), str(facts.get("ctype")))):
        if not _has_locale(server, name):
            yield Finding(
                level=Level.STOP, text=f"the server has no locale {name}", remedy="install it, or --locale NAME"
            )
    version = facts.get("collation_version")
    if version and provider == "libc" and str(version) not in _collation_versions(server, str(facts.get("collate"))):
        yield Finding(
            level=Level.NOTE, text=f"the source sorted by version {version} of its locale; indexes are built anew here"
        )


def _provider_problem(server: Session, facts: Mapping[str, Json], provider: str) -> str:
    version = server.server_version
    if provider == "icu":
        has_icu = server.value("select 1 from pg_catalog.pg_collation where collprovider = 'i' limit 1") is not None
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


def _collation_versions(server: Session, name: str) -> set[str]:
    if server.server_version < 150_000:
        return set()
    rows = server.run(
        "select datcollate, pg_catalog.pg_database_collation_actual_version(oid) from pg_catalog.pg_database"
    )
    return {version or "" for collate, version in rows if _folded(collate or "") == _folded(name)} or {""}


def _same_locale(facts: Mapping[str, Json], occupied: Occupation) -> Iterator[Finding]:
    if facts.get("encoding") != occupied.encoding:
        yield _encoding_differs(facts, occupied)
    if _folded(str(facts.get("collate"))) != _folded(occupied.collate) or _folded(str(facts.get("ctype"))) != _folded(
        occupied.ctype
    ):
        yield Finding(
            level=Level.NOTE, text=f"the database has locale {occupied.collate}, the source {facts.get('collate')}"
        )


def _encoding_differs(facts: Mapping[str, Json], occupied: Occupation) -> Finding:
    return Finding(
        level=Level.STOP,
        text=f"the database has encoding {occupied.encoding}, the source {facts.get('encoding')}",
        remedy="restore under a name that does not exist yet",
    )


def _may_create(server: Session) -> Iterator[Finding]:
    if server.value("select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user") != "t":
        yield Finding(level=Level.STOP, text="the account may not create databases", remedy="ALTER ROLE ... CREATEDB")


def _roles(server: Session, needed: Sequence[str], choices: RestoreChoices) -> Iterator[Finding]:
    if choices.no_owner:
        yield Finding(level=Level.NOTE, text="owners and rights are left out, as asked")
        return
    wanted = sorted({choices.map_roles.get(role, role) for role in needed})
    existing = {row[0] for row in server.run("select rolname from pg_catalog.pg_roles")}
    missing = [role for role in wanted if role not in existing]
    if missing and choices.create_roles:
        yield Finding(level=Level.NOTE, text=f"roles are created without login: {_listed(missing)}")
        if (
            server.value("select rolcreaterole or rolsuper from pg_catalog.pg_roles where rolname = current_user")
            != "t"
        ):
            yield Finding(level=Level.STOP, text="the account may not create roles", remedy="ALTER ROLE ... CREATEROLE")
    elif missing:
        yield Finding(
            level=Level.STOP,
            text=f"roles that own or may use objects are missing: {_listed(missing)}",
            remedy=f"--create-roles | --map-role {missing[0]}=NAME | --no-owner",
        )
    yield from _foreign_roles(server, [role for role in wanted if role in existing])


def _foreign_roles(server: Session, roles: Sequence[str]) -> Iterator[Finding]:
    """An account that is no superuser can only make owners of roles that it is a member of."""
    if server.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user") == "t":
        return
    right = "SET" if server.server_version >= 160_000 else "MEMBER"
    foreign = [role for role in roles if server.value("select pg_catalog.pg_has_role($1, $2)", role, right) != "t"]
    if foreign:
        yield Finding(
            level=Level.STOP,
            text=f"the account may not give objects to {_listed(foreign)}",
            remedy="restore as a superuser, make the account their member, or --no-owner",
        )


def _tablespaces(facts: Mapping[str, Json]) -> Iterator[Finding]:
    names = [str(name) for name in _items(facts, "tablespaces")]
    if names:
        yield Finding(level=Level.NOTE, text=f"what was in tablespace {_listed(names)} goes to the default tablespace")


def _room(server: Session, content: Content, *, is_local: bool) -> Iterator[Finding]:
    """Compare free disk with the size, where both are on this machine."""
    needed = max(sum(stream.size_bytes for stream in content.streams()), 0)
    if not is_local or server.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user") != "t":
        return
    try:
        free = shutil.disk_usage(Path(server.value("show data_directory") or "/nonexistent")).free
    except OSError:
        return
    if free < needed:
        yield Finding(level=Level.STOP, text=f"{format_size(free)} are free, the rows alone need {format_size(needed)}")
    else:
        yield Finding(level=Level.OK, text=f"{format_size(free)} are free")


def _notes(facts: Mapping[str, Json]) -> Iterator[Finding]:
    for text in _items(facts, "left_out"):
        yield Finding(level=Level.NOTE, text=f"not in the snapshot: {text}")
    for text in _items(facts, "excluded_data"):
        yield Finding(level=Level.NOTE, text=f"comes without rows (exclude_data): {text}")
    for text in _items(facts, "unlogged_without_data"):
        yield Finding(level=Level.NOTE, text=f"comes without rows (unlogged, from a standby): {text}")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
