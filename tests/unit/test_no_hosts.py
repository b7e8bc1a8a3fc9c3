"""No address of a registry and no path of one machine stands in what is committed.

A clone must install from whatever registry its owner configured, so a requirement is a name, a version and hashes.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from source_tree import ROOT

# In pieces, so that this file does not find itself.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("anaconda", "com"), ("npmjs", "org"),
        ("npmjs", "com"), ("yarnpkg", "com"), ("jsdelivr", "net"), ("unpkg", "com"), ("crates", "io"),
        ("golang", "org"), ("maven", "org"), ("docker", "io"), ("ghcr", "io"), ("quay", "io"), ("gcr", "io"),
        ("mcr", "microsoft", "com"), ("deb", "debian", "org"), ("archive", "ubuntu", "com"),
    )
]  # fmt: skip
HOST = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, REGISTRIES))})(?![\w-])", re.IGNORECASE)
INDEX_OPTION = re.compile(r"--(?:extra-)?index-url[= ]+\S+:" + "//|--find-links[= ]+[/.]")
MACHINE_PATH = re.compile(
    "file:"
    r"//+\w|(?<![\w./-])/(?:"
    "opt"
    "/(?:pypi|wheels)|root"
    "/|home"
    r"/\w+/|work"
    "/(?:main|shared))"
)
NOT_IN_REQUIREMENTS = re.compile(r":" + r"//|\s@\s|^-|/")


def tracked_files(root: Path = ROOT) -> list[Path]:
    """What is committed or about to be; ignored files do not count."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True, timeout=200).stdout.decode().split("\0")
    return [root / name for name in names if name and (root / name).is_file()]


def address_problems(files: Iterable[Path], root: Path = ROOT) -> list[str]:
    """One line for each place where an address or a machine's path stands."""
    problems = []
    for file in files:
        content = file.read_bytes()
        if b"\0" in content[:4096]:
            continue
        rules = [HOST, INDEX_OPTION, MACHINE_PATH]
        if file.parent.name == "requirements":
            rules.append(NOT_IN_REQUIREMENTS)
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            found = next((match.group() for rule in rules if (match := rule.search(line))), None)
            if found:
                problems.append(f"{file.relative_to(root)}:{number} holds {found!r}")
    return problems


def test_nothing_committed_names_a_registry_or_a_machine():
    files = tracked_files()
    assert ROOT / "pyproject.toml" in files
    assert address_problems(files) == []


def test_no_lock_file_with_addresses_is_committed():
    assert [file.name for file in tracked_files() if file.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}] == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("README.md", "pip install -i https://" + REGISTRIES[0] + "/simple tidewheel"),
        ("Dockerfile", "FROM " + REGISTRIES[13] + "/team/image:1"),
        ("notes.txt", "files." + REGISTRIES[1]),
        ("setup.sh", "pip install --index-url http:" + "//mirror/simple x"),
        ("setup.sh", "pip install --find-links " + "/wheels x"),
        ("a.py", "PATH = '/" + "root/project'"),
        ("a.py", "URL = 'file:" + "///data'"),
        ("requirements/dev.txt", "tidewheel @ git+ssh:" + "//server/x"),
        ("requirements/dev.txt", "-r other.txt"),
        ("requirements/dev.txt", "./wheels/x.whl"),
    ],
)
def test_the_rule_finds(tmp_path, name, line):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"first line\n{line}\n", encoding="utf-8")
    assert len(address_problems([file], tmp_path)) == 1


def test_the_rule_lets_pass(tmp_path):
    file = tmp_path / "requirements" / "dev.txt"
    file.parent.mkdir()
    file.write_text(
        "httpx==0.28.1 \\\n    --hash=sha256:00ff\nuvloop==1.0 ; sys_platform != 'win32' \\\n", encoding="utf-8"
    )
    other = tmp_path / "README.md"
    other.write_text("docker.io_stream http:" + "//127.0.0.1:8080/v2 /tmp/x pypi \n", encoding="utf-8")
    assert address_problems([file, other], tmp_path) == []


def test_only_what_git_would_take_is_read(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=200)
    (tmp_path / ".gitignore").write_text("ignored\n", encoding="utf-8")
    (tmp_path / "ignored").write_text("", encoding="utf-8")
    (tmp_path / "new").write_text("", encoding="utf-8")
    assert {file.name for file in tracked_files(tmp_path)} == {".gitignore", "new"}
