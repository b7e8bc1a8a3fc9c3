from __future__ import annotations

import json
import multiprocessing
import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from tidewheel.core.errors import ConflictError, StorageError, WorkspaceVersionError
from tidewheel.metadata_store import Database, schema, sqlalchemy_schema
from tidewheel.metadata_store.address import find_driver
from tidewheel.metadata_store.sqlalchemy_schema import open_over, run_migrations
from tidewheel.metadata_store.statements import insert
from tidewheel.metadata_store.tables import metadata


@pytest.fixture(params=["file", "postgresql"])
def urls(request, tmp_path):
    """A function that gives the address of another empty database each time."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_url")
    numbers = iter(range(100))
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


def describe(view):
    """Everything that a schema consists of."""
    inspector = inspect(view)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            "key": inspector.get_pk_constraint(table),
            "foreign": sorted(map(str, [{**f, "referred_schema": None} for f in inspector.get_foreign_keys(table)])),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "indexes": sorted(map(str, inspector.get_indexes(table))),
        }
        for table in inspector.get_table_names()
    }


def test_a_fresh_database_equals_a_migrated_one(urls):
    url = urls()
    Database.open(url).close()
    fresh, migrated = find_driver(url, create=False).connect(), find_driver(urls(), create=True).connect()
    with open_over(migrated) as view, schema._exclusive(migrated):
        run_migrations(view)
    with open_over(fresh) as one, open_over(migrated) as other:
        assert describe(one) == describe(other)
        context = MigrationContext.configure(other, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert schema.read_version(migrated) == schema.SCHEMA_VERSION
    for connection in (fresh, migrated):
        connection.close()


def test_the_version_of_the_code_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", "tidewheel.metadata_store:migrations")
    config.set_main_option("path_separator", "os")
    heads = ScriptDirectory.from_config(config).get_heads()
    assert heads == [f"{schema.SCHEMA_VERSION:04}"]


def test_a_newer_workspace_is_refused(urls):
    url = urls()
    database = Database.open(url)
    with database.write() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    database.close()
    with pytest.raises(WorkspaceVersionError, match=r"version 99; .* up to 2"):
        Database.open(url)


def test_an_older_workspace_is_migrated_once_while_others_wait(urls):
    url = urls()
    connection = find_driver(url, create=True).connect()
    with schema._exclusive(connection):
        # What a workspace of a version before the first would look like: stamped, without tables.
        connection.execute(schema._CREATE_VERSION)
    connection.close()
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def work():
        import alembic.command

        upgrade, calls = alembic.command.upgrade, []
        alembic.command.upgrade = lambda *arguments: (calls.append(1), upgrade(*arguments))
        original, schema.read_version = schema.read_version, lambda connection: original(connection) or 0
        try:
            database = Database.open(url)
            results.put((database.schema_version, len(calls)))
            database.close()
        except BaseException as error:
            results.put(repr(error))

    processes = [context.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    assert sorted(map(str, found)) == ["(2, 0)", "(2, 0)", "(2, 1)"]


def test_runs_of_the_first_schema_are_found_by_parameters_and_metrics_after_the_second(urls):
    connection = find_driver(urls(), create=True).connect()
    with open_over(connection) as view, schema._exclusive(connection):
        run_migrations(view, "0001")
        for run_id, plan in (("r1", "p"), ("r2", "")):
            run = {"pipeline": "training", "plan_digest": plan, "parameters": {"rate": 0.5, "name": "a", "on": True}}
            columns = {"id": run_id, "pipeline": "training", "status": "failed", "event_id": ""}
            insert(connection, "run", columns | {"record": json.dumps(run)})
            for place, metrics in enumerate([{"auc": 0.6, "rows": 2, "none": None}, {"auc": 0.7}, {}]):
                named = {"id": f"e{run_id}{place}", "run_id": run_id, "node": f"n{place}", "status": "x"}
                rest = {"place": place, "fingerprint": "", "record": json.dumps({"metrics": metrics})}
                sql = "INSERT INTO execution (id, run_id, node, status, place, fingerprint, is_reusable, record) "
                sql += "VALUES (:id, :run_id, :node, :status, :place, :fingerprint, FALSE, :record)"
                connection.execute(sql, **named, **rest)
        run_migrations(view)
    found = connection.execute("SELECT run_id, name, value, number FROM run_parameter ORDER BY name").fetchall()
    assert found == [("r1", "name", "a", None), ("r1", "on", "true", None), ("r1", "rate", "0.5", 0.5)]
    found = connection.execute("SELECT run_id, name, place, value FROM run_metric ORDER BY name").fetchall()
    assert found == [("r1", "auc", 1, 0.7), ("r1", "rows", 0, 2.0)]
    connection.rollback()
    connection.close()


def test_a_migration_that_fails_leaves_nothing(urls, monkeypatch):
    url = urls()

    def fail(view):
        metadata.tables["run"].create(view)
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlalchemy_schema, "create_tables", fail)
    with pytest.raises(KeyboardInterrupt):
        Database.open(url)
    monkeypatch.undo()
    Database.open(url).close()


def test_a_missing_database_is_not_made_unasked(tmp_path):
    path = tmp_path / "absent" / "metadata.db"
    with pytest.raises(StorageError, match="tidewheel init"):
        Database.open(f"sqlite:///{path}", create=False)
    assert not path.parent.exists()


def test_an_empty_database_is_not_filled_unasked(urls):
    url = urls()
    find_driver(url, create=True).connect().close()
    with pytest.raises(StorageError):
        Database.open(url, create=False)


def test_foreign_keys_hold_in_a_new_database(urls):
    database = Database.open(urls())
    with pytest.raises(ConflictError), database.write() as connection:
        connection.execute("INSERT INTO model_alias VALUES ('m', 'champion', 1)")
    database.close()


def test_opening_a_current_workspace_imports_neither_sqlalchemy_nor_alembic_nor_postgresql(tmp_path):
    url = f"sqlite:///{tmp_path / 'metadata.db'}"
    code = (
        "import sys\nfrom tidewheel.metadata_store import Database, RunStore\n"
        f"RunStore(Database.open({url!r})).list()\n"
        "print(*{'alembic', 'sqlalchemy', 'psycopg', 'mako'} & set(sys.modules))"
    )
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [done.stdout.strip() for done in said] == ["sqlalchemy", ""]


def test_a_workspace_of_another_program_is_told_apart(tmp_path):
    path = tmp_path / "metadata.db"
    path.write_bytes(b"this is no database, it only has its name" * 100)
    with pytest.raises(StorageError, match="no SQLite database"):
        Database.open(f"sqlite:///{path}")


def test_the_file_is_in_write_ahead_mode(tmp_path):
    path = tmp_path / "metadata.db"
    Database.open(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
