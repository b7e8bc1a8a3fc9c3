"""What Alembic runs: the migrations, in the transaction of the connection that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

# Alembic puts `config` there only while it runs this file; else importing it does nothing.
if hasattr(context, "config"):
    connection = context.config.attributes["connection"]
    if not connection.in_transaction():
        connection.begin()  # else Alembic commits after each migration, and lets others in between two of them
    # Batch mode rebuilds a table, which is how SQLite alters one.
    context.configure(connection=connection, transactional_ddl=False, render_as_batch=True)
    context.run_migrations()
