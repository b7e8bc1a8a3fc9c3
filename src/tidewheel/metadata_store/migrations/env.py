"""What Alembic runs: the migrations, in the transaction of the connection that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

# Alembic puts `config` there only while it runs this file; else importing it does nothing.
if hasattr(context, "config"):
    # Batch mode rebuilds a table, which is how SQLite alters one.
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, transactional_ddl=False, render_as_batch=True)
    context.run_migrations()
