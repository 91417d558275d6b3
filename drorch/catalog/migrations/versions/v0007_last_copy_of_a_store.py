"""When a store was last given a snapshot, without reading every copy there ever was."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("ix_copies_store_stored_at_ms", "copies", ["store", "stored_at_ms"])
