"""Sources are read as they are, copied whole, and named by what they hold."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tidewheel.core.errors import ArtifactCorruptError, SourceError, StorageError
from tidewheel.source_repository import (
    SourcesChangedError,
    capture_sources,
    copy_sources,
    find_import_roots,
    pack_sources,
    read_sources,
    unpack_sources,
)
from tidewheel.source_repository import sources as reading


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _own_git_settings(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    # A repository around the temporary folder must not be found.
    assert not any((parent / ".git").exists() for parent in tmp_path_factory.getbasetemp().parents)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "flights").mkdir(parents=True)
    (root / "flights/train.py").write_text("def train(): return 1\n")
    (root / "tidewheel.toml").write_text("[project]\n")
    (root / ".gitignore").write_text("*.log\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def test_a_clean_repository_is_told_with_commit_branch_and_author(project):
    state = read_sources(project)
    assert state.commit == git(project, "rev-parse", "HEAD")
    assert (state.branch, state.author) == ("main", "Ada Lovelace <ada@example.org>")
    assert not state.is_dirty
    assert state.changed == state.warnings == ()
    assert set(state.files) == {".gitignore", "flights/train.py", "tidewheel.toml"}


def test_uncommitted_changes_and_new_files_belong_to_the_sources(project):
    before = read_sources(project)
    (project / "flights/train.py").write_text("def train(): return 2\n")
    (project / "flights/näw file.py").write_text("")
    (project / "debug.log").write_text("ignored by Git")
    (project / "tidewheel.toml").unlink()
    state = read_sources(project)
    assert state.commit == before.commit
    assert state.is_dirty
    assert state.changed == ("flights/näw file.py", "flights/train.py", "tidewheel.toml")
    assert set(state.files) == {".gitignore", "flights/train.py", "flights/näw file.py"}
    assert state.digest != before.digest


def test_a_renamed_and_staged_file_is_told_by_both_names(project):
    git(project, "mv", "flights/train.py", "flights/fit.py")
    assert read_sources(project).changed == ("flights/fit.py", "flights/train.py")


def test_a_conflicted_merge_can_be_read(project):
    git(project, "checkout", "-qb", "other")
    (project / "flights/train.py").write_text("other\n")
    git(project, "commit", "-qam", "other")
    git(project, "checkout", "-q", "main")
    (project / "flights/train.py").write_text("main\n")
    git(project, "commit", "-qam", "main")
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "merge", "other")
    state = read_sources(project)
    assert state.changed == ("flights/train.py",)


def test_the_digest_depends_on_content_and_mode_and_not_on_git(project, tmp_path):
    with_git = read_sources(project)
    plain = tmp_path / "plain"
    capture = copy_sources(project, with_git, tmp_path / "copies")
    subprocess.run(["cp", "-r", str(capture), str(plain)], check=True)
    assert read_sources(plain).digest == with_git.digest
    (plain / "flights/train.py").chmod(0o755)
    assert read_sources(plain).digest != with_git.digest


def test_a_project_in_a_subfolder_sees_only_itself(project):
    (project / "outside.py").write_text("")
    (project / "flights/new.py").write_text("")
    state = read_sources(project / "flights")
    assert set(state.files) == {"train.py", "new.py"}
    assert state.changed == ("new.py",)
    assert state.commit


def test_a_repository_without_a_commit_works_and_says_what_is_missing(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("")
    state = read_sources(tmp_path)
    assert (state.commit, state.branch, state.is_dirty) == ("", "main", True)
    assert "no commit yet" in state.warnings[0]


def test_a_detached_head_has_no_branch(project):
    git(project, "checkout", "-q", "--detach")
    assert read_sources(project).branch == ""


def test_a_folder_without_git_works_and_is_told_what_it_loses(tmp_path):
    for name in (
        "p/a.py",
        ".venv/b.py",
        "p/__pycache__/a.pyc",
        ".tidewheel/x",
        "build/c.py",
        "my/pyvenv.cfg",
        "my/d.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    state = read_sources(tmp_path)
    assert set(state.files) == {"p/a.py"}
    assert "commit, branch or author" in state.warnings[0]
    assert "git init" in state.warnings[0]
    assert not state.is_dirty


def test_a_project_that_its_repository_ignores_counts_as_none(project):
    (project / ".gitignore").write_text("demo/\n")
    (project / "demo").mkdir()
    (project / "demo/a.py").write_text("")
    state = read_sources(project / "demo")
    assert set(state.files) == {"a.py"}
    assert state.commit == ""
    assert "ignored by the Git repository around it" in state.warnings[0]


def test_variables_of_another_repository_do_not_interfere(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    state = read_sources(project)
    assert state.commit
    assert "flights/train.py" in state.files


def test_without_the_git_command_a_project_is_read_like_any_folder(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    state = read_sources(project)
    assert "flights/train.py" in state.files
    assert state.warnings[0].startswith("git is not installed")


def test_a_broken_repository_is_read_like_any_folder_with_a_warning(tmp_path):
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    (tmp_path / "a.py").write_text("")
    state = read_sources(tmp_path)
    assert set(state.files) == {"a.py"}
    assert "no Git repository" in state.warnings[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_refused_with_the_way_out(project):
    os.chown(project, 12345, 12345)
    os.chown(project / ".git", 12345, 12345)
    with pytest.raises(SourceError, match=r"safe\.directory"):
        read_sources(project)


def test_a_nested_repository_is_part_of_the_sources(project):
    inner = project / "vendor"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "a.py").write_text("")
    (inner / ".gitignore").write_text("*.tmp\n")
    (inner / "b.tmp").write_text("")
    assert {"vendor/a.py", "vendor/.gitignore"} == {path for path in read_sources(project).files if "vendor" in path}


def test_an_untracked_virtual_environment_and_workspace_are_no_sources(project):
    for name in ("myenv/pyvenv.cfg", "myenv/lib/x.py", ".tidewheel/metadata.db"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    state = read_sources(project)
    assert not state.is_dirty
    assert len(state.files) == 3


def test_excluded_paths_are_no_sources_and_make_nothing_dirty(project):
    (project / "data/deep").mkdir(parents=True)
    (project / "data/deep/a.csv").write_text("")
    (project / "notes.ipynb").write_text("")
    (project / "data.py").write_text("")
    state = read_sources(project, exclude=["data", "*.ipynb", str(project / "other"), "/elsewhere", ".", ""])
    assert state.changed == ("data.py",)
    assert "data.py" in state.files
    assert len(state.files) == 4


def test_a_huge_file_is_left_out_with_a_warning(project, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_BYTES", 10)
    state = read_sources(project)
    assert "flights/train.py" not in state.files
    assert any("flights/train.py is left out" in warning for warning in state.warnings)


def test_a_name_that_is_no_text_is_left_out_with_a_warning(project):
    (project / os.fsdecode(b"caf\xe9.py")).write_text("")
    state = read_sources(project)
    assert state.to_json()
    assert "not UTF-8" in state.warnings[0]


def test_a_link_that_leaves_the_project_is_refused(project, tmp_path):
    (tmp_path / "secret.txt").write_text("x")
    (project / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(SourceError, match="leaves the project"):
        read_sources(project)
    assert "link.txt" not in read_sources(project, exclude=["link.txt"]).files


def test_a_link_inside_the_project_leads_to_the_same_place_in_the_copy(project, tmp_path):
    (project / "same.py").symlink_to(project / "flights/train.py")
    (project / "pkg").symlink_to("../project/flights")
    state, copy = capture_sources(project, tmp_path / "copies")
    assert (copy / "same.py").resolve() == (copy / "flights/train.py").resolve()
    assert (copy / "pkg/train.py").resolve() == (copy / "flights/train.py").resolve()
    assert unpack_sources(pack_sources(copy, state), tmp_path / "u", state.digest).joinpath("pkg").is_symlink()


def test_a_missing_project_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        read_sources(tmp_path / "nowhere")


def test_a_copy_holds_exactly_the_files_and_is_named_by_its_digest(project, tmp_path):
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    state, copy = capture_sources(project, tmp_path / "copies")
    assert copy == tmp_path / "copies" / state.digest
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()} == set(state.files)
    assert stat.S_IMODE((copy / "run.sh").stat().st_mode) == 0o555
    assert stat.S_IMODE((copy / "tidewheel.toml").stat().st_mode) == 0o444
    assert os.listdir(tmp_path / "copies") == [state.digest]


def test_an_equal_capture_is_the_same_untouched_folder(project, tmp_path):
    _, first = capture_sources(project, tmp_path / "copies")
    inode = first.stat().st_ino
    (first / "flights/__pycache__").mkdir()
    (first / "flights/__pycache__/train.pyc").write_bytes(b"compiled")
    _, second = capture_sources(project, tmp_path / "copies")
    assert (second, second.stat().st_ino) == (first, inode)


@pytest.mark.parametrize("damage", ["edited", "removed", "added"])
def test_a_damaged_copy_is_made_anew(project, tmp_path, damage):
    state, copy = capture_sources(project, tmp_path / "copies")
    file = copy / "flights/train.py"
    if damage == "added":
        (copy / "flights/numpy.py").write_text("")
    else:
        file.unlink()
        if damage == "edited":
            file.write_text("def train(): return 666\n")
    _, again = capture_sources(project, tmp_path / "copies")
    assert again == copy
    assert file.read_text() == "def train(): return 1\n"
    assert not (copy / "flights/numpy.py").exists()
    assert os.listdir(tmp_path / "copies") == [state.digest]


def test_a_file_edited_after_reading_is_noticed_and_nothing_is_made(project, tmp_path):
    state = read_sources(project)
    (project / "flights/train.py").write_text("edited\n")
    with pytest.raises(SourcesChangedError, match="changed while being read"):
        copy_sources(project, state, tmp_path / "copies")
    assert os.listdir(tmp_path / "copies") == []


def test_capturing_reads_again_when_a_file_was_edited_in_between(project, tmp_path, monkeypatch):
    edits = iter(["edited\n"])
    real = reading.read_sources

    def read_then_edit(root, *, exclude=()):
        state = real(root, exclude=exclude)
        for text in edits:
            (project / "flights/train.py").write_text(text)
        return state

    monkeypatch.setattr("tidewheel.source_repository.source_copy.read_sources", read_then_edit)
    state, copy = capture_sources(project, tmp_path / "copies")
    assert (copy / "flights/train.py").read_text() == "edited\n"
    assert state.digest == copy.name


def _capture(project: Path, target: Path, barrier) -> None:
    barrier.wait()
    for _ in range(20):
        _, folder = capture_sources(project, target)
        assert (folder / "flights/train.py").read_text() == "def train(): return 1\n"


def test_two_processes_may_make_the_same_copy(project, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_capture, args=(project, tmp_path / "copies", barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(200)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(os.listdir(tmp_path / "copies")) == 1


def test_a_full_or_forbidden_place_is_a_storage_error(project, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be copied"):
        capture_sources(project, tmp_path / "file")


def test_packing_is_deterministic_and_unpacks_to_the_same_sources(project, tmp_path):
    state, copy = capture_sources(project, tmp_path / "copies")
    packed = pack_sources(copy, state)
    os.utime(copy / "tidewheel.toml", (1, 1))
    assert pack_sources(copy, state) == packed
    folder = unpack_sources(packed, tmp_path / "elsewhere", state.digest)
    assert read_sources(folder).files == state.files
    assert unpack_sources(packed, tmp_path / "elsewhere", state.digest) == folder


def test_an_altered_archive_is_refused_and_nothing_is_made(project, tmp_path):
    state, copy = capture_sources(project, tmp_path / "copies")
    packed = pack_sources(copy, state)
    for damaged in (packed.replace(b"return 1", b"return 2"), packed[:100], b"", packed + b"x" * 70_000):
        with pytest.raises(ArtifactCorruptError):
            unpack_sources(damaged, tmp_path / "elsewhere", state.digest)
    with pytest.raises(ArtifactCorruptError):
        unpack_sources(packed, tmp_path / "elsewhere", "0" * 64)
    assert not (tmp_path / "elsewhere").exists()


def test_packing_an_edited_copy_is_refused(project, tmp_path):
    state, copy = capture_sources(project, tmp_path / "copies")
    (copy / "tidewheel.toml").unlink()
    with pytest.raises(ArtifactCorruptError, match=r"tidewheel\.toml"):
        pack_sources(copy, state)


def test_import_roots_are_the_project_and_its_src(tmp_path):
    assert find_import_roots(tmp_path) == [tmp_path]
    (tmp_path / "src").mkdir()
    assert find_import_roots(tmp_path) == [tmp_path, tmp_path / "src"]
