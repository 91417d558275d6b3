"""What proves a restored SQLite file: its definitions one by one, keys of rows, rows without parents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from drorch.sources.interface import Asks, Bytes, Defined, Orphans, StreamSpec
from drorch.sources.sqlite.definitions import decode_schema
from drorch.sources.sqlite.rows import LoadedValue, OddText, decode_rows


class SqliteProof:
    """See ``DatabaseProof``."""

    def definitions(self, pieces: Iterable[Bytes]) -> Iterator[Defined]:
        """See ``DatabaseProof``; the settings that the file keeps are definitions too."""
        schema = decode_schema(pieces)
        for name, value in asdict(schema.settings).items():
            yield Defined(kind="setting", name=name, text=str(value))
        for one in schema.definitions:
            yield Defined(kind=one.kind.value, name=one.name, text=f"{one.table}\n{one.sql}")

    def key_columns(self, asks: Asks, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``; SQLite's own row number where the table shows no key."""
        name = str(table.attributes["table"]).replace("'", "''")
        answer = asks.ask(
            f"select json_group_array(name) from (select name from pragma_table_xinfo('{name}') where pk > 0 order by pk)"
        )
        found = tuple(map(str, json.loads(answer))) if answer else ()
        return found or (self.columns(table)[:1] if table.attributes.get("row_number") else ())

    def columns(self, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``."""
        found = table.attributes.get("columns")
        return tuple(map(str, found)) if isinstance(found, (list, tuple)) else ()

    def texts(self, table: StreamSpec, row: bytes) -> Sequence[str | None]:
        """See ``DatabaseProof``."""
        for decoded in decode_rows([len(row).to_bytes(4, "big") + row], len(self.columns(table))):
            return [_shown(value) for value in decoded.rows[0]]
        return []

    def orphans(self, asks: Asks) -> Iterator[Orphans]:
        """See ``DatabaseProof``: SQLite itself finds them, for all keys at once."""
        keys = asks.ask(
            "select count(*) from sqlite_schema s, pragma_foreign_key_list(s.name) where s.type = 'table' and seq = 0"
        )
        if int(keys):
            yield Orphans(
                name=f"{keys} foreign key{'' if keys == '1' else 's'}",
                count=int(asks.ask("select count(*) from pragma_foreign_key_check")),
            )


def _shown(value: LoadedValue) -> str | None:
    if isinstance(value, OddText):
        return value.decode("utf-8", "backslashreplace")
    return value.hex() if isinstance(value, bytes) else None if value is None else str(value)
