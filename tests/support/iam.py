"""Judge a request by IAM policies, as AWS documents it: a Deny that fits wins, then an Allow that fits, else no.

Small and strict: an operator or key that it does not know is an error of the test, never an answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Policy = Mapping[str, Any]
KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def is_allowed(policies: Sequence[Policy], action: str, resource: str, context: Mapping[str, str]) -> bool:
    fitting = [
        statement["Effect"]
        for policy in policies
        for statement in policy["Statement"]
        if fits(statement, action, resource, context)
    ]
    return "Deny" not in fitting and "Allow" in fitting


def fits(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    assert set(statement) <= KNOWN, statement
    return (
        any(like(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
        and any(like(pattern, resource) for pattern in listed(statement["Resource"]))
        and all(
            condition_holds(operator, context.get(key), listed(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def condition_holds(operator: str, value: str | None, wanted: list[str]) -> bool:
    if operator == "Null":
        return wanted == [str(value is None).lower()]
    if value is None:
        return False
    if operator == "StringLike":
        return any(like(pattern, value) for pattern in wanted)
    if operator == "Bool":
        return value in wanted
    if operator == "NumericGreaterThan":
        return any(float(value) > float(number) for number in wanted)
    raise AssertionError(f"operator {operator}")


def like(pattern: str, text: str) -> bool:
    regex = "".join(".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
