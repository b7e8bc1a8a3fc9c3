"""A new metadata database that several processes open at the same moment."""

from __future__ import annotations

import multiprocessing

import pytest

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
        barrier.wait(60)
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
