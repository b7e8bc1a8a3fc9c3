"""`tidewheel.toml`: read and validated whole, each value with its origin.

Every key can be overridden by an environment variable: `run.workers` by `TIDEWHEEL_RUN_WORKERS`. All problems are
reported at once, each with its path.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from tidewheel.core.errors import ConfigError, suggest

FILE_NAME = "tidewheel.toml"

Count = Annotated[int, msgspec.Meta(ge=0, le=4096)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class ProjectConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the project is.

    Attributes:
        name: shown in listings.
        modules: the modules that declare pipelines and models.
        exclude: glob patterns of files that are no sources.
    """

    name: Name
    modules: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class WorkspaceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where facts and values live.

    Attributes:
        path: the folder, relative to the project.
        metadata_url: a PostgreSQL URL; empty for SQLite in the folder.
        clock: `virtual` when history is replayed: time then moves only by `tidewheel tick --at`.
        catalog: PyIceberg's own catalog properties; empty for a SQL catalog on SQLite in the folder.
    """

    path: str = ".tidewheel"
    metadata_url: str = ""
    clock: Literal["wall", "virtual"] = "wall"
    catalog: dict[str, str] = {}


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How plans are carried out.

    Attributes:
        workers: steps at a time, each counted as often as its `cpu`; 0 for one per core.
        pin_days: how long a failed run keeps its snapshots from expiry.
    """

    workers: Count = 0
    pin_days: Count = 30


class ServingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The loopback prediction server of the place `dev`.

    Attributes:
        host: the address that it listens on.
        port: 0 for any free port.
        segment_rows: predictions after which a log segment is closed.
        max_body_bytes: larger requests are refused.
    """

    host: str = "127.0.0.1"
    port: Port = 0
    segment_rows: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 8 << 20


class MlflowConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The window that people look through.

    Attributes:
        is_enabled: whether runs with metrics or a model are written to MLflow.
        tracking_uri: an MLflow server; empty for a store in the workspace.
    """

    is_enabled: bool = True
    tracking_uri: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file, with defaults filled in.

    Attributes:
        root: the project's folder.
        origins: `default`, `tidewheel.toml` or the environment variable, by path such as `run.workers`.
    """

    root: Path
    project: ProjectConfig
    workspace: WorkspaceConfig
    run: RunConfig
    serving: ServingConfig
    mlflow: MlflowConfig
    origins: dict[str, str]

    @property
    def workspace_path(self) -> Path:
        """The workspace's folder, absolute."""
        return (self.root / self.workspace.path).resolve()

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """Path, effective value and origin of every key."""
        for section, shape in SECTIONS.items():
            for field in msgspec.structs.fields(shape):
                path = f"{section}.{field.name}"
                yield path, getattr(getattr(self, section), field.name), self.origins[path]


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "project": ProjectConfig,
    "workspace": WorkspaceConfig,
    "run": RunConfig,
    "serving": ServingConfig,
    "mlflow": MlflowConfig,
}


def variable_name(path: str) -> str:
    """The environment variable that overrides a key.

    Example:
        >>> variable_name("run.workers")
        'TIDEWHEEL_RUN_WORKERS'
    """
    return "TIDEWHEEL_" + path.replace(".", "_").upper()


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a `tidewheel.toml`."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / FILE_NAME).is_file()), None)


def read_config(root: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Reads and checks a project's configuration.

    Args:
        root: the folder that holds `tidewheel.toml`.
        environment: variables that override; the process's by default.

    Raises:
        ConfigError: the file is missing, is no TOML, or has problems, which are listed all together.
    """
    path = root / FILE_NAME
    document = _read_document(path)
    variables = os.environ if environment is None else environment
    problems = [
        f"unknown section [{name}]: {suggest(name, SECTIONS, 'section')} @ $.{name}"
        for name in document
        if name not in SECTIONS
    ]
    origins: dict[str, str] = {}
    sections = {
        name: _read_section(name, shape, document.get(name, {}), variables, origins, problems)
        for name, shape in SECTIONS.items()
    }
    if problems:
        raise ConfigError("the configuration is not valid", problems, where=str(path), next_step="correct these lines")
    return Config(root=root.resolve(), origins=origins, **sections)


def _read_document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {FILE_NAME}", (), where=str(path.parent), next_step="run `tidewheel init` in the project"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{FILE_NAME} is no TOML: {error}", (), where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"{FILE_NAME} cannot be read: {error.strerror}", (), where=str(path)) from None


def _read_section(
    name: str,
    shape: type[msgspec.Struct],
    given: Any,
    variables: Mapping[str, str],
    origins: dict[str, str],
    problems: list[str],
) -> Any:
    if not isinstance(given, dict):
        problems.append(f"expected a table @ $.{name}")
        return None
    types = get_type_hints(shape, include_extras=True)
    problems += [
        f"unknown key {key!r}: {suggest(key, types, 'key')} @ $.{name}.{key}" for key in given if key not in types
    ]
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        path = f"{name}.{field.name}"
        variable = variable_name(path)
        if variable in variables:
            origins[path], place, raw = (
                variable,
                f"${variable}",
                _parse_variable(variables[variable], types[field.name]),
            )
        elif field.name in given:
            origins[path], place, raw = FILE_NAME, f"$.{path}", given[field.name]
        elif field.required:
            problems.append(f"missing key {field.name!r} @ $.{path}")
            continue
        else:
            origins[path] = "default"
            continue
        try:
            values[field.name] = msgspec.convert(raw, types[field.name], strict=variable not in variables)
        except msgspec.ValidationError as error:
            message, _, inner = str(error).partition(" - at `$")
            problems.append(f"{message} @ {place}{inner.rstrip('`')}")
    return None if problems else shape(**values)


def _parse_variable(text: str, expected: Any) -> Any:
    """Lists and tables are written as JSON in a variable; everything else is plain text."""
    if text[:1] in "[{" and expected is not str:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text
