"""A disk that is full, closed or damaged: clear errors that name the place, nothing half written, and a way on."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from small_project import SMALL, SmallProject, expected_totals, totals_of

SOURCE = (
    SMALL
    + """

@step
def big(number: int, *, megabytes: int = 12) -> bytes:
    return bytes([number]) * (megabytes * 1_000_000)


@step
def loud(number: int, *, megabytes: int = 12) -> int:
    for _ in range(megabytes):
        print("x" * 1_000_000)
    return number


@step
def greedy(number: int, *, ballast: str = "") -> int:
    if ballast:
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
    return number


@step
def size(data: bytes) -> int:
    return len(data)


@pipeline
def storing(*, megabytes: int = 12):
    return size(big(one(), megabytes=megabytes))


@pipeline
def printing(*, megabytes: int = 12):
    return add(loud(one(), megabytes=megabytes))


@pipeline
def filling(*, ballast: str = ""):
    return add(greedy(one(), ballast=ballast))
"""
)


class Disk:
    """A small disk of its own: a mounted tmpfs."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        self.ballast = folder / "ballast"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)

    def leave_free(self, size_bytes: int) -> None:
        """Fills it up to so many bytes, rounded down to pages."""
        free = shutil.disk_usage(self.folder).free
        with contextlib.suppress(OSError), self.ballast.open("wb", buffering=0) as file:
            for _ in range(max(0, free - size_bytes) // 4096):
                file.write(b"x" * 4096)

    def make_room(self) -> None:
        self.ballast.unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def make_writable(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk; RLIMIT_FSIZE stands for it below")
    try:
        disk = Disk(tmp_path / "disk", 40)
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a file system; RLIMIT_FSIZE stands for it below")
    yield disk
    disk.unmount()


@pytest.fixture
def on_disk(disk):
    project = SmallProject(disk.folder / "project", SOURCE)
    project.make_workspace()
    yield project
    project.expect_no_process()


def half_written(project) -> list[str]:
    """Files that a writer began and that are not what they should be."""
    runs, store = project.workspace_folder / "runs", project.workspace_folder / "artifacts"
    return [str(path) for path in (*store.glob("tmp/*"), *runs.rglob(".report.json*"))]


def test_a_disk_that_is_full_for_an_output_is_told_with_its_place_and_resume_works_after_room_was_made(disk, on_disk):
    disk.leave_free(6_000_000)
    said = on_disk.tidewheel("run", "storing", code=1)
    assert "No space left on device" in said
    assert str(on_disk.workspace_folder / "artifacts") in said
    assert "free some space" in said
    assert on_disk.statuses() == {"one": "succeeded", "big": "failed", "size": "skipped"}
    assert half_written(on_disk) == []
    on_disk.verify_artifacts()
    disk.make_room()
    on_disk.tidewheel("resume", "latest")
    assert on_disk.statuses() == {"one": "cached", "big": "succeeded", "size": "succeeded"}
    assert on_disk.tidewheel("get", "latest/size.output").strip() == "12000000"


def test_a_disk_that_is_full_for_a_log_is_told_by_the_step_or_by_the_record(disk, on_disk):
    disk.leave_free(6_000_000)
    process = on_disk.start("run", "printing")
    said = process.communicate(timeout=200)[0]
    assert (process.returncode, "No space left on device" in said) == (1, True) or (
        process.returncode,
        "the disk is full" in said,
    ) == (6, True), said
    disk.make_room()
    on_disk.tidewheel("resume", "latest")
    assert on_disk.statuses() == {"one": "cached", "loud": "succeeded", "add": "succeeded"}


def test_a_disk_that_a_step_fills_to_the_last_byte_is_told_and_the_run_resumes(disk, on_disk):
    process = on_disk.start("run", "filling", "--ballast", str(disk.ballast))
    said = process.communicate(timeout=200)[0]
    assert process.returncode in (1, 6), said
    assert "Traceback" not in said
    assert str(on_disk.workspace_folder) in said
    assert half_written(on_disk) == []
    disk.make_room()
    (on_disk.folder / "small.py").write_text(SOURCE.replace("if ballast:", "if False:"))
    on_disk.tidewheel("resume", "latest")
    assert on_disk.tidewheel("get", "latest/add.output").strip() == "2"
    on_disk.verify_artifacts()


@pytest.mark.parametrize("free", [0, 40_000, 100_000])
def test_a_disk_that_is_full_before_the_run_is_told_and_leaves_nothing_broken(disk, on_disk, free):
    on_disk.tidewheel("run", "counting", "--start", "1")
    disk.leave_free(free)
    process = on_disk.start("run", "counting", "--start", "2")
    said = process.communicate(timeout=200)[0]
    assert process.returncode in (1, 6), said
    assert "Traceback" not in said
    assert str(on_disk.workspace_folder) in said
    disk.make_room()
    on_disk.tidewheel("run", "counting", "--start", "2")
    assert set(on_disk.statuses().values()) <= {"succeeded", "cached"}
    on_disk.verify_artifacts()


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))


def test_an_output_over_the_limit_on_file_sizes_is_told_and_resume_works_without_the_limit(tmp_path):
    project = SmallProject(tmp_path / "project", SOURCE)
    project.make_workspace()
    said = project.tidewheel_alone("run", "storing", code=1, preexec_fn=limit_files)
    assert "File too large" in said
    assert str(project.workspace_folder / "artifacts") in said
    assert half_written(project) == []
    project.tidewheel("resume", "latest")
    assert project.statuses() == {"one": "cached", "big": "succeeded", "size": "succeeded"}
    project.verify_artifacts()


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_read_only_workspace_is_told_with_its_place_and_nothing_changes(disk):
    project = SmallProject(disk.folder / "project", SOURCE)
    project.tidewheel("run", "counting")
    before = contents(project.workspace_folder)
    disk.make_read_only()
    for command in (["run", "counting"], ["resume", "latest"]):
        said = project.tidewheel(*command, code=6)
        assert "writable" in said
        assert str(project.workspace_folder) in said
    disk.make_writable()
    assert contents(project.workspace_folder) == before
    project.tidewheel("run", "counting")
    assert set(project.statuses().values()) == {"cached"}


def test_a_place_where_no_workspace_can_be_made_is_told(disk):
    project = SmallProject(disk.folder / "project", SOURCE)
    disk.make_read_only()
    said = project.tidewheel("run", "counting", code=6)
    assert str(project.workspace_folder) in said
    assert "workspace.path" in said


def test_a_workspace_of_a_newer_version_is_refused_and_nothing_in_it_changes(tmp_path):
    project = SmallProject(tmp_path / "project", SOURCE)
    project.tidewheel("run", "counting")
    database = sqlite3.connect(project.workspace_folder / "metadata.db")
    database.execute("update alembic_version set version_num = '0999'")
    database.commit()
    database.close()
    before = contents(project.workspace_folder)
    for command in (["run", "counting"], ["runs"], ["resume", "latest"]):
        said = project.tidewheel(*command, code=2)
        assert "schema version 999" in said
        assert str(project.workspace_folder) in said
        assert "install" in said
    assert contents(project.workspace_folder) == before


def writable_path(execution):
    path = execution.outputs["output"].path
    path.chmod(0o644)
    return path


def lose(path) -> None:
    path.unlink()


def truncate(path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path) -> None:
    os.truncate(path, 0)


def alter(path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))


def alter_unseen(path) -> None:
    """Altered without a trace in size and time, as a failing disk does it."""
    times = path.stat()
    alter(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def statuses(run) -> dict[str, str]:
    return {one.record.node: one.status for one in run.executions}


@pytest.mark.parametrize("damage", [lose, truncate, empty, alter])
def test_a_damaged_artifact_is_found_before_it_is_taken_over_and_made_anew(tmp_path, damage):
    project = SmallProject(tmp_path / "project")
    with project.open() as workspace:
        damage(writable_path(workspace.submit("counting")["even"]))
        again = statuses(workspace.submit("counting"))
    assert again == {"make": "cached", "even": "succeeded", "scaled": "cached", "odd": "cached", "total": "cached"}
    project.verify_artifacts()


@pytest.mark.parametrize("damage", [lose, truncate, alter, alter_unseen])
def test_a_damaged_artifact_is_found_by_the_step_that_reads_it_and_resume_makes_it_anew(tmp_path, damage):
    project = SmallProject(tmp_path / "project")
    with project.open() as workspace:
        damage(writable_path(workspace.submit("counting")["even"]))
        factors = project.folder / "factors.py"
        factors.write_text(factors.read_text().replace("3", "4"))
        run = workspace.submit("counting")
        if damage is alter_unseen:
            failure = run["scaled"].record.failure
            assert "was altered" in failure.message
            assert f"tidewheel resume {run.id}" in failure.message
            run = workspace.resume(run.id)
        assert statuses(run) == {
            "make": "cached",
            "even": "succeeded",
            "scaled": "succeeded",
            "odd": "cached",
            "total": "succeeded",
        }
        assert totals_of(run) == expected_totals(1, factor=4)
    quarantined = list((project.workspace_folder / "artifacts" / "quarantine").glob("*"))
    assert len(quarantined) == (damage in (alter, alter_unseen))
    project.verify_artifacts()


def test_an_artifact_that_was_only_touched_is_held_against_its_digest_and_taken_over(tmp_path):
    project = SmallProject(tmp_path / "project")
    with project.open() as workspace:
        writable_path(workspace.submit("counting")["even"]).touch()
        assert set(statuses(workspace.submit("counting")).values()) == {"cached"}


def test_a_damaged_artifact_is_never_handed_out(tmp_path):
    project = SmallProject(tmp_path / "project")
    with project.open() as workspace:
        path = writable_path(workspace.submit("counting")["even"])
    for damage in (alter_unseen, truncate, lose):
        damage(path)
        said = project.tidewheel("get", "latest/even.output", code=6)
        assert str(path) in said
        assert "run again" in said or "made it again" in said
    with project.open() as workspace:
        assert workspace.submit("counting")["even"].outputs["output"].load()[:2] == [0, 2]


def test_a_run_removes_what_a_writer_left_that_was_killed_long_ago(tmp_path):
    project = SmallProject(tmp_path / "project", SOURCE)
    folder = project.workspace_folder / "artifacts" / "tmp"
    folder.mkdir(parents=True)
    for name, hours in (("old", 2), ("young", 0)):
        (folder / name).write_bytes(b"half of i")
        written = time.time() - 3600 * hours
        os.utime(folder / name, (written, written))
    with project.open() as workspace:
        workspace.submit("counting")
    assert [Path(path).name for path in half_written(project)] == ["young"]
