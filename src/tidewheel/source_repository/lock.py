"""The project's lock: which versions its authors resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tidewheel.core.digest import digest_bytes, digest_value
from tidewheel.core.errors import UnreadableFileError
from tidewheel.core.records import Runtime
from tidewheel.source_repository.distribution import normalise_name

_TOML = ("uv.lock", "poetry.lock", "pdm.lock")
_OTHERS = ("conda-lock.yml", "conda-lock.yaml", "Pipfile.lock")
_REQUIREMENTS = ("requirements*.txt", "requirements/*.txt")
_PIN = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*==\s*([\w.!+-]+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def lock_digest(root: Path) -> str:
    """One digest over all lock and requirements files of the project; empty when it has none.

    Example:
        >>> lock_digest(Path("/nowhere"))
        ''
    """
    files = {
        path.relative_to(root).as_posix(): digest_bytes("lock file", path.read_bytes()) for path in _lock_files(root)
    }
    return digest_value("lock", files) if files else ""


def lock_mismatches(root: Path, runtime: Runtime) -> list[str]:
    """One line for each distribution of the runtime whose version is none of those that the project locked.

    A lock file of a resolver is believed before requirements files, of which only exact pins (`==`) count. What the
    project does not lock, and what is installed in editable form, is not compared.

    Raises:
        UnreadableFileError: a lock file is damaged.
    """
    locked = _locked_versions(root)
    return [
        f"{name}: {version} is installed, {' or '.join(sorted(locked[name]))} is locked"
        for name, version in sorted(runtime.distributions.items())
        if name in locked and not _DIGEST.fullmatch(version) and not _is_one_of(version, locked[name])
    ]


def _lock_files(root: Path) -> list[Path]:
    named = [root / name for name in (*_TOML, *_OTHERS)]
    globbed = [path for pattern in _REQUIREMENTS for path in root.glob(pattern)]
    return sorted(path for path in {*named, *globbed} if path.is_file())


def _locked_versions(root: Path) -> dict[str, set[str]]:
    locks = [root / name for name in _TOML if (root / name).is_file()]
    pins = _toml_pins(locks[0]) if locks else _requirement_pins(_lock_files(root))
    locked: dict[str, set[str]] = {}
    for name, version in pins:
        locked.setdefault(normalise_name(name), set()).add(version)
    return locked


def _toml_pins(path: Path) -> Iterator[tuple[str, str]]:
    import tomllib

    try:
        packages = tomllib.loads(path.read_text()).get("package", [])
        yield from [(str(one["name"]), str(one["version"])) for one in packages if "version" in one]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(
            f"lock file {path.name} is damaged: {error}", where=str(path), next_step="lock the project again"
        ) from error


def _requirement_pins(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path.suffix == ".txt":
            for line in path.read_text(errors="replace").splitlines():
                if found := _PIN.match(line):
                    yield found[1], found[2]


def _is_one_of(version: str, locked: set[str]) -> bool:
    if version in locked:
        return True
    from packaging.version import InvalidVersion, Version  # only for what is not textually equal, as 1.0 and 1.0.0

    try:
        return any(Version(version) == Version(one) for one in locked)
    except InvalidVersion:
        return False
