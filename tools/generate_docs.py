"""Make again the files that are generated from the program; ``tests/test_docs.py`` checks that they are current."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drorch.errors import DrorchError, every_error
from drorch.policy.schema import policy_schema, restore_test_schema, schema_text, settings_schema

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

# Exit codes that no class stands for.
OTHER_EXIT_CODES = [
    (0, "| 0 | | Done, all of it. | | |"),
    (3, "| 3 | | Partial success: the result names what is missing. | | |"),
]

# The slug of the class at the head of each family, "" for what has none.
FAMILIES = {
    "": "General",
    "policy": "10-19: what the sysadmin wrote, and this machine's set-up",
    "source": "20-29: the database that is backed up",
    "store": "30-39: object storage",
    "integrity": "40-49: integrity, keys, trust",
    "drill": "50-59: restore drills",
    "evidence": "60-69: evidence",
    "target": "70-79: where a restore goes",
}


def errors_page() -> str:
    """Return docs/ERRORS.md: every exit code with its class, what it means and what to do."""
    lines = [
        "# Errors and exit codes",
        "",
        "Made by `./run docs` from `drorch/errors.py`; do not edit. A code is never given another meaning.",
        "With `--json` the word is the error's `name`. *Again*: may pass by itself, a later try is worth it.",
    ]
    for slug, title in FAMILIES.items():
        rows = dict(OTHER_EXIT_CODES) if not slug else {}
        rows |= {error.exit_code: row_of(error) for error in every_error() if family_of(error) == slug}
        if rows:
            lines += [
                "",
                f"## {title}",
                "",
                "| exit | word | what happened | again | what to do |",
                "|---|---|---|---|---|",
            ]
            lines += [rows[code] for code in sorted(rows)]
    return "\n".join(lines) + "\n"


def family_of(error: type[DrorchError]) -> str | None:
    """Return the slug of the family that ``error`` belongs to, "" for none; None for the heads of families."""
    below_root = [base for base in error.__mro__ if issubclass(base, DrorchError)][:-1]
    if not below_root or (error in DrorchError.__subclasses__() and error.slug in FAMILIES):
        return None
    return below_root[-1].slug if below_root[-1].slug in FAMILIES else ""


def row_of(error: type[DrorchError]) -> str:
    """Return one line of the table."""
    meaning = " ".join((error.__doc__ or "").replace("``", "`").split())
    again = "yes" if error.retryable else ""
    return f"| {error.exit_code} | {error.slug} | {meaning} | {again} | {error.default_hint} |"


# path -> function that returns its text
GENERATORS: dict[str, Callable[[], str]] = {
    "docs/ERRORS.md": errors_page,
    "policies/schema.json": lambda: schema_text(policy_schema()),
    "policies/drorch.schema.json": lambda: schema_text(settings_schema()),
    "restore_tests/schema.json": lambda: schema_text(restore_test_schema()),
}


def main() -> None:
    """Write every generated file."""
    for name, generate in GENERATORS.items():
        (ROOT / name).write_text(generate(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
