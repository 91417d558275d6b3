"""The catalog's tables as they are now. A change here needs a migration; a test compares the two.

A column's key is the field of the record (``drorch.catalog.contract``); its name in the database says the unit.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text

from drorch.catalog.columns import BigNumber, Choice, JsonText, Moment, NormalText
from drorch.catalog.contract.history import RunState, Severity
from drorch.catalog.contract.listing import CopyState, SnapshotResult
from drorch.catalog.contract.observations import ObservationKind
from drorch.catalog.contract.sources import SourceState
from drorch.policy.occurrences.states import OccurrenceState

HEAD = "0012"  # the newest migration; a catalog of another revision is migrated, or refused when newer
VERSION_TABLE = "catalog_version"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _moment(key: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(f"{key}_ms", Moment, key=key, nullable=nullable)


version = Table(  # as Alembic itself makes it: the first catalog is made without importing Alembic
    VERSION_TABLE,
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("source", NormalText, nullable=False),
    Column("policy", NormalText, nullable=False),
    Column("operation", Text, nullable=False),
    _moment("started_at"),
    Column("policy_digest", Text, nullable=False),
    Column("host", NormalText, nullable=False),
    Column("pid", BigNumber, nullable=False),
    Column("process_started", Text, nullable=False),
    _moment("slot", nullable=True),
    Column("state", Choice(RunState), nullable=False),
    _moment("ended_at", nullable=True),
    Column("snapshot", Text),  # no foreign key: history outlives what it made
    Column("bytes_read", BigNumber, nullable=False),
    Column("bytes_stored", BigNumber, nullable=False),
    Column("row_count", BigNumber, key="rows", nullable=False),
    Column("table_count", BigNumber, key="tables", nullable=False),
    Column("error_slug", Text),
    Column("error_code", Integer),
    Column("error_message", NormalText),
    Column("hint", NormalText),
)
Index(None, runs.c.started_at, runs.c.run_id)
Index(None, runs.c.source, runs.c.operation, runs.c.started_at, runs.c.run_id)
Index(None, runs.c.state)

log_lines = Table(
    "log_lines",
    metadata,
    Column("run_id", Text, ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigNumber, primary_key=True, autoincrement=False),
    _moment("at"),
    Column("text", NormalText, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", BigNumber, primary_key=True, autoincrement=True),
    _moment("at"),
    Column("kind", Text, nullable=False),
    Column("severity", Choice(Severity), nullable=False),
    Column("message", NormalText, nullable=False),
    Column("run_id", Text),
    Column("source", NormalText),
    Column("details", JsonText, nullable=False),
    sqlite_autoincrement=True,
)
Index(None, events.c.at, events.c.number)

snapshots = Table(
    "snapshots",
    metadata,
    Column("snapshot", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("sequence", BigNumber, nullable=False),
    Column("manifest_digest", Text, nullable=False),
    Column("source", NormalText, nullable=False),
    Column("policy", NormalText, nullable=False),
    Column("engine", NormalText, nullable=False),
    _moment("restore_point"),
    _moment("started_at"),
    _moment("ended_at"),
    Column("result", Choice(SnapshotResult), nullable=False),
    Column("bytes_read", BigNumber, nullable=False),
    Column("bytes_stored", BigNumber, nullable=False),
    Column("row_count", BigNumber, key="rows", nullable=False),
    Column("table_count", BigNumber, key="tables", nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("delta_bytes", BigNumber),
    Column("new_bytes", BigNumber),
    Column("missed_bytes", BigNumber),
)
Index(None, snapshots.c.restore_point, snapshots.c.snapshot)
Index(None, snapshots.c.source, snapshots.c.restore_point, snapshots.c.snapshot)

copies = Table(
    "copies",
    metadata,
    Column("snapshot", Text, ForeignKey("snapshots.snapshot", ondelete="CASCADE"), primary_key=True),
    Column("store", NormalText, primary_key=True),
    Column("state", Choice(CopyState), nullable=False),
    _moment("stored_at", nullable=True),
    Column("size_bytes", BigNumber, nullable=False),
)
Index(None, copies.c.store, copies.c.stored_at)

lane_heads = Table(
    "lane_heads",
    metadata,
    Column("store", NormalText, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("sequence", BigNumber, nullable=False),
    Column("manifest_digest", Text, nullable=False),
)

store_contacts = Table(
    "store_contacts",
    metadata,
    Column("store", NormalText, primary_key=True),
    _moment("answered_at", nullable=True),
    _moment("failed_at", nullable=True),
    Column("failure", NormalText, nullable=False),
)

policy_texts = Table(
    "policy_texts",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),  # to the byte: the digest is that of these bytes
)

policy_uses = Table(  # one row each time that another text came into force under a name, an older text again included
    "policy_uses",
    metadata,
    Column("number", BigNumber, primary_key=True, autoincrement=True),
    Column("name", NormalText, nullable=False),
    Column("digest", Text, ForeignKey("policy_texts.digest"), nullable=False),
    _moment("first_seen_at"),
    sqlite_autoincrement=True,
)
Index(None, policy_uses.c.name, policy_uses.c.first_seen_at)

sources = Table(
    "sources",
    metadata,
    Column("address", NormalText, primary_key=True),
    Column("policy", NormalText, nullable=False),
    Column("lane", Text, nullable=False),
    Column("generation", BigNumber, nullable=False),
    Column("machine_id", Text, nullable=False),
    _moment("first_used_at"),
    Column("state", Choice(SourceState), nullable=False),
    _moment("last_seen_at"),
)

seen_databases = Table(  # by whom a server was asked: two accounts may see different databases
    "seen_databases",
    metadata,
    Column("asked_by", NormalText, primary_key=True),
    Column("name", NormalText, primary_key=True),
    Column("server", NormalText, nullable=False),
    _moment("first_seen_at"),
    _moment("last_seen_at"),
    _moment("gone_at", nullable=True),
)

former_names = Table(  # of sources that were renamed: their lane is derived from the name that they had
    "former_names",
    metadata,
    Column("address", NormalText, primary_key=True),
    Column("was", NormalText, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("source", NormalText, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("host", NormalText, nullable=False),
    Column("pid", BigNumber, nullable=False),
    Column("process_started", Text, nullable=False),
    _moment("claimed_at"),
)
Index(None, claims.c.run_id)

daemons = Table(
    "daemons",
    metadata,
    Column("host", NormalText, primary_key=True),
    Column("pid", BigNumber, nullable=False),
    Column("process_started", Text, nullable=False),
    Column("epoch", BigNumber, nullable=False),
    _moment("started_at"),
    _moment("accounted_until"),
    _moment("heartbeat_at"),
    _moment("stopped_at", nullable=True),
    _moment("next_at", nullable=True),
    Column("trouble", NormalText, nullable=False),
)

duties = Table(  # a row for each promise of a daemon: the same duty again when its text changed
    "duties",
    metadata,
    Column("number", BigNumber, primary_key=True, autoincrement=True),
    Column("host", NormalText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", NormalText, nullable=False),
    Column("policy", NormalText, nullable=False),
    Column("promise", NormalText, nullable=False),
    _moment("since"),
    Column("schedule", NormalText, nullable=False),
    Column("zone", Text, nullable=False),
    Column("spread_seconds", BigNumber, nullable=False),
    Column("offset_seconds", BigNumber, nullable=False),
    Column("window", Text, nullable=False),
    Column("blackouts", NormalText, nullable=False),
    _moment("ended_at", nullable=True),
    Column("reason", NormalText, nullable=False),
    sqlite_autoincrement=True,
)
Index(None, duties.c.host, duties.c.ended_at)

occurrences = Table(
    "occurrences",
    metadata,
    Column("host", NormalText, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subject", NormalText, primary_key=True),
    Column("epoch", BigNumber, primary_key=True, autoincrement=False),
    Column("slot_ms", Moment, key="slot", primary_key=True, autoincrement=False),
    Column("policy", NormalText, nullable=False),
    Column("state", Choice(OccurrenceState), nullable=False),
    _moment("queued_at"),
    _moment("last_slot"),
    Column("occurrence_count", BigNumber, key="count", nullable=False),
    Column("reason", NormalText, nullable=False),
    Column("attempts", BigNumber, nullable=False),
    _moment("not_before", nullable=True),
    _moment("started_at", nullable=True),
    _moment("ended_at", nullable=True),
    Column("run_id", Text),
    Column("error_slug", Text),
)
Index(None, occurrences.c.state)
Index(None, occurrences.c.slot)

source_schemas = Table(
    "source_schemas",
    metadata,
    Column("source", NormalText, primary_key=True),
    Column("snapshot", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("document", JsonText, nullable=False),
)

unentered_occurrences = Table(  # those that ended and are not in the ledger yet
    "unentered_occurrences",
    metadata,
    Column("host", NormalText, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subject", NormalText, primary_key=True),
    Column("epoch", BigNumber, primary_key=True, autoincrement=False),
    Column("slot_ms", Moment, key="slot", primary_key=True, autoincrement=False),
)

rolling_checks = Table(
    "rolling_checks",
    metadata,
    Column("store", NormalText, primary_key=True),
    Column("seed", Text, nullable=False),
    Column("position", BigNumber, nullable=False),
    _moment("began_at"),
    _moment("ended_at", nullable=True),
    _moment("checked_at", nullable=True),
)

observations = Table(
    "observations",
    metadata,
    Column("kind", Choice(ObservationKind), primary_key=True),
    Column("store", NormalText, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("source", NormalText, nullable=False),
    Column("text", NormalText, nullable=False),
    _moment("seen_at"),
)

drills = Table(
    "drills",
    metadata,
    Column("drill", Text, primary_key=True),
    Column("source", NormalText, nullable=False),
    Column("policy", NormalText, nullable=False),
    Column("test", NormalText, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("snapshot", Text),  # no foreign key: evidence outlives what it is about
    Column("store", NormalText),
    Column("verdict", Text, nullable=False),
    Column("objectives", Text, nullable=False),
    _moment("declared_at"),
    _moment("ended_at"),
    _moment("scheduled_for", nullable=True),
    Column("rto_ms", BigNumber),
    Column("rpo_ms", BigNumber),
    Column("operator", NormalText),
    Column("verifier", NormalText),
    Column("summary", NormalText, nullable=False),
    Column("document", JsonText, nullable=False),
)
Index(None, drills.c.declared_at, drills.c.drill)
Index(None, drills.c.source, drills.c.declared_at)

drill_signatures = Table(
    "drill_signatures",
    metadata,
    Column("drill", Text, primary_key=True),
    Column("person", NormalText, primary_key=True),
    Column("role", Text, primary_key=True),
    _moment("signed_at"),
)


alerts = Table(  # those that are open
    "alerts",
    metadata,
    Column("code", Text, primary_key=True),
    Column("subject", NormalText, primary_key=True),
    Column("policy", NormalText, nullable=False),
    Column("severity", Choice(Severity), nullable=False),
    Column("text", NormalText, nullable=False),
    _moment("opened_at"),
    Column("told", JsonText, nullable=False),
)

alert_editions = Table(  # one row: whoever writes the alerts must have read the last edition
    "alert_editions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("edition", BigNumber, nullable=False),
)

messages = Table(  # what is to be sent, and what was
    "messages",
    metadata,
    Column("message", NormalText, primary_key=True),
    Column("target", NormalText, nullable=False),
    _moment("created_at"),
    Column("title", NormalText, nullable=False),
    Column("body", NormalText, nullable=False),
    _moment("not_before"),
    Column("attempts", BigNumber, nullable=False),
    Column("trouble", NormalText, nullable=False),
    Column("is_delivered", Boolean, nullable=False),
    _moment("ended_at", nullable=True),
    _moment("claimed_until", nullable=True),
)
Index(None, messages.c.ended_at)
