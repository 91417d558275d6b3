"""Policy texts, sources and claims in SQL (``catalog.interface.Sources``)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from drorch.catalog import tables
from drorch.catalog.contract.sources import PolicyText, SeenDatabase, SourceClaim, SourceRecord, SourceState
from drorch.catalog.database import Database
from drorch.catalog.interface import IsAlive
from drorch.catalog.rows import add_if_absent, columns_of, put, records, values_of
from drorch.errors import Bug, NothingDone


class SqlSources(Database):
    """See ``Sources``."""

    def remember_policy(self, policy: PolicyText) -> None:
        """See ``Sources``."""
        if hashlib.sha256(policy.text.encode()).hexdigest() != policy.digest:
            raise Bug("the digest is not that of the policy's text", found=policy.digest)
        texts, uses = tables.policy_texts, tables.policy_uses
        with self.writing() as connection:
            add_if_absent(connection, texts, {"digest": policy.digest, "text": policy.text})
            newest = select(uses.c.digest).where(uses.c.name == policy.name).order_by(uses.c.number.desc()).limit(1)
            if connection.scalar(newest) != policy.digest:
                use = {"name": policy.name, "digest": policy.digest, "first_seen_at": policy.first_seen_at}
                connection.execute(insert(uses), use)

    def policy_text(self, digest: str) -> PolicyText | None:
        """See ``Sources``."""
        uses = tables.policy_uses
        return self._first_policy(_policies().where(uses.c.digest == digest).order_by(uses.c.number))

    def policy_at(self, name: str, moment: datetime) -> PolicyText | None:
        """See ``Sources``."""
        uses = tables.policy_uses
        query = _policies().where(uses.c.name == name, uses.c.first_seen_at <= moment)
        return self._first_policy(query.order_by(uses.c.first_seen_at.desc(), uses.c.number.desc()))

    def _first_policy(self, query: Select[Any]) -> PolicyText | None:
        with self.reading() as connection:
            found = records(connection, PolicyText, query.limit(1))
        return found[0] if found else None

    def put_source(self, record: SourceRecord) -> None:
        """See ``Sources``."""
        with self.writing() as connection:
            put(connection, tables.sources, [record])

    def source(self, address: str) -> SourceRecord | None:
        """See ``Sources``."""
        sources = tables.sources
        with self.reading() as connection:
            query = select(*columns_of(SourceRecord, sources)).where(sources.c.address == address)
            found = records(connection, SourceRecord, query)
        return found[0] if found else None

    def sources(self, *, policy: str | None = None) -> tuple[SourceRecord, ...]:
        """See ``Sources``."""
        sources = tables.sources
        query = select(*columns_of(SourceRecord, sources)).order_by(sources.c.address)
        if policy is not None:
            query = query.where(sources.c.policy == policy)
        with self.reading() as connection:
            return records(connection, SourceRecord, query)

    def record_databases(self, asked_by: str, server: str, names: Collection[str], *, at: datetime) -> None:
        """See ``Sources``."""
        seen = tables.seen_databases
        named = {unicodedata.normalize("NFC", name) for name in names}
        with self.writing() as connection:
            query = _databases().where(seen.c.asked_by == asked_by).with_for_update()
            known = {one.name: one for one in records(connection, SeenDatabase, query)}
            missing = [one for one in known.values() if one.name not in named and one.gone_at is None]
            put(connection, seen, [replace(one, gone_at=at) for one in missing])
            first = {name: one.first_seen_at for name, one in known.items()}
            put(connection, seen, [_seen(asked_by, server, name, first.get(name, at), at) for name in sorted(named)])

    def seen_databases(self, *, asked_by: str | None = None) -> tuple[SeenDatabase, ...]:
        """See ``Sources``."""
        seen = tables.seen_databases.c
        query = _databases().order_by(seen.asked_by, seen.name)
        if asked_by is not None:
            query = query.where(seen.asked_by == asked_by)
        with self.reading() as connection:
            return records(connection, SeenDatabase, query)

    def rename_source(self, address: str, was: str) -> None:
        """See ``Sources``."""
        sources, names = tables.sources, tables.former_names
        with self.writing() as connection:
            query = select(*columns_of(SourceRecord, sources)).where(sources.c.address.in_([address, was]))
            found = {record.address: record for record in records(connection, SourceRecord, query.with_for_update())}
            if set(found) != {was}:
                raise Bug("a source takes a new name once, from one that is known", found=f"{was} -> {address}")
            first = connection.scalar(select(names.c.was).where(names.c.address == was))
            policy = address.partition("/")[0]
            renamed = replace(found[was], address=address, policy=policy, state=SourceState.ACTIVE)
            put(connection, sources, [replace(found[was], state=SourceState.RETIRED), renamed])
            connection.execute(insert(names).values(address=address, was=first or was))

    def former_names(self) -> Mapping[str, str]:
        """See ``Sources``."""
        with self.reading() as connection:
            return {row.address: row.was for row in connection.execute(select(tables.former_names))}

    def claim_source(self, claim: SourceClaim, *, is_alive: IsAlive) -> None:
        """See ``Sources``."""
        with self.writing() as connection:
            while not add_if_absent(connection, tables.claims, values_of(claim)):
                holder = _holder(connection, claim.source)
                if holder is None:  # released in between, which only PostgreSQL's concurrency allows
                    continue
                if holder.host != claim.host or is_alive(holder.pid, holder.process_started):
                    raise _held(holder, claim)
                put(connection, tables.claims, [claim])
                return

    def claims(self) -> tuple[SourceClaim, ...]:
        """See ``Sources``."""
        query = select(*columns_of(SourceClaim, tables.claims)).order_by(tables.claims.c.source)
        with self.reading() as connection:
            return records(connection, SourceClaim, query)


def _databases() -> Select[Any]:
    return select(*columns_of(SeenDatabase, tables.seen_databases))


def _seen(asked_by: str, server: str, name: str, first: datetime, at: datetime) -> SeenDatabase:
    return SeenDatabase(asked_by=asked_by, server=server, name=name, first_seen_at=first, last_seen_at=at, gone_at=None)


def _policies() -> Select[Any]:
    texts, uses = tables.policy_texts, tables.policy_uses
    return select(uses.c.digest, uses.c.name, texts.c.text, uses.c.first_seen_at).join_from(uses, texts)


def _holder(connection: Connection, source: str) -> SourceClaim | None:
    claims = tables.claims
    query = select(*columns_of(SourceClaim, claims)).where(claims.c.source == source).with_for_update()
    found = records(connection, SourceClaim, query)
    return found[0] if found else None


def _held(holder: SourceClaim, claim: SourceClaim) -> NothingDone:
    since = holder.claimed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    elsewhere = f"; if {holder.host} is gone for good, move the catalog away and `drorch catalog rebuild`"
    return NothingDone(
        f"another run holds {holder.source}",
        expected=f"to start {claim.operation}",
        found=f"{holder.operation} {holder.run_id[:8]}, process {holder.pid} on {holder.host}, since {since}",
        hint="wait until it has ended" + (elsewhere if holder.host != claim.host else ""),
    )
