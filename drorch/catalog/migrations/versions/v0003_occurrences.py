"""What daemons promised, and how each occurrence of it ended."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "daemons",
        text("host"),
        number("pid"),
        text("process_started"),
        number("epoch"),
        *(moment(name) for name in ("started_at_ms", "accounted_until_ms", "heartbeat_at_ms")),
        *(moment(name, nullable=True) for name in ("stopped_at_ms", "next_at_ms")),
        text("trouble"),
        sa.PrimaryKeyConstraint("host", name="pk_daemons"),
    )
    op.create_table(
        "duties",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *(text(name) for name in ("host", "kind", "subject", "policy", "promise")),
        moment("since_ms"),
        *(text(name) for name in ("schedule", "zone")),
        *(number(name) for name in ("spread_seconds", "offset_seconds")),
        *(text(name) for name in ("window", "blackouts")),
        moment("ended_at_ms", nullable=True),
        text("reason"),
        sa.PrimaryKeyConstraint("number", name="pk_duties"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_duties_host_ended_at_ms", "duties", ["host", "ended_at_ms"])
    op.create_table(
        "occurrences",
        *(text(name) for name in ("host", "kind", "subject")),
        number("epoch"),
        moment("slot_ms"),
        *(text(name) for name in ("policy", "state")),
        *(moment(name) for name in ("queued_at_ms", "last_slot_ms")),
        number("occurrence_count"),
        text("reason"),
        number("attempts"),
        *(moment(name, nullable=True) for name in ("not_before_ms", "started_at_ms", "ended_at_ms")),
        *(text(name, nullable=True) for name in ("run_id", "error_slug")),
        sa.PrimaryKeyConstraint("host", "kind", "subject", "epoch", "slot_ms", name="pk_occurrences"),
    )
    op.create_index("ix_occurrences_state", "occurrences", ["state"])
    op.create_index("ix_occurrences_slot_ms", "occurrences", ["slot_ms"])
