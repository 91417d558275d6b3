"""Is there room for what a snapshot becomes where it is restored? Asked before anything is started: a restore that ends half-way proves nothing."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.operations.room import Disk
from drorch.quantities import format_size

_MEBIBYTE = 1 << 20
# Rows in a server's pages with their headers and indexes, and its log of them, beside the bytes that a backup reads.
_TIMES: Mapping[str, float] = {"postgresql": 2.0, "mariadb": 2.0, "sqlite": 1.5}
# What an empty server is by itself, and what nobody may take from the disk.
_AT_LEAST: Mapping[str, int] = {"postgresql": 192 * _MEBIBYTE, "mariadb": 256 * _MEBIBYTE}
_LEFT_BYTES = 32 * _MEBIBYTE


def needed_bytes(engine: str, content_bytes: int) -> int:
    """Return about how much room the restore of so much content takes."""
    return int(content_bytes * _TIMES.get(engine, 1.0)) + _AT_LEAST.get(engine, 0) + _LEFT_BYTES


def lacking_room(engine: str, content_bytes: int, disk: Disk) -> str | None:
    """Return what the place lacks, or ``None`` where there is room."""
    needed = needed_bytes(engine, content_bytes)
    if disk.free_bytes >= needed:
        return None
    return f"room for about {format_size(needed)} where {format_size(disk.free_bytes)} are free; `directories:` names the disk of temporary files"
