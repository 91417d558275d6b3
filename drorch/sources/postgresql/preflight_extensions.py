"""Whether the extensions of the source are there, new enough, and the account's to create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drorch.sources.interface import Finding, Json, Level, RestoreChoices
from drorch.sources.postgresql.fact_values import items
from drorch.sources.postgresql.session import Session

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


def extension_findings(
    server: Session,
    facts: Mapping[str, Json],
    choices: RestoreChoices,
    wanted: frozenset[str] | None,
    *,
    is_created: bool,
) -> Iterator[Finding]:
    """Yield what is wrong with the extensions.

    ``wanted`` are those that the chosen tables need (``None``: all). ``is_created``: the restore makes the database itself.
    """
    available = {
        name: version or ""
        for name, version in server.run("select name, default_version from pg_catalog.pg_available_extensions")
    }
    major = server.server_version // 10_000
    forbidden = _forbidden(server) if is_created else set()
    for extension in items(facts, "extensions"):
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
        elif name in forbidden:
            text = f"only a superuser may create the extension {name}"
            remedy = "restore as a superuser, or into an empty database where one has created it"
            yield Finding(level=Level.STOP, text=text, remedy=remedy)


def _forbidden(server: Session) -> set[str]:
    """Return the extensions that only a superuser may create, if the account is none."""
    if server.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user") == "t":
        return set()
    trusted = "not trusted" if server.server_version >= 130_000 else "true"
    sql = f"select distinct name from pg_catalog.pg_available_extension_versions where superuser and {trusted}"
    return {name or "" for (name,) in server.run(sql)} - {"plpgsql"}  # which every database has


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
