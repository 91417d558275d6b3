"""Whether the owners and grantees of the source are there, and who is made if they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drorch.sources.interface import Content, Finding, Level, RestoreChoices, StreamKind
from drorch.sources.postgresql.fact_values import listed
from drorch.sources.postgresql.restore_roles import RolesPlan, decode_roles, plan_roles
from drorch.sources.postgresql.session import Session


def roles_plan(server: Session, content: Content, needed: Sequence[str], choices: RestoreChoices) -> RolesPlan:
    """Return which roles a restore makes; an empty plan unless it was asked for."""
    if choices.no_owner or not (choices.create_roles or choices.create_logins):
        return RolesPlan()
    documents = [
        document
        for stream in content.streams()
        if stream.spec.kind is StreamKind.ROLES
        for document in decode_roles(content.open(stream))
    ]
    account = None if _may(server, "rolsuper") else server.value("select current_user")
    return plan_roles(documents, needed, _existing(server), choices, account_to_join=account)


def role_findings(
    server: Session, content: Content, needed: Sequence[str], choices: RestoreChoices
) -> Iterator[Finding]:
    """Yield which of the roles ``needed`` are not here, and what becomes of that."""
    if choices.no_owner:
        yield Finding(level=Level.NOTE, text="owners and rights are left out, as asked")
        return
    wanted = sorted({choices.map_roles.get(role, role) for role in needed})
    existing = _existing(server)
    missing = [role for role in wanted if role not in existing]
    plan = roles_plan(server, content, needed, choices)
    if plan.created:
        yield from _created(plan)
        if not (_may(server, "rolcreaterole") or _may(server, "rolsuper")):
            yield Finding(level=Level.STOP, text="the account may not create roles", remedy="ALTER ROLE ... CREATEROLE")
    elif missing:
        yield Finding(
            level=Level.STOP,
            text=f"roles that own or may use objects are missing: {listed(missing)}",
            remedy=f"--create-roles | --map-role {missing[0]}=NAME | --no-owner",
        )
    yield from _foreign_roles(server, [role for role in wanted if role in existing])


def _created(plan: RolesPlan) -> Iterator[Finding]:
    silent = [role for role in plan.created if role not in plan.logins]
    if silent:
        yield Finding(level=Level.NOTE, text=f"roles are created without login: {listed(silent)}")
    if plan.logins:
        yield Finding(level=Level.NOTE, text=f"roles are created that can log in: {listed(plan.logins)}")


def _existing(server: Session) -> set[str]:
    return {row[0] or "" for row in server.run("select rolname from pg_catalog.pg_roles")}


def _may(server: Session, flag: str) -> bool:
    return server.value(f"select {flag} from pg_catalog.pg_roles where rolname = current_user") == "t"


def _foreign_roles(server: Session, roles: Sequence[str]) -> Iterator[Finding]:
    """An account that is no superuser can only make owners of roles that it is a member of."""
    if _may(server, "rolsuper"):
        return
    right = "SET" if server.server_version >= 160_000 else "MEMBER"
    foreign = [role for role in roles if server.value("select pg_catalog.pg_has_role($1, $2)", role, right) != "t"]
    if foreign:
        yield Finding(
            level=Level.STOP,
            text=f"the account may not give objects to {listed(foreign)}",
            remedy=f"restore as a superuser, make the account their member, --map-role {foreign[0]}=ACCOUNT, or --no-owner",
        )
