"""The systems of a synthetic province: each is made, and told with its policy, its target and what a comparer is to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drorch.cli.demo.show import in_yaml, script
from drorch.operations.demonstration.accounts import accounts
from drorch.operations.demonstration.births import births_register
from drorch.operations.demonstration.civil import civil_register
from drorch.operations.demonstration.dossiers import dossier_files, dossiers
from drorch.operations.demonstration.island import island_books
from drorch.operations.demonstration.land import land_register_sql
from drorch.operations.demonstration.ledger import ledger
from drorch.operations.demonstration.scans import scans
from drorch.operations.demonstration.signatures import signature_register
from drorch.operations.demonstration.taxes import CREATE, tax_codes
from drorch.sandbox.interface import ThrowAwayMariadb, ThrowAwayServer, TreeEntry
from drorch.wiring import fill_sqlite, make_firebird, write_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system of the province, filled. ``question`` are the words for the comparer, without the option --programs."""

    name: str
    engine: str
    policy: str
    target: str
    question: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a system lies, where it comes back, and where its secrets are; ``thousands`` says how large it becomes."""

    legacy: Path
    restored: Path
    secret_folder: Path
    thousands: int


def on_postgresql(server: ThrowAwayServer, places: Places) -> Iterator[System]:
    """Fill four databases and yield them: the land register, tax codes in SQL_ASCII, signatures, and dossiers with their files."""
    at = f"host: {in_yaml(server.directory)}, port: {server.port}, user: postgres"

    def system(
        name: str, engine: str, sql: Iterable[str], *, create: str = "CREATE DATABASE {name};\n", more: str = ""
    ) -> System:
        database = name.replace("-", "_")
        server.execute("postgres", [create.format(name=database)])
        server.execute(database, sql)
        policy = _policy(name, f"postgresql: {{database: {database}, {at}}}", more)
        urls = server.url(database), server.url(f"{database}_copy")
        return System(name=name, engine=engine, policy=policy, target=urls[1], question=("postgresql", *urls))

    yield system("land-register", "PostgreSQL", script(land_register_sql(places.thousands * 1_000)))
    yield system("tax-codes", "PostgreSQL, SQL_ASCII", tax_codes(places.thousands * 200), create=CREATE)
    yield system("signatures", "PostgreSQL", signature_register(places.thousands * 60))
    scale = places.thousands * 150
    yield system("dossiers", "PostgreSQL, jsonb", dossiers(scale), more="group: one-stop\n")
    yield _tree("dossier-files", dossier_files(scale), places, more="group: one-stop\nafter: [dossiers]\n")


def on_mariadb(server: ThrowAwayMariadb, places: Places) -> Iterator[System]:
    """Fill the province's civil register and its accounts, and yield them."""
    for name, sql in (
        ("births", births_register(places.thousands * 300)),
        ("accounts", accounts(places.thousands * 100)),
    ):
        server.execute("mysql", [f"CREATE DATABASE {name} CHARACTER SET utf8mb4;\n"])
        server.execute(name, sql)
        policy = _policy(name, f"mariadb: {{socket: {in_yaml(server.socket)}, database: {name}, user: root}}")
        urls = server.url(name), server.url(f"{name}_copy")
        yield System(name=name, engine="MariaDB", policy=policy, target=urls[1], question=("mariadb", *urls))


def in_files(places: Places) -> Iterator[System]:
    """Fill what needs no server and yield it: two SQLite files and a tree of scans."""
    for name, steps in (
        ("civil-register", civil_register(places.thousands * 500)),
        ("island-books", island_books(places.thousands * 100)),
    ):
        file, back = places.legacy / f"{name}.db", places.restored / f"{name}.db"
        fill_sqlite(file, steps)
        yield System(
            name=name,
            engine="SQLite",
            policy=_policy(name, f"sqlite: {{file: {in_yaml(file)}}}"),
            target=f"sqlite://{back}",
            question=("sqlite", str(file), str(back)),
        )
    yield _tree("land-scans", scans(places.thousands * 20), places)


def on_firebird(places: Places) -> Iterator[System]:
    """Fill the ledger and yield it."""
    file, back, locks = places.legacy / "ledger.fdb", places.restored / "ledger.fdb", places.legacy / "locks"
    locks.mkdir()
    make_firebird(file, ledger(places.thousands * 100), locks)
    for name, text in (("user", "SYSDBA"), ("password", "not asked for"), ("locks", str(locks))):
        secret = places.secret_folder / f"ledger.{name}"
        secret.touch(mode=0o600)
        secret.write_text(text + "\n", encoding="utf-8")
    policy = (
        "name: ledger\nsource:\n  command:\n    product: Firebird\n"
        f"    capture: [gbak, -b, -g, {in_yaml(file)}, stdout]\n"
        '    restore: [gbak, -c, stdin, "{target}"]\n    verify: [gfix, -v, -full, "{target}"]\n'
        "    minimum_size: 10kB\n    environment:\n"
        "      ISC_USER: file:secrets/ledger.user\n      ISC_PASSWORD: file:secrets/ledger.password\n"
        "      FIREBIRD_LOCK: file:secrets/ledger.locks\n      FIREBIRD_TMP: file:secrets/ledger.locks\n"
        'schedule: "0 20 * * *"\n'
    )
    question = ("firebird", str(file), str(back))
    yield System(name="ledger", engine="Firebird, gbak", policy=policy, target=f"command:{back}", question=question)


def _tree(name: str, entries: Iterable[TreeEntry], places: Places, more: str = "") -> System:
    tree, back = places.legacy / name, places.restored / name
    write_tree(tree, entries)
    return System(
        name=name,
        engine="files",
        policy=_policy(name, f"files: {{paths: [{in_yaml(tree)}]}}", more),
        target=f"files://{quote(str(back))}",
        question=("files", str(tree), str(back)),
    )


def _policy(name: str, source: str, more: str = "") -> str:
    return f'name: {name}\nsource:\n  {source}\nschedule: "30 1 * * *"\n{more}'
