"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=False)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    history()
    listing()
    policies()
    sources()


def history() -> None:
    op.create_table(
        "runs",
        text("run_id"),
        text("source"),
        text("policy"),
        text("operation"),
        moment("started_at_ms"),
        text("policy_digest"),
        text("host"),
        number("pid"),
        text("process_started"),
        moment("slot_ms", nullable=True),
        text("state"),
        moment("ended_at_ms", nullable=True),
        text("snapshot", nullable=True),
        number("bytes_read"),
        number("bytes_stored"),
        number("row_count"),
        number("table_count"),
        text("error_slug", nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        text("error_message", nullable=True),
        text("hint", nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at_ms_run_id", "runs", ["started_at_ms", "run_id"])
    op.create_index(
        "ix_runs_source_operation_started_at_ms_run_id", "runs", ["source", "operation", "started_at_ms", "run_id"]
    )
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_table(
        "log_lines",
        text("run_id"),
        number("number"),
        moment("at_ms"),
        text("text"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_log_lines"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_log_lines_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "events",
        sa.Column("number", BIG, autoincrement=True, nullable=False),
        moment("at_ms"),
        text("kind"),
        text("severity"),
        text("message"),
        text("run_id", nullable=True),
        text("source", nullable=True),
        text("details"),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_at_ms_number", "events", ["at_ms", "number"])


def listing() -> None:
    op.create_table(
        "snapshots",
        text("snapshot"),
        text("lane"),
        number("sequence"),
        text("manifest_digest"),
        text("source"),
        text("policy"),
        text("engine"),
        moment("restore_point_ms"),
        moment("started_at_ms"),
        moment("ended_at_ms"),
        text("result"),
        number("bytes_read"),
        number("bytes_stored"),
        number("row_count"),
        number("table_count"),
        text("policy_digest"),
        sa.PrimaryKeyConstraint("snapshot", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_restore_point_ms_snapshot", "snapshots", ["restore_point_ms", "snapshot"])
    op.create_index(
        "ix_snapshots_source_restore_point_ms_snapshot", "snapshots", ["source", "restore_point_ms", "snapshot"]
    )
    op.create_table(
        "copies",
        text("snapshot"),
        text("store"),
        text("state"),
        moment("stored_at_ms", nullable=True),
        number("size_bytes"),
        sa.PrimaryKeyConstraint("snapshot", "store", name="pk_copies"),
        sa.ForeignKeyConstraint(["snapshot"], ["snapshots.snapshot"], name="fk_copies_snapshot", ondelete="CASCADE"),
    )
    op.create_table(
        "lane_heads",
        text("store"),
        text("lane"),
        number("sequence"),
        text("manifest_digest"),
        sa.PrimaryKeyConstraint("store", "lane", name="pk_lane_heads"),
    )


def policies() -> None:
    op.create_table(
        "policy_texts",
        text("digest"),
        text("text"),
        sa.PrimaryKeyConstraint("digest", name="pk_policy_texts"),
    )
    op.create_table(
        "policy_uses",
        sa.Column("number", BIG, autoincrement=True, nullable=False),
        text("name"),
        text("digest"),
        moment("first_seen_at_ms"),
        sa.PrimaryKeyConstraint("number", name="pk_policy_uses"),
        sa.ForeignKeyConstraint(["digest"], ["policy_texts.digest"], name="fk_policy_uses_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_policy_uses_name_first_seen_at_ms", "policy_uses", ["name", "first_seen_at_ms"])


def sources() -> None:
    op.create_table(
        "sources",
        text("address"),
        text("policy"),
        text("lane"),
        number("generation"),
        text("machine_id"),
        moment("first_used_at_ms"),
        text("state"),
        moment("last_seen_at_ms"),
        sa.PrimaryKeyConstraint("address", name="pk_sources"),
    )
    op.create_table(
        "claims",
        text("source"),
        text("run_id"),
        text("operation"),
        text("host"),
        number("pid"),
        text("process_started"),
        moment("claimed_at_ms"),
        sa.PrimaryKeyConstraint("source", name="pk_claims"),
    )
    op.create_index("ix_claims_run_id", "claims", ["run_id"])
