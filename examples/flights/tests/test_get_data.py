from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import get_data
import pytest

FLIGHTS = "year,month,day,tailnum\n2013,1,1,NA\n2013,10,1,N2\n2013,1,2,N3\n"


def archive_bytes() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("flights.csv"), FLIGHTS)
    members = {
        "flights.csv.zip": inner.getvalue(),
        "weather.csv": b"year,month,temp\r\n2013,3,NA\r\n",
        **{f"{name}.csv": b"a,b\r\n1,NA\r\n" for name in ("planes", "airports")},
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{get_data.FOLDER}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny archive that takes the real one's place, hashes included."""
    path = tmp_path / get_data.ARCHIVE_NAME
    path.write_bytes(archive_bytes())
    monkeypatch.setattr(get_data, "ARCHIVE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    files = {name: hashlib.sha256(content).hexdigest() for name, content in get_data._unpack(path)}
    monkeypatch.setattr(get_data, "FILES", files)
    return path


def test_flights_are_split_by_month_and_missing_values_are_empty(archive: Path, tmp_path: Path) -> None:
    files = get_data.get_data(tmp_path / "data", archive=archive)
    assert [file.name for file in files] == [
        *("flights-2013-01.csv", "flights-2013-10.csv"),
        *("weather-2013-03.csv", "planes.csv", "airports.csv"),
    ]
    assert files[0].read_text() == "year,month,day,tailnum\n2013,1,1,\n2013,1,2,N3\n"
    assert files[2].read_text() == "year,month,temp\n2013,3,\n"
    assert files[3].read_text() == "a,b\n1,\n"


def test_a_second_call_touches_nothing_and_mends_what_is_wrong(archive: Path, tmp_path: Path) -> None:
    files = get_data.get_data(tmp_path / "data", archive=archive)
    times = [file.stat().st_mtime_ns for file in files]
    assert get_data.get_data(tmp_path / "data", archive=Path("nowhere")) == files
    files[1].write_text("torn")
    get_data.get_data(tmp_path / "data", archive=archive)
    assert "N2" in files[1].read_text()
    assert [file.stat().st_mtime_ns for file in files if file != files[1]] == [times[0], *times[2:]]
    assert sorted(tmp_path.joinpath("data").iterdir()) == sorted(files)


def test_another_archive_is_refused_and_nothing_is_written(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(get_data.DataError, match=r"SHA-256 is \w{64}, expected"):
        get_data.get_data(tmp_path / "data", archive=archive)
    assert not tmp_path.joinpath("data").exists()


def test_a_download_with_another_hash_is_not_kept(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_data, "download", lambda: b"something else")
    with pytest.raises(get_data.DataError, match="what the package index sent is not"):
        get_data.get_data(tmp_path / "data", cache=tmp_path / "cache")
    assert not tmp_path.joinpath("cache").exists()


def test_the_archive_is_downloaded_once(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    monkeypatch.setattr(get_data, "download", lambda: calls.append(b"") or archive.read_bytes())
    for folder in ("one", "two"):
        get_data.get_data(tmp_path / folder, cache=tmp_path / "cache")
    assert len(calls) == 1


def test_without_a_network_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "index"
    empty.mkdir()
    for name, value in {
        "CONFIG_FILE": "/dev/null",
        "INDEX_URL": empty.as_uri(),
        "NO_INDEX": "0",
        "FIND_LINKS": "",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    assert get_data.main([str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]) == 1
    assert "--archive" in capsys.readouterr().err
    assert not tmp_path.joinpath("data").exists()
