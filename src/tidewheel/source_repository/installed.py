"""Reads the metadata of all installed distributions: slow, and needed only when something was installed or removed."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution as Metadata
from importlib.metadata import distributions as find_distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement

from tidewheel.source_repository.distribution import Distribution, normalise_name


def read_installed(folders: Sequence[str]) -> tuple[dict[str, Distribution], dict[str, tuple[str, ...]]]:
    """Distributions by normalised name, and the names of those that give an import name; the first on the path wins."""
    distributions: dict[str, Distribution] = {}
    providers: dict[str, set[str]] = {}
    for metadata in find_distributions(path=list(folders)):
        given = metadata.metadata["Name"] if metadata.metadata else None
        name = normalise_name(given or "")
        if not name or name in distributions:
            continue
        files = list(_files(metadata))
        editable = tuple(sorted(_editable_sources(metadata, files)))
        distributions[name] = Distribution(
            name=name, version=metadata.version, requires=_requires(metadata), editable=editable
        )
        for top in {*_top_levels(files), *(Path(source).stem for source in editable), *_declared(metadata)}:
            providers.setdefault(top, set()).add(name)
    return distributions, {top: tuple(sorted(names)) for top, names in sorted(providers.items())}


def _files(metadata: Metadata) -> Iterator[str]:
    for line in (metadata.read_text("RECORD") or "").splitlines():
        yield line.split(",")[0].strip('"')


def _top_levels(files: Sequence[str]) -> set[str]:
    found = set()
    for file in files:
        top, separator, _ = file.partition("/")
        name = top if separator else top.partition(".")[0] if top.endswith((".py", ".so", ".pyd")) else ""
        if name.isidentifier() and name != "__pycache__":
            found.add(name)
    return found


def _declared(metadata: Metadata) -> list[str]:
    return [line.strip() for line in (metadata.read_text("top_level.txt") or "").splitlines() if line.strip()]


def _requires(metadata: Metadata) -> dict[str, tuple[str, ...]]:
    requirements = list(_requirements(metadata))
    extras = ("", *(metadata.metadata.get_all("Provides-Extra") or ()))
    environment = {name: str(value) for name, value in default_environment().items()}
    needed: dict[str, tuple[str, ...]] = {}
    for extra in extras:
        here = environment | {"extra": extra}
        tokens = [
            token for one in requirements if one.marker is None or one.marker.evaluate(here) for token in _tokens(one)
        ]
        if tokens:
            needed[normalise_name(extra)] = tuple(sorted(set(tokens)))
    return needed


def _requirements(metadata: Metadata) -> Iterator[Requirement]:
    for text in metadata.requires or ():
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # old metadata; what it needs is then reached by import only


def _tokens(requirement: Requirement) -> list[str]:
    name = normalise_name(requirement.name)
    return [name, *(f"{name}[{normalise_name(extra)}]" for extra in requirement.extras)]


def _editable_sources(metadata: Metadata, files: Sequence[str]) -> set[str]:
    """The package folders and modules that an editable installation points to; empty for any other."""
    origin = json.loads(metadata.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return set()
    found: set[str] = set()
    for file in files:
        path = Path(str(metadata.locate_file(file)))
        if path.suffix == ".pth" and path.is_file():
            for line in path.read_text().splitlines():
                found.update(_packages_below(line.strip()))
        elif path.name.startswith("__editable__") and path.suffix == ".py" and path.is_file():
            found.update(_mapped(path))
    if not found:  # an unknown kind of hook: the usual places
        project = unquote(urlsplit(origin.get("url", "")).path)
        found.update(_packages_below(os.path.join(project, "src")) or _packages_below(project))
    return found


def _packages_below(folder: str) -> set[str]:
    if not os.path.isdir(folder):
        return set()
    with os.scandir(folder) as entries:
        return {
            entry.path
            for entry in entries
            if (entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py")))
            or (entry.name.endswith(".py") and entry.name != "setup.py")
        }


def _mapped(finder: Path) -> set[str]:
    """The paths in the MAPPING table of the import hook that setuptools writes."""
    for node in ast.parse(finder.read_text()).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="MAPPING"), value=ast.expr() as table):
                pass
            case ast.Assign(targets=[ast.Name(id="MAPPING")], value=table):
                pass
            case _:
                continue
        paths = [str(path) for path in ast.literal_eval(table).values()]
        return {path if os.path.isdir(path) else f"{path}.py" for path in paths}
    return set()
