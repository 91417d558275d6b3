"""Read a password of a database from the place that an option names; a password never stands in argv."""

from __future__ import annotations

from collections.abc import Callable

import click

from drorch.errors import SecretUnavailable
from drorch.policy.secret import SecretReference
from drorch.settings import Settings


def password_at(where: str | None, option: str, settings: Settings) -> Callable[[], str] | None:
    """Return what gives the password, ``None`` when no place is named; ``prompt`` asks now.

    Raises ``SecretUnavailable``, without showing it, for text that is no place: it may be a password.
    """
    if where is None:
        return None
    if where == "prompt":
        answer: str = click.prompt("Password of the database", hide_input=True, err=True)
        return lambda: answer
    reference = SecretReference.parse(where)
    if reference is None:
        raise SecretUnavailable(
            f"{option} takes a place, not a password", expected="file:PATH, env:NAME or prompt", found="other text"
        )
    return lambda: settings.reveal(reference).text()
