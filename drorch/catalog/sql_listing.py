"""Snapshots, copies and heads in SQL (``catalog.interface.Listing``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, select

from drorch.catalog import tables
from drorch.catalog.contract.listing import CopyRecord, CopyState, LaneHead, SnapshotRecord, SnapshotResult
from drorch.catalog.database import Database
from drorch.catalog.rows import NoSuchId, add_if_absent, columns_of, only_id_with, put, records, values_in, values_of
from drorch.errors import Bug, ChainBroken, SnapshotUnknown

BATCH = 500  # ids in one query; a database takes only so many parameters


class SqlListing(Database):
    """See ``Listing``."""

    def record_snapshot(self, snapshot: SnapshotRecord, copies: Sequence[CopyRecord] = ()) -> None:
        """See ``Listing``."""
        if any(copy.snapshot != snapshot.snapshot for copy in copies):
            raise Bug("a snapshot is recorded with its own copies only", found=snapshot.snapshot)
        with self.writing() as connection:
            put(connection, tables.snapshots, [snapshot])
            put(connection, tables.copies, copies)

    def record_copy(self, copy: CopyRecord) -> None:
        """See ``Listing``."""
        with self.writing() as connection:
            put(connection, tables.copies, [copy])

    def snapshots(
        self, *, source: str | None = None, policy: str | None = None, limit: int | None = None
    ) -> tuple[SnapshotRecord, ...]:
        """See ``Listing``."""
        query = _newest_first(_snapshots()).limit(limit)
        if source is not None:
            query = query.where(tables.snapshots.c.source == source)
        if policy is not None:
            query = query.where(tables.snapshots.c.policy == policy)
        with self.reading() as connection:
            return records(connection, SnapshotRecord, query)

    def copies(self, *, of: Collection[str] | None = None, store: str | None = None) -> tuple[CopyRecord, ...]:
        """See ``Listing``."""
        copies = tables.copies.c
        query = select(*columns_of(CopyRecord, tables.copies)).order_by(copies.snapshot, copies.store)
        if store is not None:
            query = query.where(copies.store == store)
        with self.reading() as connection:
            if of is None:
                return records(connection, CopyRecord, query)
            asked = sorted(set(of))
            parts = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
            found = [records(connection, CopyRecord, query.where(copies.snapshot.in_(part))) for part in parts]
        return tuple(copy for part in found for copy in part)

    def find_snapshot(self, prefix: str) -> SnapshotRecord:
        """See ``Listing``."""
        snapshots = tables.snapshots
        try:
            with self.reading() as connection:
                snapshot = only_id_with(connection, snapshots.c.snapshot, prefix)
                return records(connection, SnapshotRecord, _snapshots().where(snapshots.c.snapshot == snapshot))[0]
        except NoSuchId as error:
            raise error.as_error(SnapshotUnknown, "snapshot", prefix) from None

    def newest_good(self, source: str, *, before: datetime | None = None) -> SnapshotRecord | None:
        """See ``Listing``."""
        query = _newest_first(_snapshots()).where(tables.snapshots.c.source == source, _is_good()).limit(1)
        if before is not None:
            query = query.where(tables.snapshots.c.restore_point <= before)
        with self.reading() as connection:
            found = records(connection, SnapshotRecord, query)
        return found[0] if found else None

    def newest_good_by_source(self, *, skip: int = 0) -> Mapping[str, SnapshotRecord]:
        """See ``Listing``."""
        snapshots, each = tables.snapshots, values_in(tables.snapshots.c.source)
        newest = (
            _newest_first(select(snapshots.c.snapshot))
            .where(snapshots.c.source == each.c.value, _is_good())
            .limit(1)
            .offset(skip)
            .correlate(each)
            .scalar_subquery()
        )
        with self.reading() as connection:
            query = _snapshots().where(snapshots.c.snapshot.in_(select(newest).select_from(each)))
            found = records(connection, SnapshotRecord, query)
        return {snapshot.source: snapshot for snapshot in found}

    def last_contact_by_store(self) -> Mapping[str, datetime]:
        """See ``Listing``."""
        copies, each = tables.copies.c, values_in(tables.copies.c.store)
        newest = select(func.max(copies.stored_at)).where(copies.store == each.c.value).correlate(each)
        query = select(each.c.value, newest.scalar_subquery())
        with self.reading() as connection:
            return {store: at for store, at in connection.execute(query) if at is not None}

    def replace_listing(
        self,
        snapshots: Iterable[SnapshotRecord],
        copies: Iterable[CopyRecord],
        *,
        stores: Collection[str] | None = None,
    ) -> None:
        """See ``Listing``."""
        read_snapshots, read_copies = tuple(snapshots), tuple(copies)
        if stores is not None and not {copy.store for copy in read_copies} <= set(stores):
            raise Bug("a copy was read from a store that was not", expected=", ".join(sorted(stores)))
        with self.writing() as connection:
            replaced = delete(tables.copies)
            connection.execute(replaced if stores is None else replaced.where(tables.copies.c.store.in_(stores)))
            connection.execute(delete(tables.snapshots).where(~_has_copy()))
            put(connection, tables.snapshots, read_snapshots)
            put(connection, tables.copies, read_copies)

    def remember_head(self, head: LaneHead) -> None:
        """See ``Listing``."""
        heads = tables.lane_heads
        this = (heads.c.store == head.store, heads.c.lane == head.lane)
        with self.writing() as connection:
            if add_if_absent(connection, heads, values_of(head)):
                return
            query = select(*columns_of(LaneHead, heads)).where(*this).with_for_update()
            known = records(connection, LaneHead, query)[0]
            _check_growth(known, head)
            connection.execute(heads.update().where(*this).values(values_of(head)))

    def heads(self, *, store: str | None = None, lane: str | None = None) -> tuple[LaneHead, ...]:
        """See ``Listing``."""
        heads = tables.lane_heads
        query = select(*columns_of(LaneHead, heads)).order_by(heads.c.store, heads.c.lane)
        if store is not None:
            query = query.where(heads.c.store == store)
        if lane is not None:
            query = query.where(heads.c.lane == lane)
        with self.reading() as connection:
            return records(connection, LaneHead, query)


def _snapshots() -> Select[Any]:
    return select(*columns_of(SnapshotRecord, tables.snapshots))


def _newest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(tables.snapshots.c.restore_point.desc(), tables.snapshots.c.snapshot.desc())


def _has_copy() -> ColumnElement[bool]:
    return exists().where(tables.copies.c.snapshot == tables.snapshots.c.snapshot)


def _is_good() -> ColumnElement[bool]:
    copies = tables.copies.c
    whole = exists().where(copies.snapshot == tables.snapshots.c.snapshot, copies.state == CopyState.COMPLETE)
    return (tables.snapshots.c.result == SnapshotResult.COMPLETE) & whole


def _check_growth(known: LaneHead, seen: LaneHead) -> None:
    where = f"lane {seen.lane} in {seen.store}"
    if seen.sequence < known.sequence:
        raise ChainBroken(
            f"{where} is shorter than it was: manifests were deleted or are withheld",
            expected=f"manifest {known.sequence} or later",
            found=f"manifest {seen.sequence}",
            hint="`drorch verify` says what is missing; compare with the other stores before anything is deleted",
        )
    if seen.sequence == known.sequence and seen.manifest_digest != known.manifest_digest:
        raise ChainBroken(
            f"{where} has another manifest {seen.sequence} than it had: a fork",
            expected=known.manifest_digest,
            found=seen.manifest_digest,
            hint="two writers used one lane, or the store was tampered with; both snapshots can be restored",
        )
