"""One metadata database of several processes: opened new at the same moment, written all the time by some."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from processes import wait_until
from tidewheel.metadata_store import Database
from tidewheel.metadata_store.schema import SCHEMA_VERSION

_PROCESSES = 8
_ROUNDS = 5


def open_from_processes(url):
    """What each of the processes, all let go at once, says of its call of `open`."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(_PROCESSES)
    results = context.SimpleQueue()

    def work():
        barrier.wait(250)
        try:
            database = Database.open(url)
            results.put(database.schema_version)
            database.close()
        except BaseException as error:
            results.put(f"{type(error).__name__}: {error}")

    processes = [context.Process(target=work) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return found


@pytest.mark.parametrize("attempt", range(_ROUNDS))
def test_eight_processes_that_open_a_new_file_at_once_create_it_once(tmp_path, attempt):
    url = f"sqlite:///{tmp_path / 'metadata.db'}"
    assert open_from_processes(url) == [SCHEMA_VERSION] * _PROCESSES


def test_eight_processes_that_open_a_new_schema_of_a_server_at_once_create_it_once(postgresql_url):
    assert open_from_processes(postgresql_url()) == [SCHEMA_VERSION] * _PROCESSES


def test_reading_the_version_of_an_empty_database_keeps_the_callers_lock(tmp_path):
    from tidewheel.metadata_store.address import find_driver
    from tidewheel.metadata_store.schema import read_version

    connection = find_driver(f"sqlite:///{tmp_path / 'metadata.db'}", create=True).connect()
    connection.execute("BEGIN EXCLUSIVE")
    assert read_version(connection) is None
    assert connection.raw.in_transaction
    connection.close()


def _write_without_pause(url, stop, turns):
    """A writer that holds the lock for two milliseconds, and takes it again at once."""
    database = Database.open(url)
    while not stop.is_set():
        with database.write() as connection:
            connection.execute("INSERT INTO noise VALUES (1)")
            until = time.perf_counter() + 0.002
            while time.perf_counter() < until:
                pass
        turns.value += 1
    database.close()


def test_two_writers_without_pause_do_not_starve_a_third(tmp_path):
    """Counted in turns, not in seconds, so a busy machine does not matter; it took thousands with SQLite's wait."""
    url = f"sqlite:///{tmp_path / 'metadata.db'}"
    database = Database.open(url)
    with database.write() as connection:
        connection.execute("CREATE TABLE noise (number INTEGER)")
    context = multiprocessing.get_context("spawn")
    stop, turns = context.Event(), [context.Value("i", 0) for _ in range(2)]
    writers = [context.Process(target=_write_without_pause, args=(url, stop, count)) for count in turns]
    for writer in writers:
        writer.start()
    try:
        wait_until(lambda: all(count.value for count in turns))
        before = sum(count.value for count in turns)
        for _ in range(10):
            with database.write() as connection:
                connection.execute("INSERT INTO noise VALUES (2)")
            time.sleep(0.005)  # so that it comes as one who has to wait
        assert sum(count.value for count in turns) - before < 1_500
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    database.close()
