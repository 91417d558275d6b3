"""JSON Schema (draft 2020-12) of policy files, restore tests and drorch.yaml, made from the field tables, for editors.

A schema cannot say everything: secrets in odd places, schedules that never come and names that do not exist are
found by ``policy validate`` alone.
"""

from __future__ import annotations

import json
from typing import Any

from drorch.policy.installation_fields import INSTALLATION
from drorch.policy.policy_fields import POLICY
from drorch.policy.restore_tests.fields import RESTORE_TEST

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """Return the schema of one policy file; what may come from ``defaults:`` is not required."""
    schema = POLICY.schema()
    required = [field.key for field in POLICY.fields if field.required and not field.is_inherited]
    schema["properties"]["objectives"].pop("required", None)
    return {"$schema": _DIALECT, "title": "drorch policy", **schema, "required": required}


def settings_schema() -> dict[str, Any]:
    """Return the schema of drorch.yaml."""
    return {"$schema": _DIALECT, "title": "drorch.yaml", **INSTALLATION.schema()}


def restore_test_schema() -> dict[str, Any]:
    """Return the schema of one restore test."""
    return {"$schema": _DIALECT, "title": "drorch restore test", **RESTORE_TEST.schema()}


def schema_text(schema: dict[str, Any]) -> str:
    """Return the schema as it lies in ``policies/`` and ``restore_tests/``; ends with a line end."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
