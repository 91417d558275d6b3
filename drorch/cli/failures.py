"""What a failed backup tells beyond its cause: whose it was, what was tried, with which password, and what to try next."""

from __future__ import annotations

from drorch.cli.output import local_time
from drorch.errors import (
    DrorchError,
    SourceError,
    SourceLoginFailed,
    SourceMissing,
    SourceRightsMissing,
    SourceUnreachable,
)
from drorch.policy.model import MariadbSource, Policy, PostgresqlSource, SourcePromise
from drorch.policy.nodes import Node, Section
from drorch.policy.secret import SecretReference
from drorch.settings import Settings

_ABOUT_REACHING = (SourceLoginFailed, SourceMissing, SourceRightsMissing, SourceUnreachable)


def explain(
    error: DrorchError, policy: Policy, promise: SourcePromise, source_address: str, settings: Settings
) -> None:
    """Add to a source's error, in place, what the policy and the settings know about it."""
    if not isinstance(error, SourceError):
        return
    told = error.message.removeprefix(f"{source_address}: ")
    error.message = told if told.startswith(f"{promise.address}: ") else f"{promise.address}: {told}"
    if isinstance(error, _ABOUT_REACHING):
        error.expected = error.expected or _expectation(promise, source_address)
    if isinstance(error, SourceLoginFailed):
        error.found = "\n".join(part for part in (error.found, _password(policy, promise, settings)) if part)
        advice = (
            f"`drorch policy grants {policy.name}` prints the account that is needed;"
            f" `drorch doctor {promise.address}` tries it"
        )
        error.hint = f"{error.hint}; {advice}" if error.hint else advice


def _expectation(promise: SourcePromise, source_address: str) -> str:
    account = getattr(promise.source, "user", None)
    return f"to log in as {account} to {source_address}" if account else f"to read {source_address}"


def _password(policy: Policy, promise: SourcePromise, settings: Settings) -> str:
    """Say where the password came from and when it was last changed; empty when the policy names none."""
    source = promise.source
    reference = source.password if isinstance(source, PostgresqlSource | MariadbSource) else None
    if reference is None:
        return ""
    text = f"password from {reference} ({_place(policy, source.engine)})"
    return text + _changed(reference, settings)


def _place(policy: Policy, engine: str) -> str:
    node: Node | None = policy.written
    for key in ("source", engine, "password"):
        node = node.get(key) if isinstance(node, Section) else None
    return policy.file if node is None else f"{policy.file}, line {node.place.line}"


def _changed(reference: SecretReference, settings: Settings) -> str:
    changed_at = settings.secret_changed_at(reference)
    return "" if changed_at is None else f", changed {local_time(changed_at, str(settings.time_zone))[:16]}"
