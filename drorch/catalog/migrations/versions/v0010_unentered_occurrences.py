"""Which occurrences ended and are not in the ledger yet."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    key = ("host", "kind", "subject", "epoch", "slot_ms")
    op.create_table(
        "unentered_occurrences",
        *(sa.Column(name, sa.Text(), nullable=False) for name in key[:3]),
        sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_unentered_occurrences"),
    )
