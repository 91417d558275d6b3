"""Replays definitions: each statement's error is fatal and names the definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.quoting import identifier, literal
from drorch.sources.postgresql.role_names import with_roles
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.settings_sql import setting_name, setting_value
from drorch.sources.postgresql.tokens import tokens

_WITH_ACCESS_METHOD = {"TABLE", "MATERIALIZED VIEW"}
_WITH_TABLESPACE = {"TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"}
_ACCESS_METHODS_SINCE = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRules:
    """What becomes of the source's roles and tablespaces.

    Roles are renamed by ``mapping``, or there are no owners and rights at all. What was in a tablespace of ``tablespaces``
    goes where it says, all else to the default of the database.
    """

    mapping: Mapping[str, str]
    no_owner: bool = False
    tablespaces: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, role: str) -> str:
        """Return the role that stands for ``role`` here."""
        return self.mapping.get(role, role)


class Replayer:
    """Replays entries on one session."""

    def __init__(self, session: Session, rules: ReplayRules) -> None:
        self._session = session
        self._rules = rules
        self._access_method = ""

    def replay(self, entry: Entry) -> None:
        """Run the statements of ``entry``; raise a ``TargetError`` that names it."""
        with mapped_target(f"{entry.label}"):
            for sql in self.statements(entry):
                self._session.run(sql)

    def statements(self, entry: Entry) -> Iterator[str]:
        """Yield what ``entry`` means here."""
        if self._needs_access_method(entry):
            yield f"set default_table_access_method = {identifier(entry.access_method)}"
            self._access_method = entry.access_method
        tablespace = self._rules.tablespaces.get(entry.tablespace, "") if entry.kind in _WITH_TABLESPACE else ""
        if tablespace:
            yield f"set default_tablespace = {identifier(tablespace)}"
        yield from self._definition(entry)
        if tablespace:  # the next definition may be replayed by another replayer, on this session
            yield "set default_tablespace = ''"

    def forget(self) -> None:
        """Assume nothing of the session: what was set was undone with a savepoint."""
        self._access_method = ""

    def _definition(self, entry: Entry) -> Iterator[str]:
        if entry.kind == "LARGE OBJECTS":
            yield from large_object_statements(entry, self._rules)
        elif entry.kind == "SUBSCRIPTION":
            yield disabled_subscription(entry.sql)
        elif entry.sql and not is_comment(entry.sql):
            yield with_roles(entry, self._rules.mapping)
        if self._rules.no_owner and is_security_definer(entry):
            yield f"revoke all on {entry.alter} from public"
        if entry.alter and entry.owner and not self._rules.no_owner:
            yield f"alter {entry.alter} owner to {identifier(self._rules.of(entry.owner))}"

    def _needs_access_method(self, entry: Entry) -> bool:
        if entry.kind not in _WITH_ACCESS_METHOD or self._session.server_version < _ACCESS_METHODS_SINCE:
            return False
        return bool(entry.access_method) and entry.access_method != self._access_method


def is_security_definer(entry: Entry) -> bool:
    """Whether it is a function that runs with the rights of its owner: not one to give to a superuser, for all to call."""
    if entry.kind not in ("FUNCTION", "PROCEDURE"):
        return False
    words = [token.keyword for token in tokens(entry.sql) if token.kind != "space"]
    return ("SECURITY", "DEFINER") in pairwise(words)


def is_comment(sql: str) -> bool:
    """Whether ``sql`` is only a remark: pg_dump's entry for the schema ``public``, which every database has."""
    return sql.startswith("--") and "\n" not in sql.strip()


def disabled_subscription(sql: str) -> str:
    """Return ``CREATE SUBSCRIPTION`` that neither connects nor owns a slot on the publisher."""
    parts: list[str] = []
    skipping = False
    for token in tokens(sql):
        if token.keyword == "SLOT_NAME":
            parts.append("slot_name = NONE, enabled = false, create_slot = false")
            skipping = True
        elif skipping and token.text in ",)":
            skipping = False
        if not skipping:
            parts.append(token.text)
    return "".join(parts)


def large_object_statements(entry: Entry, rules: ReplayRules) -> Iterator[str]:
    """Yield owner, rights and comment of the large objects of ``entry``."""
    for oid in entry.values.get("oids", ()):
        place = f"large object {int(oid)}"
        if entry.values.get("comment"):
            yield f"comment on {place} is {literal(entry.values['comment'])}"
        if rules.no_owner:
            continue
        if entry.owner:
            yield f"alter {place} owner to {identifier(rules.of(entry.owner))}"
        if "rights" in entry.values:
            yield f"revoke all on {place} from public, {identifier(rules.of(entry.owner))}"
            yield from _grants(place, entry.values["rights"], rules)


def database_statements(entry: Entry, database: str, rules: ReplayRules) -> Iterator[str]:
    """Yield what a ``DATABASE ...`` entry means for ``database``, except its comment."""
    name = identifier(database)
    if entry.kind == "DATABASE SETTING":
        role = entry.values.get("role", "")
        subject = f"role {identifier(rules.of(role))} in database {name}" if role else f"database {name}"
        value = setting_value(str(entry.values.get("value", "")), is_list=bool(entry.values.get("is_list")))
        yield f"alter {subject} set {setting_name(entry.name)} to {value}"
    elif entry.kind == "DATABASE LABEL":
        yield f"security label for {identifier(entry.name)} on database {name} is {literal(entry.values['label'])}"
    elif entry.kind == "DATABASE RIGHTS" and not rules.no_owner:
        yield f"revoke all on database {name} from public"
        yield from _grants(f"database {name}", entry.values["rights"], rules)


def _grants(place: str, rights: list[list[object]], rules: ReplayRules) -> Iterator[str]:
    for grantee, right, is_grantable in rights:
        who = identifier(rules.of(str(grantee))) if grantee else "public"
        yield f"grant {right} on {place} to {who}{' with grant option' if is_grantable else ''}"
