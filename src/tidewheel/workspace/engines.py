"""SQL engines by name: DuckDB on the workspace's snapshots, and those that `[engines.NAME]` declares.

A run records which engine a query was asked of; a secret is read from its variable by whoever asks, at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.core.config import DEFAULT_ENGINE, Config, EngineConfig
from tidewheel.core.digest import digest_value
from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact
from tidewheel.orchestrator import ResolvedNode
from tidewheel.orchestrator.attempt import BoundInput

if TYPE_CHECKING:
    from tidewheel.table_store.protocol import SqlEngine

ENGINE_TYPE = "tidewheel.SqlEngine"


def is_default(name: str | None) -> bool:
    """Whether this is DuckDB on the workspace's own snapshots."""
    return not name or name == DEFAULT_ENGINE


def resolve_engine(config: Config, name: str) -> ResolvedNode:
    """An engine as an input of a query's execution: what it is goes on record, how to reach it to the worker.

    Raises:
        NotFoundError: the project declares no such engine.
    """
    engine = _find(config, name)
    artifact = Artifact(
        digest=digest_value("engine", [name, engine.kind, engine.url, engine.session, engine.headers]),
        codec="engine/1",
        type_name=ENGINE_TYPE,
        size_bytes=0,
        summary={"engine": name, "kind": engine.kind, "url": engine.url},
    )
    reached = {"name": name, "root": str(config.root), "config": msgspec.to_builtins(engine)}
    return ResolvedNode(artifact=artifact, bound=BoundInput(value=reached))


def engine_of(reached: Mapping[str, Any]) -> SqlEngine:
    """The engine that a worker was told how to reach.

    Raises:
        ConfigError: its driver is not installed.
    """
    config = msgspec.convert(reached["config"], EngineConfig)
    # Named by text, since the driver is loaded by those alone that ask another engine.
    module = import_module("tidewheel.table_store.adbc_flight_sql")
    engine: SqlEngine = module.FlightSqlEngine(reached["name"], config, root=Path(reached["root"]))
    return engine


def find_engine(config: Config, name: str) -> SqlEngine:
    """An engine that the project declares.

    Raises:
        NotFoundError: there is none of this name.
        ConfigError: its driver is not installed.
    """
    return engine_of(resolve_engine(config, name).bound.value)


def _find(config: Config, name: str) -> EngineConfig:
    if name not in config.engines:
        raise NotFoundError(
            "engine", name, known=(DEFAULT_ENGINE, *config.engines), where="[engines] in tidewheel.toml"
        )
    return config.engines[name]
