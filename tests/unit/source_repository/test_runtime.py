"""A runtime names what imports reach, by version, or by source where nobody counts versions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidewheel.core.errors import UnreadableFileError
from tidewheel.core.records import Runtime
from tidewheel.source_repository import distribution_index, lock_digest, lock_mismatches, plain_sources, read_runtime
from tidewheel.source_repository.distribution import normalise_name
from tidewheel.source_repository.installed import read_installed


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(distribution_index, "_latest", None)
    monkeypatch.setattr(plain_sources, "_latest", {})
    monkeypatch.setattr(plain_sources, "_known", {})
    monkeypatch.setattr(distribution_index, "_FRESH_S", 0.0)
    monkeypatch.setattr(plain_sources, "_FRESH_S", 0.0)


assert read_installed  # loaded while its libraries are on the search path


def install(site: Path, name: str, version: str = "1.0", *, files: str = "", requires: str = "", url: str = "") -> None:
    """Writes the metadata that an installer would."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
    (folder / "RECORD").write_text(files or f"{name}/__init__.py,,\n{name}-{version}.dist-info/METADATA,,\n")
    if url:
        (folder / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))


@pytest.fixture
def site(tmp_path: Path, monkeypatch) -> Path:
    """An environment of its own: small, so that reading it is quick."""
    folder = tmp_path / "site"
    install(folder, "tidewheel")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def test_versions_are_those_that_are_installed():
    runtime = read_runtime(["sklearn"])
    for name in ("scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"):
        assert runtime.distributions[name] == importlib.metadata.version(name)
    assert "pandas" not in runtime.distributions  # which scikit-learn can use, and does not require


def test_all_distributions_are_named_when_nobody_says_which():
    installed = {normalise_name(one.name) for one in importlib.metadata.distributions()}
    assert read_runtime().distributions.keys() == installed | {"tidewheel"}


def test_requirements_are_followed_with_markers_and_extras(site, tmp_path):
    install(
        site, "top_one", requires="Requires-Dist: Mid.One[fast]>=1\nRequires-Dist: winonly; sys_platform == 'win32'\n"
    )
    install(
        site,
        "mid_one",
        requires="Provides-Extra: fast\nProvides-Extra: docs\nRequires-Dist: speed; extra == 'fast'\n"
        "Requires-Dist: prose; extra == 'docs'\nRequires-Dist: top-one\n",
    )
    for name in ("winonly", "speed", "prose"):
        install(site, name)
    found = read_runtime(["top_one"], cache_dir=tmp_path / "cache").distributions
    assert found.keys() == {"top-one", "mid-one", "speed", "tidewheel"}


def test_a_new_version_makes_another_digest_only_for_what_reaches_it(site, tmp_path):
    install(site, "aaa")
    install(site, "bbb")
    before = [read_runtime([name], cache_dir=tmp_path / "cache") for name in ("aaa", "bbb")]
    (site / "aaa-1.0.dist-info/METADATA").unlink()
    (site / "aaa-1.0.dist-info/RECORD").unlink()
    (site / "aaa-1.0.dist-info").rmdir()
    install(site, "aaa", "1.1")
    after = [read_runtime([name], cache_dir=tmp_path / "cache") for name in ("aaa", "bbb")]
    assert after[0].distributions["aaa"] == "1.1"
    assert after[0].digest != before[0].digest
    assert after[1] == before[1]


@pytest.mark.parametrize("form", ["path", "mapping", "unknown hook"])
def test_an_editable_distribution_is_named_by_its_sources(site, tmp_path, form):
    project = tmp_path / "checkout"
    (project / "src/edited").mkdir(parents=True)
    module = project / "src/edited/__init__.py"
    module.write_text("A = 1\n")
    files = {"path": "_edited.pth", "mapping": "__editable___edited_1_0_finder.py", "unknown hook": "x.txt"}[form]
    content = {
        "path": f"{project}/src\n",
        "mapping": f"MAPPING: dict[str, str] = {{'edited': '{project}/src/edited'}}\n",
        "unknown hook": "",
    }[form]
    (site / files).write_text(content)
    install(site, "edited", files=f"{files},,\n", url=f"file://{project}")
    before = read_runtime(["edited"], cache_dir=tmp_path / "cache")
    assert len(before.distributions["edited"]) == 64
    os.utime(module, (1, 1))
    assert read_runtime(["edited"], cache_dir=tmp_path / "cache") == before
    module.write_text("A = 2\n")
    assert read_runtime(["edited"], cache_dir=tmp_path / "cache").digest != before.digest


def test_a_package_without_a_distribution_is_named_by_its_sources(site):
    (site / "loose.py").write_text("A = 1\n")
    before = read_runtime(["loose", "not_there"])
    assert before.distributions.keys() == {"loose", "tidewheel"}
    (site / "loose.py").write_text("A = 22\n")
    assert read_runtime(["loose"]).distributions["loose"] != before.distributions["loose"]


def test_a_torn_cache_is_built_again(site, tmp_path):
    install(site, "aaa")
    cache = tmp_path / "cache"
    first = read_runtime(["aaa"], cache_dir=cache)
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:20])
    distribution_index._latest = None
    assert read_runtime(["aaa"], cache_dir=cache) == first


@pytest.mark.parametrize("fresh_s", [0.0, 60.0])
def test_the_second_workspace_of_a_process_has_a_cache_too(site, tmp_path, monkeypatch, fresh_s):
    """Those that it starts would read all metadata again."""
    monkeypatch.setattr(distribution_index, "_FRESH_S", fresh_s)
    first, second = tmp_path / "first", tmp_path / "second"
    read_runtime([], cache_dir=first)
    read_runtime([], cache_dir=second)
    assert [file.read_bytes() for file in second.iterdir()] == [file.read_bytes() for file in first.iterdir()]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert read_runtime(["msgspec"], cache_dir=tmp_path / "file").distributions["msgspec"]


def test_a_warm_reading_loads_no_metadata_library_and_is_quick(tmp_path):
    program = (
        "import sys, time, pathlib\n"
        "from tidewheel.source_repository import read_runtime\n"
        "start = time.process_time()\n"
        "runtime = read_runtime(['sklearn'], cache_dir=pathlib.Path(sys.argv[1]))\n"
        "print(time.process_time() - start, 'packaging' in sys.modules, 'importlib.metadata' in sys.modules)\n"
        "print(runtime.digest)\n"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
        for _ in range(4)
    ]
    cold, *warm = [one.stdout.split() for one in outputs]
    assert all(one[1:] == ["False", "False", cold[3]] for one in warm)
    assert min(float(one[0]) for one in warm) < 0.05  # 0.004 s where this was written


def test_reading_again_in_one_process_costs_next_to_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution_index, "_FRESH_S", 60.0)
    monkeypatch.setattr(plain_sources, "_FRESH_S", 60.0)
    first = read_runtime(["sklearn"], cache_dir=tmp_path)
    start = time.process_time()
    assert all(read_runtime(["sklearn"], cache_dir=tmp_path) == first for _ in range(10))
    assert time.process_time() - start < 0.1


def runtime_of(**distributions: str) -> Runtime:
    return Runtime(python="cpython 3.11.7", platform="Linux", distributions=distributions, digest="0")


def test_a_project_without_a_lock_has_no_lock_digest(tmp_path):
    assert lock_digest(tmp_path) == ""
    assert lock_mismatches(tmp_path, runtime_of(numpy="1")) == []


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock"])
def test_versions_beside_the_lock_are_told(tmp_path, name):
    package = '[[package]]\nname = "{}"\nversion = "{}"\n'
    (tmp_path / name).write_text(
        package.format("NumPy", "2.1") + package.format("pandas", "2.0") + '[[package]]\nname = "own"\n'
    )
    installed = runtime_of(numpy="2.1.0", pandas="2.3", own="1", other="1")
    assert lock_mismatches(tmp_path, installed) == ["pandas: 2.3 is installed, 2.0 is locked"]
    assert lock_mismatches(tmp_path, runtime_of(pandas="a" * 64)) == []


def test_requirements_files_are_a_lock_too(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").write_text(
        'numpy==2.1 ; python_version < "3.13" \\\n    --hash=sha256:00\nnumpy==2.2 ; python_version >= "3.13"\n'
        "# pandas==1\nscipy>=1\nray[tune]==2.0\n"
    )
    (tmp_path / "requirements-dev.txt").write_text("pytest\n")
    first = lock_digest(tmp_path)
    assert lock_mismatches(tmp_path, runtime_of(numpy="2.2", pandas="2", scipy="0.1")) == []
    assert lock_mismatches(tmp_path, runtime_of(numpy="2.3", ray="2.1")) == [
        "numpy: 2.3 is installed, 2.1 or 2.2 is locked",
        "ray: 2.1 is installed, 2.0 is locked",
    ]
    (tmp_path / "requirements-dev.txt").write_text("pytest==8\n")
    assert lock_digest(tmp_path) != first


def test_a_damaged_lock_is_an_error_with_its_name(tmp_path):
    (tmp_path / "uv.lock").write_text("[[package]\n")
    assert lock_digest(tmp_path)
    with pytest.raises(UnreadableFileError, match=r"uv\.lock"):
        lock_mismatches(tmp_path, runtime_of())
