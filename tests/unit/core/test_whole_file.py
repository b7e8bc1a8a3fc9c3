from __future__ import annotations

import threading

import pytest

from tidewheel.core.whole_file import write_whole


def test_what_was_there_is_replaced(tmp_path):
    write_whole(tmp_path / "state.json", b"before")
    write_whole(tmp_path / "state.json", b"after")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("state.json", b"after")]


def test_a_failure_leaves_nothing_and_changes_nothing(tmp_path):
    (tmp_path / "state.json").mkdir()
    with pytest.raises(OSError, match=r"state\.json"):
        write_whole(tmp_path / "state.json", b"after")
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "state.json", b"after")


def test_writers_at_once_do_not_meet_in_one_temporary_file(tmp_path):
    texts = [str(number).encode() * 100_000 for number in range(4)]
    seen, failed = set(), []

    def write(text: bytes) -> None:
        try:
            for _ in range(20):
                write_whole(tmp_path / "state.json", text)
                seen.add((tmp_path / "state.json").read_bytes())
        except OSError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert seen <= set(texts)
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]
