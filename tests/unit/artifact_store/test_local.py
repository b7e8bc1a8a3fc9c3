"""The local store: whole files or none, verified reads, errors that say what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tidewheel.artifact_store import CodecTable, LocalArtifactStore
from tidewheel.core.digest import digest_bytes
from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    CodecNotFoundError,
    ParameterError,
    StorageError,
)


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def leftovers(store: LocalArtifactStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() and path.parent.name == "tmp"]


def alter(store: LocalArtifactStore, artifact) -> None:
    """Other bytes, equally many."""
    path = store.path_of(artifact)
    path.chmod(0o644)
    path.write_bytes(b"z" * path.stat().st_size)


def run_python(script: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        timeout=200,
        **options,  # type: ignore[call-overload]
    )


def test_an_artifact_is_named_by_codec_and_bytes(store):
    artifact = store.put(b"tide")
    assert artifact.digest == digest_bytes("artifact bytes/1", b"tide")
    assert (artifact.codec, artifact.type_name, artifact.size_bytes) == ("bytes/1", "builtins.bytes", 4)
    assert store.path_of(artifact) == store.root / artifact.digest[:2] / artifact.digest
    assert store.path_of(artifact).read_bytes() == b"tide"


def test_equal_bytes_of_two_codecs_are_two_artifacts(store):
    assert store.put(b"1").digest != store.put(1).digest


def test_a_put_is_idempotent_and_leaves_no_temporary_file(store):
    first = store.put([1, 2])
    inode = store.path_of(first).stat().st_ino
    assert store.put([1, 2]) == first
    assert store.path_of(first).stat().st_ino == inode
    assert leftovers(store) == []


def test_stored_files_are_read_only(store):
    assert store.path_of(store.put("x")).stat().st_mode & 0o777 == 0o444


def test_a_file_of_wrong_size_is_replaced(store):
    artifact = store.put("content")
    os.chmod(store.path_of(artifact), 0o644)
    store.path_of(artifact).write_bytes(b"")
    assert not store.is_present(artifact)
    assert store.put("content") == artifact
    assert store.load(artifact) == "content"


def test_large_and_small_writes_give_the_digest_of_their_concatenation(store, tmp_path):
    parts = [b"a" * 10, b"b" * (3 << 20), b"c" * 100_000, b"d" * (1 << 20), b"e"]

    class PartsCodec:
        name, version = "parts", 1

        def encode(self, value, stream):
            return {"wrote": [stream.write(part) for part in parts], "at": stream.tell()}

    codecs = CodecTable.default().extended({"builtins.complex": f"{__name__}:PartsCodec"})
    codecs._codecs[f"{__name__}:PartsCodec"] = PartsCodec()  # type: ignore[assignment]
    artifact = LocalArtifactStore(store.root, codecs).put(1j)
    assert artifact.digest == digest_bytes("artifact parts/1", b"".join(parts))
    assert artifact.summary["at"] == artifact.size_bytes == sum(map(len, parts))
    assert store.path_of(artifact).read_bytes() == b"".join(parts)


def test_a_missing_file_is_told(store):
    artifact = store.put({"a": 1})
    assert store.delete(artifact.digest)
    assert not store.delete(artifact.digest)
    assert not store.is_present(artifact)
    with pytest.raises(ArtifactMissingError, match="gone") as caught:
        store.load(artifact)
    assert str(store.path_of(artifact)) == caught.value.where


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda data: data + b"x"])
def test_an_altered_file_is_never_used(store, damage):
    artifact = store.put({"a": "b" * 100})
    path = store.path_of(artifact)
    os.chmod(path, 0o644)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactCorruptError, match="altered"):
        store.load(artifact)
    with pytest.raises(ArtifactCorruptError):
        store.verify(artifact)


def test_after_quarantine_the_value_is_written_again(store):
    artifact = store.put("value")
    path = store.path_of(artifact)
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes().replace(b"v", b"w"))
    aside = store.quarantine(artifact)
    assert aside is not None
    assert b"walue" in aside.read_bytes()
    assert not store.is_present(artifact)
    store.put("value")
    assert store.load(artifact) == "value"
    assert store.list_digests() == [artifact.digest]
    store.delete(artifact.digest)
    assert store.quarantine(artifact) is None


@pytest.mark.parametrize("digest", ["", "ab", "../" * 21 + "x", "A" * 64, "g" * 64])
def test_what_is_no_digest_names_no_path(store, digest):
    with pytest.raises(ParameterError, match="no digest"):
        store.path_of(digest)


def test_an_unknown_type_is_refused_and_nothing_is_written(store):
    with pytest.raises(CodecNotFoundError, match=r"type _thread\.lock has no codec") as caught:
        store.put(threading.Lock())
    assert "pandas.DataFrame" in caught.value.next_step
    assert not store.root.exists()


def test_a_failed_encoding_leaves_nothing(store):
    with pytest.raises(CodecNotFoundError, match="inside a JSON value"):
        store.put([1, object()])
    assert leftovers(store) == []
    assert store.list_digests() == []


def test_an_unknown_codec_is_told(store):
    artifact = msgspec.structs.replace(store.put("value"), codec="never/9")
    with pytest.raises(CodecNotFoundError, match="'never/9' is unknown"):
        store.load(artifact)


def test_files_keep_their_content_and_tell_their_name(store, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"abc" * 1000)
    artifact = store.put(tmp_path / "model.bin")
    assert artifact.summary == {"name": "model.bin"}
    assert store.load(artifact).read_bytes() == b"abc" * 1000


def test_a_directory_is_refused(store, tmp_path):
    with pytest.raises(ParameterError, match="is a directory") as caught:
        store.put(tmp_path)
    assert "archive" in caught.value.next_step


def test_a_path_without_a_file_is_refused(store, tmp_path):
    with pytest.raises(ParameterError, match="cannot be read: No such file"):
        store.put(tmp_path / "nothing")
    assert leftovers(store) == []


def test_sync_and_its_missing_file(store):
    artifacts = [store.put("a"), store.put("b")]
    store.sync(artifacts)
    store.sync([])
    store.delete(artifacts[0].digest)
    with pytest.raises(ArtifactMissingError):
        store.sync(artifacts)


def test_an_empty_or_absent_store_lists_nothing(store):
    assert store.list_digests() == []
    assert store.discard_torn() == 0
    store.sync([])


def test_a_file_where_a_directory_should_be_is_a_storage_error(tmp_path):
    (tmp_path / "occupied").write_text("x")
    with pytest.raises(StorageError, match="cannot be written") as caught:
        LocalArtifactStore(tmp_path / "occupied").put(1)
    assert caught.value.next_step


def test_a_prefix_that_is_a_file_is_a_storage_error(store):
    artifact = store.put(1)
    store.delete(artifact.digest)
    store.path_of(artifact).parent.rmdir()
    store.path_of(artifact).parent.write_text("x")
    with pytest.raises(StorageError, match="put in its place"):
        store.put(1)
    assert leftovers(store) == []


def test_a_full_disk_is_told_and_leaves_nothing(store):
    """A limit on the file size fails in the same place as a full disk, and needs no mount."""
    script = """
import resource, sys, pathlib
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
try:
    LocalArtifactStore(pathlib.Path(sys.argv[1])).put(b"x" * (8 << 20))
except StorageError as error:
    print(error)
"""
    done = run_python(script, store.root)
    assert "File too large" in done.stdout, done.stderr
    assert "next:  raise the limit" in done.stdout
    assert leftovers(store) == []
    assert store.list_digests() == []


def mounts(tmp_path: Path, options: str) -> Path | None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    return folder if done.returncode == 0 else None


@pytest.fixture
def small_disk(tmp_path: Path):
    folder = mounts(tmp_path, "size=1m")
    if folder is None:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_really_full_disk_is_told_and_leaves_nothing(small_disk):
    store = LocalArtifactStore(small_disk / "artifacts")
    kept = store.put("small")
    with pytest.raises(StorageError, match="No space left") as caught:
        store.put(b"x" * (2 << 20))
    assert "free some space" in caught.value.next_step
    assert leftovers(store) == []
    assert store.list_digests() == [kept.digest]
    assert store.load(store.put("still works")) == "still works"


def test_a_read_only_disk_is_told_and_still_read(small_disk):
    store = LocalArtifactStore(small_disk / "artifacts")
    artifact = store.put({"a": 1})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="Read-only file system"):
        store.put({"a": 2})
    with pytest.raises(StorageError, match="Read-only file system"):
        store.delete(artifact.digest)
    with pytest.raises(StorageError, match="Read-only file system"):
        store.quarantine(artifact)
    assert store.load(artifact) == {"a": 1}


def test_processes_that_put_the_same_value_at_once_agree(store):
    script = """
import sys, pathlib
from tidewheel.artifact_store import LocalArtifactStore
store = LocalArtifactStore(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(*{store.put({"n": n, "x": "y" * 3000}).digest for n in range(60)}, flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(store.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    answers = [sorted(writer.communicate(timeout=200)[0].split()) for writer in writers]
    assert answers[0] == answers[1] == answers[2] == store.list_digests()
    assert leftovers(store) == []


def test_threads_share_one_store(store):
    found: list[set[str]] = []

    def work() -> None:
        found.append({store.put({"n": n}).digest for n in range(40)})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(digests == set(store.list_digests()) for digests in found)
    assert len(found) == 4


def test_what_one_process_found_altered_and_another_has_written_anew_stays_where_it_is(store, monkeypatch):
    artifact = store.put({"n": [1, 2]})
    alter(store, artifact)
    verify, looks = store.verify, []

    def verify_then_be_late(looked_at) -> None:
        looks.append(looked_at)
        if len(looks) > 1:
            return verify(looked_at)
        try:
            verify(looked_at)
        finally:  # between the look and the move
            other = LocalArtifactStore(store.root)
            assert not other.is_intact(artifact, None)
            other.put({"n": [1, 2]})

    monkeypatch.setattr(store, "verify", verify_then_be_late)
    assert store.is_intact(artifact, None)
    assert store.load(artifact) == {"n": [1, 2]}
    assert len(list((store.root / "quarantine").iterdir())) == 1


def test_a_writer_that_is_killed_leaves_no_visible_artifact(store):
    script = """
import sys, pathlib
from tidewheel.artifact_store import LocalArtifactStore
class Endless:
    name, version = "bytes", 1
    def encode(self, value, stream):
        while True:
            stream.write(b"x" * (1 << 20))
            print("wrote", flush=True)
            sys.stdin.readline()
store = LocalArtifactStore(pathlib.Path(sys.argv[1]))
store.codecs._codecs["tidewheel.artifact_store.bytes_codec:BytesCodec"] = Endless()
store.put(b"")
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert writer.stdout.readline() == b"wrote\n"
    old = time.time() - 7200
    os.utime(leftovers(store)[0], (old, old))
    assert store.discard_torn(older_than_s=3600) == 0  # its writer waits for more, but lives
    writer.stdin.write(b"more\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == b"wrote\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=200)
    assert store.list_digests() == []
    assert len(leftovers(store)) == 1
    assert store.discard_torn(older_than_s=3600) == 0  # too young
    os.utime(leftovers(store)[0], (old, old))
    assert store.discard_torn(older_than_s=3600) == 1
    assert leftovers(store) == []


def test_a_file_that_was_begun_long_ago_is_young_when_it_is_finished(store):
    class Slow:
        name, version = "bytes", 1

        def encode(self, value, stream):
            stream.write(b"x" * (1 << 20))
            old = time.time() - 7200
            os.utime(leftovers(store)[0], (old, old))
            return {}

    before = time.time() - 60
    store.codecs._codecs["tidewheel.artifact_store.bytes_codec:BytesCodec"] = Slow()
    assert store.path_of(store.put(b"")).stat().st_mtime > before


def test_json_values_load_no_heavy_library(store):
    script = """
import sys, pathlib
from tidewheel.artifact_store import CodecTable, LocalArtifactStore
store = LocalArtifactStore(pathlib.Path(sys.argv[1]))
assert store.load(store.put({"a": [1, 2.5, None], "b": (1, "x")})) == {"a": [1, 2.5, None], "b": (1, "x")}
names = ["pandas.DataFrame", "sklearn.base.BaseEstimator", "numpy.ndarray", "pyarrow.lib.Table"]
assert all(CodecTable.default().find_for_type_names([name]) for name in names)
print(*{"numpy", "pyarrow", "pandas", "sklearn", "lightgbm", "skops", "matplotlib", "dataclasses"} & set(sys.modules))
"""
    done = run_python(script, store.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
