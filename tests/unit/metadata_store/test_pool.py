from __future__ import annotations

import threading

import pytest

from tidewheel.core.errors import StorageError
from tidewheel.metadata_store import ClosureMissStore, Database
from tidewheel.metadata_store.address import find_driver
from tidewheel.metadata_store.pool import Pool


@pytest.fixture(params=["file", "postgresql"])
def database(request, tmp_path):
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")()
    else:
        url = f"sqlite:///{tmp_path / 'metadata.db'}"
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def on_server(postgresql_url):
    database = Database.open(postgresql_url())
    yield database
    database.close()


def end_connections_of_others(connection):
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")


def test_a_connection_is_used_again(database):
    with database.read() as first:
        pass
    with database.write() as second:
        assert second is first


def test_readers_that_overlap_have_connections_of_their_own(database):
    with database.read() as first, database.read() as second:
        assert first is not second


def test_no_more_than_five_connections_are_kept(database):
    barrier = threading.Barrier(9)

    def read():
        with database.read() as connection:
            connection.scalar("SELECT 1")
            barrier.wait(250)

    threads = [threading.Thread(target=read) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database._pool._idle) == 5


def test_what_an_exception_left_open_is_undone_before_the_next_use(database):
    with pytest.raises(ZeroDivisionError), database.write() as first:
        first.execute("INSERT INTO closure_miss VALUES ('a', 'b')")
        raise ZeroDivisionError
    with database.read() as second:
        assert second is first
        assert second.scalar("SELECT count(*) FROM closure_miss") == 0


def test_a_database_closed_in_use_closes_the_connection_when_it_comes_back(database):
    with database.read() as connection:
        database.close()
        assert connection.scalar("SELECT 1") == 1
    assert database._pool._idle == []
    with pytest.raises(database._driver.module.Error):
        connection.execute("SELECT 1")


def test_connections_that_the_server_closed_are_replaced_before_use(on_server):
    misses = ClosureMissStore(on_server)
    with on_server.read() as keeper:
        with on_server.read(), on_server.read():
            pass
        end_connections_of_others(keeper)
        for module in ("read", "write"):
            misses.add_misses("a", [module])
            assert module in misses.misses_of("a")


def test_a_server_that_goes_away_in_a_transaction_is_told_and_the_next_one_works(on_server):
    misses = ClosureMissStore(on_server)
    with on_server.read() as keeper:
        with pytest.raises(StorageError, match="cannot be reached"), on_server.write() as connection:
            connection.execute("INSERT INTO closure_miss VALUES ('a', 'lost')")
            end_connections_of_others(keeper)
            connection.execute("INSERT INTO closure_miss VALUES ('a', 'lost too')")
        misses.add_misses("a", ["kept"])
    assert misses.misses_of("a") == ("kept",)


def test_a_begin_that_fails_is_raised_and_costs_no_connection(tmp_path):
    driver = find_driver(f"sqlite:///{tmp_path / 'metadata.db'}", create=True)
    pool = Pool(driver)
    with pool.borrow(driver.begin_read) as first:
        pass

    def fail(connection):
        driver.begin_read(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), pool.borrow(fail):
        pass
    with pool.borrow(driver.begin_read) as second:
        assert second is first
    pool.close()
