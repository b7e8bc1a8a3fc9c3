"""What Alembic runs: the migrations, in the transaction of the connection that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

# Batch mode rebuilds a table, which is how SQLite alters one.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=False, render_as_batch=True)
context.run_migrations()
