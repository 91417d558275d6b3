"""What the account may do, and what it lacks: a server shows less to who may see less, and says nothing about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drorch.errors import SourceRightsMissing
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.options import NonTransactional, RolesChoice
from drorch.sources.mariadb.quoting import unquoted
from drorch.sources.mariadb.session import Session

_GRANT = re.compile(r"GRANT (?P<rights>.*?) ON (?P<database>\*|`(?:[^`]|``)*`)\.\* TO ")
_REFUSED = (1142, 1143, 1044)
_ROUTINES_FROM = (11, 3)  # SHOW CREATE ROUTINE is a right of its own


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is missing: what, and the statement that gives it (to be followed by ``TO account``)."""

    text: str
    grant: str


def lacks(
    session: Session, database: str, version: tuple[int, int], roles: RolesChoice, locking: NonTransactional
) -> list[Lack]:
    """Return everything that the account lacks; raise what a session raises."""
    held = held_rights(session, database)
    missing = [right for right in _wanted(version, locking) if not held & {right, "ALL PRIVILEGES"}]
    found = []
    if missing:
        listed = ", ".join(missing)
        found.append(Lack(f"the account lacks {listed} on {database}", f"GRANT {listed} ON `{database}`.*"))
    probes = _probes(roles)
    if version < _ROUTINES_FROM:
        probes["SELECT 1 FROM mysql.proc LIMIT 0"] = Lack(
            "the account may not see routines", "GRANT SELECT ON mysql.proc"
        )
    return [*found, *(lack for sql, lack in probes.items() if _is_refused(session, sql))]


def require_rights(
    session: Session, database: str, version: tuple[int, int], roles: RolesChoice, locking: NonTransactional
) -> None:
    """Raise ``SourceRightsMissing`` with everything that the account lacks."""
    found = lacks(session, database, version, roles, locking)
    if found:
        raise SourceRightsMissing(
            "; ".join(lack.text for lack in found),
            hint="`drorch policy grants POLICY` prints what is needed: " + "; ".join(lack.grant for lack in found),
        )


def _wanted(version: tuple[int, int], locking: NonTransactional) -> list[str]:
    wanted = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]
    if locking is NonTransactional.LOCK:
        wanted.append("LOCK TABLES")
    if version >= _ROUTINES_FROM:
        wanted.append("SHOW CREATE ROUTINE")
    return wanted


def _probes(roles: RolesChoice) -> dict[str, Lack]:
    if roles is RolesChoice.NONE:
        return {}
    columns = "Host, User, is_role, plugin, ssl_type"
    wanted = {
        f"SELECT {columns} FROM mysql.user LIMIT 0": Lack(
            "the account may not see accounts", f"GRANT SELECT ({columns}) ON mysql.user"
        )
    }
    for table in ("db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping"):
        wanted[f"SELECT * FROM mysql.{table} LIMIT 0"] = Lack(
            f"the account may not see grants (mysql.{table})", f"GRANT SELECT ON mysql.{table}"
        )
    if roles is RolesChoice.WITH_PASSWORDS:
        wanted["SELECT Priv FROM mysql.global_priv LIMIT 0"] = Lack(
            "the account may not see password hashes", "GRANT SELECT ON mysql.global_priv"
        )
    return wanted


def _is_refused(session: Session, sql: str) -> bool:
    try:
        session.run(sql)
    except ServerRefused as error:
        if error.number in _REFUSED:
            return True
        raise
    return False


def held_rights(session: Session, database: str) -> set[str]:
    """Return the rights that cover the whole database: of the account, and of the roles that it has."""
    held: set[str] = set()
    for (line,) in session.texts("SHOW GRANTS"):
        found = _GRANT.match(line)
        if found and (found["database"] == "*" or _means(unquoted(found["database"]), database)):
            held.update(right.strip() for right in found["rights"].split(","))
    return held


def held_globally(session: Session) -> set[str]:
    """Return the rights on the whole server: of the account, and of the roles that it has."""
    found = (_GRANT.match(line) for (line,) in session.texts("SHOW GRANTS"))
    return {right.strip() for one in found if one and one["database"] == "*" for right in one["rights"].split(",")}


def _means(pattern: str, database: str) -> bool:
    """Tell whether a pattern of a GRANT covers the database: ``_`` is any letter and ``%`` any number of them, unless escaped."""
    return re.fullmatch("".join(_parts(pattern)), database, re.DOTALL) is not None


def _parts(pattern: str) -> Iterator[str]:
    for escape, letter in re.findall(r"(\\?)(.)", pattern, re.DOTALL):
        wild = {"_": ".", "%": ".*"}.get(letter)
        yield wild if wild and not escape else re.escape(letter)


def version_of(text: str) -> tuple[int, int]:
    """Return major and minor version; ``(0, 0)`` if the text has none."""
    found: Sequence[str] = re.findall(r"\d+", text)
    return (int(found[0]), int(found[1])) if len(found) > 1 else (0, 0)
