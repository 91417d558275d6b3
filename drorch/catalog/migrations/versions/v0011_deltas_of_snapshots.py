"""What of a snapshot's changes was stored as deltas, and what in full."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for name in ("delta_bytes", "new_bytes", "missed_bytes"):
        op.add_column("snapshots", sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
