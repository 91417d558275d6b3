"""Policy texts, sources and claims in SQL (``catalog.interface.Sources``)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select

from drorch.catalog import tables
from drorch.catalog.database import Database
from drorch.catalog.interface import IsAlive
from drorch.catalog.records import PolicyText, SourceClaim, SourceRecord
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

    def release_source(self, source: str, run_id: str) -> None:
        """See ``Sources``."""
        claims = tables.claims
        with self.writing() as connection:
            connection.execute(delete(claims).where(claims.c.source == source, claims.c.run_id == run_id))

    def claims(self) -> tuple[SourceClaim, ...]:
        """See ``Sources``."""
        query = select(*columns_of(SourceClaim, tables.claims)).order_by(tables.claims.c.source)
        with self.reading() as connection:
            return records(connection, SourceClaim, query)


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
