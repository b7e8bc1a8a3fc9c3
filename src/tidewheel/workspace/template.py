"""A new project: a copy of the flights example as a Git repository, or a configuration file for what is there."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

from tidewheel.core.config import FILE_NAME
from tidewheel.core.errors import ParameterError, SourceError
from tidewheel.source_repository import find_import_roots

_LEFT_OUT = shutil.ignore_patterns(".*cache*", ".tidewheel", "__pycache__", "*.pyc", "data", "demo.py", "measure.py")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def new_project(folder: Path) -> Path:
    """Copies the flights example to a new folder and makes its first commit.

    Raises:
        ParameterError: the folder exists and is not empty; nothing was changed.
        SourceError: Git is missing or refused.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ParameterError(f"{folder} is not empty", next_step="choose another name")
    shutil.copytree(_example(), folder, ignore=_LEFT_OUT, dirs_exist_ok=True)
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace('name = "flights"', f'name = "{name_from(folder)}"', 1))
    ignore = folder / ".gitignore"
    known = ignore.read_text() if ignore.exists() else ""
    ignore.write_text(known + "".join(f"{name}\n" for name in (".tidewheel/", "__pycache__/") if name not in known))
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, *_identity(folder), "commit", "--quiet", "--message", "A new project from the flights example")
    return folder


def init_project(folder: Path, name: str, modules: tuple[str, ...]) -> Path:
    """Writes a `tidewheel.toml`.

    Raises:
        ParameterError: there is one already, or no such folder; nothing was touched.
    """
    if not folder.is_dir():
        raise ParameterError(f"there is no folder {folder}", next_step="make it first, or use `tidewheel new`")
    path = folder / FILE_NAME
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r} is no name for a project", next_step="take letters, digits, '-', '_' and '.', the first no sign"
        )
    listed = ", ".join(json.dumps(module) for module in modules)  # as TOML writes text, too
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(f'[project]\nname = "{name}"\nmodules = [{listed}]\n')
            stream.write('# exclude = ["data/**"]    what is no source; what .gitignore names is none either\n')
    except FileExistsError:
        raise ParameterError(f"there is a {FILE_NAME} already", where=str(folder)) from None
    return path


def unwritten_modules(folder: Path, modules: tuple[str, ...]) -> list[str]:
    """Those modules that are neither in the folder nor installed.

    Example:
        >>> unwritten_modules(Path("/nowhere"), ("json", "my_pipelines"))
        ['my_pipelines']
    """
    roots = find_import_roots(folder)
    return [name for name in modules if not any(_is_below(root, name) for root in roots) and not _is_installed(name)]


def _is_below(root: Path, module: str) -> bool:
    path = root.joinpath(*module.split("."))
    return path.is_dir() or path.with_name(f"{path.name}.py").is_file()


def _is_installed(module: str) -> bool:
    """By its package alone, because finding a module within one imports that."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except ValueError:
        return False


def name_from(folder: Path) -> str:
    """A project's name from its folder's.

    Example:
        >>> name_from(Path("my project!"))
        'my-project'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-_.") or "project"


def _example() -> Path:
    package = Path(__file__).parent.parent
    installed = package / "_example"
    return installed if installed.is_dir() else package.parent.parent / "examples" / "flights"


def _identity(folder: Path) -> tuple[str, ...]:
    """Git wants an author; a machine that has none configured gets the project's name."""
    known = subprocess.run(["git", "config", "user.email"], cwd=folder, capture_output=True, check=False)
    return () if known.returncode == 0 else ("-c", "user.name=tidewheel", "-c", "user.email=tidewheel@localhost")


def _git(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SourceError("git is not installed", next_step="install git") from None
    if done.returncode:
        raise SourceError(f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(folder))
