"""What somebody who looked at the stores saw, until they look again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "observations",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "store", "lane", "source", "text")),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "store", "lane", name="pk_observations"),
    )
