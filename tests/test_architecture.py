"""The laws that import-linter cannot state: one library, one home; and the world is touched in named places only.

The layers themselves are in pyproject.toml and checked by ``./run lint``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "drorch").rglob("*.py"))
}

# A dotted name that only its homes may use; what stands below a name or a home is included. A call like
# ``datetime.datetime.now`` is found under any alias. The empty tuple: nowhere.
HOMES: dict[str, tuple[str, ...]] = {
    # libraries
    "alembic": ("drorch.catalog",),
    "apprise": ("drorch.notify",),
    "apscheduler": ("drorch.daemon.timetable",),
    "blake3": ("drorch.format", "drorch.operations.content"),
    "boto3": ("drorch.storage.s3",),
    "botocore": ("drorch.storage.s3",),
    "click": ("drorch.cli",),
    "cryptography": ("drorch.format", "drorch.evidence", "drorch.timestamping"),
    "ctypes": ("drorch.native", "drorch.wiring.kernel_clock", "drorch.sources.files.replacement"),
    "pathspec": ("drorch.sources.files.patterns",),
    "PIL": ("drorch.sources.files.opening",),
    "prometheus_client": ("drorch.monitoring",),
    "psycopg": ("drorch.sources", "drorch.catalog"),
    "pypdf": ("drorch.sources.files.opening",),
    "pyfastcdc": ("drorch.format",),
    "pymysql": ("drorch.sources.mariadb",),
    "rich": ("drorch.cli",),
    "ruamel": ("drorch.policy.document", "drorch.settings"),
    "shamir_mnemonic": ("drorch.format",),
    "sqlalchemy": ("drorch.catalog",),
    "sqlite3": ("drorch.sources", "drorch.repository", "drorch.catalog", "drorch.sandbox"),
    "rfc3161_client": ("drorch.timestamping",),
    "typst": ("drorch.paper.typesetting",),
    "xxhash": ("drorch.format",),
    "zstandard": ("drorch.format.compression",),
    # the world: processes, environment, clock, randomness, terminal
    "asyncio": (),
    "datetime.date.today": ("drorch.clock",),
    "datetime.datetime.now": ("drorch.clock",),
    "datetime.datetime.today": ("drorch.clock",),
    "datetime.datetime.utcnow": ("drorch.clock",),
    "getpass": ("drorch.cli",),
    "input": ("drorch.cli",),
    "multiprocessing": (),
    "os.environ": ("drorch.environment",),
    "os.fork": (),
    "os.getenv": ("drorch.environment",),
    "os.popen": (),
    "os.system": (),
    "os.urandom": ("drorch.wiring",),
    "pickle": (),  # a stored byte must never become code
    "print": ("drorch.cli",),
    "pty": (),
    "random": (),
    "secrets": ("drorch.wiring",),
    "subprocess": (
        "drorch.daemon.children",
        "drorch.repository.row_workers",
        "drorch.sources.subprocesses",
        "drorch.sandbox",
    ),
    "sys.stderr": ("drorch.cli",),
    "sys.stdout": ("drorch.cli",),
    "time": ("drorch.clock",),
    "uuid.uuid1": (),
    "uuid.uuid4": (),
}


def is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of every import and of every use of an imported name or builtin."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
                imported[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, *rest = ast.unparse(node).split(".")
            if first in imported or (not rest and first in HOMES):
                yield node.lineno, ".".join([imported.get(first, first), *rest])


def misplaced(module: str, source: str) -> list[str]:
    """Return a line for each use of a name outside its homes."""
    found = {
        f"{module}:{line} uses {name}; its home is {', '.join(homes) or 'nowhere'}"
        for line, name in names_used(ast.parse(source))
        for guarded, homes in HOMES.items()
        if is_within(name, guarded) and not any(is_within(module, home) for home in homes)
    }
    return sorted(found)


@pytest.mark.parametrize("module", MODULES)
def test_every_library_and_every_touch_of_the_world_is_at_home(module: str) -> None:
    assert misplaced(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import boto3",
        "from botocore.config import Config",
        "import datetime as d; d.datetime.now()",
        "from datetime import datetime; datetime.now(UTC)",
        "import os; os.environ['HOME']",
        "from os import environ",
        "from os import urandom as dice",
        "from time import sleep",
        "import time",
        "print('x')",
        "def f():\n    import subprocess",
        "import sys; sys.stdout.write('x')",
    ],
)
def test_the_search_finds_what_it_is_for(line: str) -> None:
    assert len(misplaced("drorch.operations.back_up", line)) > 0


@pytest.mark.parametrize(
    "line", ["import os; os.fsync(1)", "from datetime import datetime", "pretty.print()", "x.time"]
)
def test_the_search_leaves_the_rest_alone(line: str) -> None:
    assert misplaced("drorch.operations.back_up", line) == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert [name for name in silent if "migrations" not in name] == []


def test_the_architecture_page_names_every_part() -> None:
    page = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    parts = {
        path.stem for path in (ROOT / "drorch").iterdir() if not path.name.startswith(("_", ".")) and path.stem != "py"
    }
    assert {part for part in parts if f"`{part}`" not in page} == set()


def test_migrations_of_the_catalog_are_one_line_and_its_head_is_the_last() -> None:
    found = {}
    for path in (ROOT / "drorch/catalog/migrations/versions").glob("v*.py"):
        names = dict(
            re.findall(
                r'^(revision|down_revision)(?:: \S+)? = "?(\w+)"?', path.read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        assert path.name.startswith(f"v{names['revision']}_")
        assert names["revision"] not in found, f"two are called {names['revision']}: take the next free number"
        found[names["revision"]] = names["down_revision"]
    line = sorted(found)
    assert [found[one] for one in line] == ["None", *line[:-1]]
    assert f'HEAD = "{line[-1]}"' in (ROOT / "drorch/catalog/tables.py").read_text(encoding="utf-8")
