from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from tidewheel.core.write_ahead_log import use_write_ahead_log


def test_many_that_make_one_file_at_once_all_switch_it(tmp_path):
    for attempt in range(20):
        path, barrier, modes = tmp_path / f"{attempt}.db", threading.Barrier(8), []

        def switch(path=path, barrier=barrier, modes=modes):
            with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
                barrier.wait()
                use_write_ahead_log(connection)
                modes.append(connection.execute("pragma journal_mode").fetchone()[0])

        threads = [threading.Thread(target=switch) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert modes == ["wal"] * 8


def test_a_file_that_stays_held_is_refused_after_the_timeout(tmp_path):
    path = tmp_path / "held.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("begin exclusive")
        holder.execute("create table held (id integer)")
        with (
            closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            use_write_ahead_log(connection, timeout_s=0.05)


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path):
    path = tmp_path / "no-database.db"
    path.write_bytes(b"no database" * 1000)
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.DatabaseError, match="not a database"),
    ):
        use_write_ahead_log(connection)
