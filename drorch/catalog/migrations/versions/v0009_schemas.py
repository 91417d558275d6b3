"""What the newest snapshot of each source is made of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "source_schemas",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("source", "snapshot", "digest", "document")),
        sa.PrimaryKeyConstraint("source", name="pk_source_schemas"),
    )
