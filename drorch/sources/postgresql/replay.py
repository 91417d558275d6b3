"""Replays definitions: each statement's error is fatal and names the definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drorch.sources.postgresql.border import mapped_target
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.quoting import identifier, literal, unquoted
from drorch.sources.postgresql.role_names import with_roles
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.tokens import tokens

_WITH_ACCESS_METHOD = {"TABLE", "MATERIALIZED VIEW"}
_ACCESS_METHODS_SINCE = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRules:
    """What becomes of the source's roles: renamed by ``mapping``, or no owners and rights at all."""

    mapping: Mapping[str, str]
    no_owner: bool = False

    def of(self, role: str) -> str:
        """Return the role that stands for ``role`` here."""
        return self.mapping.get(role, role)


class Replayer:
    """Replays entries on one session."""

    def __init__(self, session: Session, rules: RoleRules) -> None:
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
        if entry.kind == "LARGE OBJECTS":
            yield from large_object_statements(entry, self._rules)
        elif entry.kind == "SUBSCRIPTION":
            yield disabled_subscription(entry.sql)
        elif entry.sql and not is_comment(entry.sql):
            yield with_roles(entry, self._rules.mapping)
        if entry.alter and entry.owner and not self._rules.no_owner:
            yield f"alter {entry.alter} owner to {identifier(self._rules.of(entry.owner))}"

    def _needs_access_method(self, entry: Entry) -> bool:
        if entry.kind not in _WITH_ACCESS_METHOD or self._session.server_version < _ACCESS_METHODS_SINCE:
            return False
        return bool(entry.access_method) and entry.access_method != self._access_method


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


def large_object_statements(entry: Entry, rules: RoleRules) -> Iterator[str]:
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


def database_statements(entry: Entry, database: str, rules: RoleRules) -> Iterator[str]:
    """Yield what a ``DATABASE ...`` entry means for ``database``, except its comment."""
    name = identifier(database)
    if entry.kind == "DATABASE SETTING":
        role = entry.values.get("role", "")
        subject = f"role {identifier(rules.of(role))} in database {name}" if role else f"database {name}"
        yield f"alter {subject} set {_setting_name(entry.name)} to {_setting_value(entry)}"
    elif entry.kind == "DATABASE LABEL":
        yield f"security label for {identifier(entry.name)} on database {name} is {literal(entry.values['label'])}"
    elif entry.kind == "DATABASE RIGHTS" and not rules.no_owner:
        yield f"revoke all on database {name} from public"
        yield from _grants(f"database {name}", entry.values["rights"], rules)


def _grants(place: str, rights: list[list[object]], rules: RoleRules) -> Iterator[str]:
    for grantee, right, is_grantable in rights:
        who = identifier(rules.of(str(grantee))) if grantee else "public"
        yield f"grant {right} on {place} to {who}{' with grant option' if is_grantable else ''}"


def _setting_name(name: str) -> str:
    return ".".join(identifier(part) for part in name.split("."))


def _setting_value(entry: Entry) -> str:
    value = str(entry.values.get("value", ""))
    if not entry.values.get("is_list"):
        return literal(value)
    parts = [part.strip() for part in _split_list(value)]
    return ", ".join(literal((unquoted(part) or (part,))[0]) for part in parts) or "''"


def _split_list(value: str) -> Iterator[str]:
    start, inside = 0, False
    for position, char in enumerate(value):
        if char == '"':
            inside = not inside
        elif char == "," and not inside:
            yield value[start:position]
            start = position + 1
    if value[start:].strip():
        yield value[start:]
