from __future__ import annotations

import os
import resource
import threading
from datetime import datetime
from pathlib import Path

import pytest

from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.metadata_store import ClockStore, ClosureMissStore, Database, filesystem
from tidewheel.metadata_store.filesystem import find_filesystem_kind


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workspace" / "metadata.db"


@pytest.fixture
def database(path):
    database = Database.open(f"sqlite:///{path}")
    yield database
    database.close()


def in_child(work):
    """What `work` says in a forked process, which may spoil itself; its exception as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work() or "no error"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(child, 0)
    return said


def test_a_decision_is_written_with_full_synchronisation_and_progress_without(database):
    for durability, level in [("progress", 1), ("decision", 2), ("progress", 1)]:
        with database.write(durability) as connection:
            assert connection.scalar("PRAGMA synchronous") == level


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "", "sqlite+aiosqlite3x://"])
def test_other_databases_are_refused_with_the_two_forms(url):
    with pytest.raises((ParameterError, StorageError), match="next:"):
        Database.open(url)


def test_an_unreachable_server_is_told_without_the_password():
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        Database.open("postgresql+psycopg://ada:secret@/db?host=/nowhere/at/all")
    assert "secret" not in str(caught.value)


def test_a_full_disk_is_told_and_nothing_of_the_write_is_kept(database):
    misses = ClosureMissStore(database)
    with database.read() as connection:
        pages = connection.scalar("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="disk is full"):
        misses.add_misses("step", [f"module{number}" * 100 for number in range(1000)])
    assert misses.misses_of("step") == ()
    with database.read() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    misses.add_misses("step", ["module"])
    assert misses.misses_of("step") == ("module",)


def test_a_disk_that_takes_no_more_bytes_is_told(path):
    Database.open(f"sqlite:///{path}").close()

    def work():
        database = Database.open(f"sqlite:///{path}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))
        ClosureMissStore(database).add_misses("step", [f"module{number}" * 100 for number in range(3000)])

    assert in_child(work).startswith("StorageError: ")
    database = Database.open(f"sqlite:///{path}")
    assert ClosureMissStore(database).misses_of("step") == ()
    database.close()


def test_a_read_only_workspace_is_told(path):
    Database.open(f"sqlite:///{path}").close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    for folder in path.parents[1:]:
        if folder.owner() == path.owner() and folder != Path("/") and os.geteuid() == 0 and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)

    def work():
        if os.geteuid() == 0:
            # Root writes everywhere.
            os.setgid(65534)
            os.setuid(65534)
        ClosureMissStore(Database.open(f"sqlite:///{path}")).add_misses("a", ["b"])

    try:
        said = in_child(work)
    finally:
        path.parent.chmod(0o755)
    assert said.startswith("StorageError: ")
    assert "writable" in said


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        Database.open(f"sqlite:///{tmp_path / 'file' / 'metadata.db'}")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_with_a_pointer_to_postgresql(path, monkeypatch, tmp_path, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/export {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    with pytest.raises(StorageError, match=f"'{kind}'(?s:.)*PostgreSQL"):
        Database.open(f"sqlite:///{path}")
    assert not path.exists()


def test_the_innermost_and_latest_mount_decides():
    mounts = (
        "overlay / overlay rw 0 0\nserver:/x /data nfs4 rw 0 0\ndisk /data/my\\040disk ext4 rw 0 0\n"
        "tmpfs /over tmpfs rw 0 0\nserver:/y /over nfs rw 0 0\nbroken\n"
    )
    assert find_filesystem_kind(Path("/home"), mounts) == "overlay"
    assert find_filesystem_kind(Path("/data/x"), mounts) == "nfs4"
    assert find_filesystem_kind(Path("/database"), mounts) == "overlay"
    assert find_filesystem_kind(Path("/data/my disk/x"), mounts) == "ext4"
    assert find_filesystem_kind(Path("/over"), mounts) == "nfs"
    assert find_filesystem_kind(Path("/x"), "") == ""


def test_a_reader_neither_waits_for_a_writer_nor_sees_its_half(database):
    misses = ClosureMissStore(database)
    with database.write() as connection:
        connection.execute("INSERT INTO closure_miss VALUES ('a', 'b')")
        found = []
        reader = threading.Thread(target=lambda: found.append(misses.misses_of("a")))
        reader.start()
        reader.join(100)
        assert found == [()]
    assert misses.misses_of("a") == ("b",)


def test_a_naive_time_is_refused(database):
    with pytest.raises(ParameterError, match="no offset"):
        ClockStore(database).set(datetime(2013, 4, 1))  # noqa: DTZ001


def test_kill_9_in_a_transaction_leaves_the_facts_before_it(path):
    Database.open(f"sqlite:///{path}").close()
    child = os.fork()
    if child == 0:
        database = Database.open(f"sqlite:///{path}")
        ClosureMissStore(database).add_misses("a", ["kept"])
        with database.write() as connection:
            connection.execute("INSERT INTO closure_miss VALUES ('a', 'lost')")
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    database = Database.open(f"sqlite:///{path}")
    assert ClosureMissStore(database).misses_of("a") == ("kept",)
    database.close()
