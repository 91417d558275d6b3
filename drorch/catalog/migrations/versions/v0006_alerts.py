"""What is wrong, who was told, and the messages that are still to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "alerts",
        *(text(name) for name in ("code", "subject", "policy", "severity", "text")),
        moment("opened_at_ms"),
        text("told"),
        sa.PrimaryKeyConstraint("code", "subject", name="pk_alerts"),
    )
    op.create_table(
        "alert_editions", text("name"), number("edition"), sa.PrimaryKeyConstraint("name", name="pk_alert_editions")
    )
    op.create_table(
        "messages",
        text("message"),
        text("target"),
        moment("created_at_ms"),
        text("title"),
        text("body"),
        moment("not_before_ms"),
        number("attempts"),
        text("trouble"),
        sa.Column("is_delivered", sa.Boolean(), nullable=False),
        moment("ended_at_ms", nullable=True),
        moment("claimed_until_ms", nullable=True),
        sa.PrimaryKeyConstraint("message", name="pk_messages"),
    )
    op.create_index("ix_messages_ended_at_ms", "messages", ["ended_at_ms"])
