"""What ``policy new`` writes: the few lines that protect a source, ready to be filled in."""

from __future__ import annotations

from drorch.errors import UsageInvalid
from drorch.policy.kinds import INVALID, nearest
from drorch.policy.name_kinds import name_kind
from drorch.policy.nodes import Scalar
from drorch.policy.problems import Place, Problems

_SOURCES = {
    "postgresql": """\
  postgresql:
    host: db1.example                         # leave out for a local socket
    database: {database}
    user: drorch_backup                       # `drorch policy grants` makes it
    password: file:secrets/{name}             # leave out for peer or ~/.pgpass
""",
    "mariadb": """\
  mariadb:
    host: db1.example                         # leave out for a local socket
    database: {database}
    user: drorch_backup                       # `drorch policy grants` makes it
    password: file:secrets/{name}
""",
    "sqlite": """\
  sqlite:
    file: /var/lib/{name}/{name}.db
""",
    "files": """\
  files:
    paths: [/srv/{name}]
    exclude: ["*.tmp"]
""",
    "command": """\
  command:                                    # programs, no shell; secrets: environment:
    capture: [/usr/local/bin/dump-{name}]     # writes the backup to standard output
    restore: [/usr/local/bin/load-{name}, "{{target}}"]  # reads it from standard input
    minimum_size: 1MB                         # fewer bytes fail the run
""",
}
ENGINES = tuple(_SOURCES)
_COMMENT_COLUMN = 46
_WIDTH = 80


def template(name: str, engine: str) -> str:
    """Return the text of a policy file for ``policies/NAME.yaml``; raise ``UsageInvalid``."""
    problems = Problems()
    if name_kind.read(Scalar(Place("name", 1, 1), name, is_plain=False), "name", problems) is INVALID:
        raise UsageInvalid(
            problems.sorted()[0].message, expected="a name made of a-z 0-9 -, at most 63 letters", found=name[:80]
        )
    if engine not in _SOURCES:
        raise UsageInvalid(f"unknown engine{nearest(engine, ENGINES)}", expected=", ".join(ENGINES), found=engine[:80])
    database = _quoted(name if engine == "postgresql" else name.replace("-", "_"))
    source = _SOURCES[engine].format(name=name, database=database)
    text = (
        f"# policies/{name}.yaml       check: drorch policy validate\n"
        f"name: {_quoted(name)}\n"
        "source:\n"
        f"{source}"
        'schedule: "30 1 * * *"                        # minute hour day month weekday\n'
        "# stores, objectives, retention, owner, ...: `defaults:` in drorch.yaml\n"
    )
    return "".join(_aligned(line) for line in text.splitlines(keepends=True))


def _aligned(line: str) -> str:
    """Return the line with its comment in one column, or without it where it would not fit."""
    value, mark, remark = line.rstrip("\n").partition("  #")
    if not mark or not value.strip():
        return line
    aligned = f"{value.rstrip().ljust(_COMMENT_COLUMN)}#{remark}"
    return (aligned if len(aligned) <= _WIDTH else value.rstrip()) + "\n"


def _quoted(name: str) -> str:
    """Return ``name`` in quotes if YAML would take it for something else."""
    return (
        name
        if name[0].isalpha() and name not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
        else f'"{name}"'
    )
