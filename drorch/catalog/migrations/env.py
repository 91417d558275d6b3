"""How Alembic runs the migrations: on the connection, and in the transaction, that ``catalog.schema`` gives it."""

from alembic import context

from drorch.catalog.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a column by copying the table
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
