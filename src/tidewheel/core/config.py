"""`tidewheel.toml`: read and validated whole, each value with its origin.

Every key can be overridden by an environment variable: `run.workers` by `TIDEWHEEL_RUN_WORKERS`. All problems are
reported at once, each with its path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from tidewheel.core.errors import ConfigError, suggest

FILE_NAME = "tidewheel.toml"

Count = Annotated[int, msgspec.Meta(ge=0, le=4096)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


_ENGINE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


class TablesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the tables' past is kept, and when small files are put together.

    Attributes:
        keep_snapshots: so many of the newest; older ones only for a pin, a tag or a model version.
        keep_days: a snapshot that is older goes even if it is among the newest; the current one never does.
        orphan_hours: files that no snapshot names are removed when they are older.
        min_files: fewer small files beside each other are left alone.
        is_maintained_by_tick: whether `tidewheel tick` cares for tables to which enough was added.
    """

    keep_snapshots: Annotated[int, msgspec.Meta(ge=1)] = 30
    keep_days: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    orphan_hours: Annotated[float, msgspec.Meta(ge=1)] = 72.0
    min_files: Annotated[int, msgspec.Meta(ge=2)] = 8
    is_maintained_by_tick: bool = False


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Another SQL engine, declared as `[engines.NAME]`; it names the variables that hold secrets, never these.

    Attributes:
        kind: how it is spoken to; `flight-sql` is what Dremio speaks.
        url: `grpc+tls://host:port`, or without encryption `grpc+tcp://host:port`.
        user: for a password.
        password_variable: the environment variable that holds the password.
        token_variable: the environment variable that holds a token, instead of user and password.
        root_certificates: a PEM file, relative to the project, of whom to trust; the system's authorities by default.
        host_name: the name in the server's certificate, where it is not the one in `url`.
        allows_plain_text: lets a password or token go to another machine without encryption.
        session: options of the session, such as `schema`.
        headers: sent with each call, such as Dremio's `routing_queue`.
        timeout_s: for the engine to accept a query; a result may stream as long as it takes.
    """

    kind: Literal["flight-sql"] = "flight-sql"
    url: Annotated[str, msgspec.Meta(pattern=r"^grpc(\+tls|\+tcp)?://[^/@\s]+:[0-9]+$")]
    user: str = ""
    password_variable: str = ""
    token_variable: str = ""
    root_certificates: str = ""
    host_name: str = ""
    allows_plain_text: bool = False
    session: dict[str, str] = {}
    headers: dict[str, str] = {}
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 300.0


class ServingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The loopback prediction server of the place `dev`.

    Attributes:
        host: the address that it listens on.
        port: 0 for any free port.
        segment_rows: predictions after which a log segment is closed.
        answered_days: how long a prediction id is known: one that is repeated later is asked anew.
        max_body_bytes: larger requests are refused.
    """

    host: str = "127.0.0.1"
    port: Port = 0
    segment_rows: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    answered_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 30
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
        engines: SQL engines beside the default, by name.
        origins: `default`, `tidewheel.toml` or the environment variable, by path such as `run.workers`.
    """

    root: Path
    project: ProjectConfig
    workspace: WorkspaceConfig
    run: RunConfig
    tables: TablesConfig
    serving: ServingConfig
    mlflow: MlflowConfig
    engines: dict[str, EngineConfig]
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
        for name, engine in self.engines.items():
            for field in msgspec.structs.fields(EngineConfig):
                path = f"{ENGINES}.{name}.{field.name}"
                yield path, getattr(engine, field.name), self.origins[path]


ENGINES = "engines"
"""The section that holds one table for each SQL engine."""

DEFAULT_ENGINE = "duckdb"
"""The SQL engine that is there without being declared."""

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "project": ProjectConfig,
    "workspace": WorkspaceConfig,
    "run": RunConfig,
    "tables": TablesConfig,
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
        f"unknown section [{name}]: {suggest(name, (*SECTIONS, ENGINES), 'section')} @ $.{name}"
        for name in document
        if name not in SECTIONS and name != ENGINES
    ]
    origins: dict[str, str] = {}
    sections = {
        name: _read_section(name, shape, document.get(name, {}), variables, origins, problems)
        for name, shape in SECTIONS.items()
    }
    engines = _read_engines(document.get(ENGINES, {}), variables, origins, problems)
    if problems:
        raise ConfigError("the configuration is not valid", problems, where=str(path), next_step="correct these lines")
    return Config(root=root.resolve(), origins=origins, engines=engines, **sections)


def _read_engines(
    given: Any, variables: Mapping[str, str], origins: dict[str, str], problems: list[str]
) -> dict[str, EngineConfig]:
    if not isinstance(given, dict):
        problems.append(f"expected a table @ $.{ENGINES}")
        return {}
    engines = {}
    for name, section in given.items():
        path = f"{ENGINES}.{name}"
        if not _ENGINE_NAME.fullmatch(name) or name == DEFAULT_ENGINE:
            problems.append(f"{name!r} is no name of an engine: use letters, digits and underscores @ $.{path}")
            continue
        engine = _read_section(path, EngineConfig, section, variables, origins, problems)
        if engine is not None:
            problems += [f"{problem} @ $.{path}" for problem in _engine_problems(engine)]
            engines[name] = engine
    return engines


def _engine_problems(engine: EngineConfig) -> Iterator[str]:
    if bool(engine.user) != bool(engine.password_variable):
        yield "user and password_variable belong together"
    if engine.token_variable and engine.user:
        yield "give user and password_variable, or token_variable, not both"
    for key in ("password_variable", "token_variable"):
        variable = getattr(engine, key)
        if variable and not _VARIABLE.fullmatch(variable):
            # The value is not told: it may be the secret itself.
            yield f"{key} is no name of an environment variable; the secret itself does not belong here"
    is_encrypted = engine.url.startswith("grpc+tls://")
    host = engine.url.partition("://")[2].rpartition(":")[0].strip("[]")
    is_here = host in ("localhost", "127.0.0.1", "::1")
    if (engine.user or engine.token_variable) and not (is_encrypted or is_here or engine.allows_plain_text):
        yield "a password or token would travel unencrypted: use grpc+tls://, or set allows_plain_text"
    if engine.root_certificates and not is_encrypted:
        yield "root_certificates are for grpc+tls://"
    if secret := next((key for key in engine.headers if key.lower() in ("authorization", "cookie")), ""):
        yield f"header {secret!r} would hold a secret: use token_variable"


def _read_document(path: Path) -> dict[str, Any]:
    import tomllib  # 5 ms, which each worker's server would pay: it reads no configuration

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
