"""What servers said that they have, and which lane a renamed source goes on in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "seen_databases",
        text("asked_by"),
        text("name"),
        text("server"),
        sa.Column("first_seen_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("gone_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("asked_by", "name", name="pk_seen_databases"),
    )
    op.create_table(
        "former_names",
        text("address"),
        text("was"),
        sa.PrimaryKeyConstraint("address", name="pk_former_names"),
    )
