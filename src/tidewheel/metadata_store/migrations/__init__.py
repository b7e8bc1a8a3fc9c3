"""Alembic's migrations: one file per schema version, run by `schema.migrate` in one transaction."""
