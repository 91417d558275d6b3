"""Which roles a restore makes, with what, and what it leaves to people."""

from __future__ import annotations

from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import RestoreChoices
from drorch.sources.postgresql.restore_roles import RolesPlan, decode_roles, plan_roles

HASH = "SCRAM-SHA-256$4096:c2FsdA==$a:b"


def role(name: str, *flags: str, **more: Any) -> dict[str, Any]:
    return {"kind": "role", "name": name, "flags": ["inherit", *flags], "connection_limit": -1, **more}


def member(group: str, who: str, *, admin: bool = False) -> dict[str, Any]:
    return {"kind": "membership", "role": group, "member": who, "admin": admin}


TOWN = [
    role("owner", "canlogin", "super"),
    role("readers", comment="who may look"),
    role("everybody"),
    role("an", "canlogin", password=HASH, connection_limit=3, valid_until="1893456000.5"),
    role("elsewhere", "canlogin"),
    member("everybody", "readers"),
    member("readers", "an", admin=True),
    member("pg_monitor", "an"),
    member("elsewhere", "an"),
    {"kind": "setting", "role": "an", "name": "search_path", "value": '"$user", land'},
    {"kind": "setting", "role": "elsewhere", "name": "work_mem", "value": "1MB"},
]


def plan(
    *, existing: tuple[str, ...] = ("postgres", "pg_monitor"), account: str | None = None, **choices: Any
) -> RolesPlan:
    return plan_roles(TOWN, ["owner", "readers"], existing, RestoreChoices(**choices), account_to_join=account)


def test_owners_and_grantees_and_whom_they_belong_to_are_made_without_login() -> None:
    made = plan(create_roles=True)
    assert made.created == ("everybody", "owner", "readers")
    assert made.logins == ()
    assert [sql for sql in made.statements if sql.startswith("create")] == [
        'create role "everybody" nologin inherit',
        'create role "owner" nologin inherit',
        'create role "readers" nologin inherit',
    ]
    assert 'grant "everybody" to "readers"' in made.statements
    assert "comment on role \"readers\" is 'who may look'" in made.statements
    assert made.settings == ()
    told = "\n".join(made.by_hand)
    assert 'alter role "owner" SUPERUSER;' in told
    assert 'alter role "owner" login;' in told
    assert HASH not in repr(made)


def test_with_logins_their_members_can_log_in_as_before() -> None:
    made = plan(create_logins=True)
    assert made.created == ("an", "everybody", "owner", "readers")
    assert made.logins == ("an", "owner")
    create = next(sql for sql in made.statements if '"an"' in sql)
    assert create == (
        f"create role \"an\" login inherit connection limit 3 valid until '2030-01-01T00:00:00.500000+00:00' password '{HASH}'"
    )
    assert 'grant "readers" to "an" with admin option' in made.statements
    assert made.settings == (
        ("setting search_path of role an", "alter role \"an\" set \"search_path\" to '$user', 'land'"),
    )
    told = "\n".join(made.by_hand)
    assert 'role an was a member of pg_monitor: grant "pg_monitor" to "an";' in told
    assert "role an had memberships with roles that are not here: elsewhere" in told
    assert "alter role \"owner\" password '...';" in told
    assert not any("super" in sql for sql in made.statements)


def test_a_role_that_is_there_is_not_touched() -> None:
    made = plan(existing=("owner", "readers", "an"), create_logins=True)
    assert made.created == ("everybody",)
    assert made.statements == ('create role "everybody" nologin inherit',)
    assert 'role readers was a member of everybody: grant "everybody" to "readers";' in made.by_hand


def test_mapped_names_are_made_under_the_new_name() -> None:
    made = plan(create_roles=True, map_roles={"readers": "lookers", "owner": "postgres"})
    assert made.created == ("everybody", "lookers")
    assert 'grant "everybody" to "lookers"' in made.statements


def test_an_account_that_is_no_superuser_joins_whom_it_gives_objects_to() -> None:
    made = plan(create_roles=True, account="restorer")
    assert 'grant "owner" to "restorer"' in made.statements
    assert 'grant "everybody" to "restorer"' not in made.statements
    assert any('revoke "owner" from "restorer";' in line for line in made.by_hand)


def test_without_a_roles_stream_only_names_are_known() -> None:
    made = plan_roles([], ["owner"], [], RestoreChoices(create_logins=True), account_to_join=None)
    assert made.statements == ('create role "owner" nologin',)


def test_a_broken_roles_stream_is_our_error() -> None:
    for line in (b"{", b"[1]\n"):
        with pytest.raises(errors.ObjectCorrupt):
            list(decode_roles([line]))


def test_the_hash_is_in_no_repr() -> None:
    assert HASH not in repr(plan(create_logins=True))
