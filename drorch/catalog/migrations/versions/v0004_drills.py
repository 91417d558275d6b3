"""Restore drills, and who signed them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)


def upgrade() -> None:
    op.create_table(
        "drills",
        *(text(name) for name in ("drill", "source", "policy", "test", "scenario", "trigger")),
        *(text(name, nullable=True) for name in ("snapshot", "store")),
        *(text(name) for name in ("verdict", "objectives")),
        *(moment(name) for name in ("declared_at_ms", "ended_at_ms")),
        moment("scheduled_for_ms", nullable=True),
        *(number(name) for name in ("rto_ms", "rpo_ms")),
        *(text(name, nullable=True) for name in ("operator", "verifier")),
        *(text(name) for name in ("summary", "document")),
        sa.PrimaryKeyConstraint("drill", name="pk_drills"),
    )
    op.create_index("ix_drills_declared_at_ms_drill", "drills", ["declared_at_ms", "drill"])
    op.create_index("ix_drills_source_declared_at_ms", "drills", ["source", "declared_at_ms"])
    op.create_table(
        "drill_signatures",
        *(text(name) for name in ("drill", "person", "role")),
        moment("signed_at_ms"),
        sa.PrimaryKeyConstraint("drill", "person", "role", name="pk_drill_signatures"),
    )
