"""Builds the configured stores of a workspace, each on first use; the only place that names their backends."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel import table_store
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.clock import Clock, VirtualClock, WallClock
from tidewheel.core.config import Config
from tidewheel.core.errors import StorageError
from tidewheel.metadata_store import (
    AliasStore,
    ClockStore,
    ClosureMissStore,
    Database,
    DeploymentStore,
    EventStore,
    ExecutionStore,
    ExperimentStore,
    IngestStore,
    LeaseStore,
    ModelStore,
    PinStore,
    PlanStore,
    ProjectionStore,
    RunStore,
    RuntimeStore,
    SegmentStore,
    SignalStore,
    SnapshotStore,
    SourceStore,
)
from tidewheel.workspace.codecs import codec_table

if TYPE_CHECKING:
    from tidewheel.table_store import PyIcebergTableStore


class Stores:
    """The stores of one workspace.

    Args:
        config: the project's configuration.

    Raises:
        StorageError: the workspace's folder cannot be written.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = config.workspace_path
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ignore_in_git()
        except OSError as error:
            raise StorageError(
                f"the workspace cannot be written: {error.strerror}",
                where=str(self.folder),
                next_step="set workspace.path to a folder that you may write",
            ) from error

    @cached_property
    def database(self) -> Database:
        url = self.config.workspace.metadata_url or f"sqlite:///{self.folder / 'metadata.db'}"
        return Database.open(url)

    @cached_property
    def artifacts(self) -> LocalArtifactStore:
        return LocalArtifactStore(self.folder / "artifacts", codec_table())

    @cached_property
    def tables(self) -> PyIcebergTableStore:
        return table_store.PyIcebergTableStore.open(
            self.folder / "tables", catalog_properties=self.config.workspace.catalog or None
        )

    @property
    def clock(self) -> Clock:
        """The workspace's clock as it stands now."""
        if self.config.workspace.clock == "wall":
            return WallClock()
        at = ClockStore(self.database).get()
        return VirtualClock(at) if at is not None else WallClock()

    @cached_property
    def runs(self) -> RunStore:
        return RunStore(self.database)

    @cached_property
    def executions(self) -> ExecutionStore:
        return ExecutionStore(self.database)

    @cached_property
    def experiments(self) -> ExperimentStore:
        return ExperimentStore(self.database)

    @cached_property
    def misses(self) -> ClosureMissStore:
        return ClosureMissStore(self.database)

    @cached_property
    def plans(self) -> PlanStore:
        return PlanStore(self.database)

    @cached_property
    def sources(self) -> SourceStore:
        return SourceStore(self.database)

    @cached_property
    def runtimes(self) -> RuntimeStore:
        return RuntimeStore(self.database)

    @cached_property
    def events(self) -> EventStore:
        return EventStore(self.database)

    @cached_property
    def signals(self) -> SignalStore:
        return SignalStore(self.database)

    @cached_property
    def clock_row(self) -> ClockStore:
        return ClockStore(self.database)

    @cached_property
    def models(self) -> ModelStore:
        return ModelStore(self.database)

    @cached_property
    def aliases(self) -> AliasStore:
        return AliasStore(self.database)

    @cached_property
    def deployments(self) -> DeploymentStore:
        return DeploymentStore(self.database)

    @cached_property
    def ingests(self) -> IngestStore:
        return IngestStore(self.database)

    @cached_property
    def pins(self) -> PinStore:
        return PinStore(self.database)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        return SnapshotStore(self.database)

    @cached_property
    def segments(self) -> SegmentStore:
        return SegmentStore(self.database)

    @cached_property
    def projections(self) -> ProjectionStore:
        return ProjectionStore(self.database)

    @cached_property
    def leases(self) -> LeaseStore:
        return LeaseStore(self.database)

    def close(self) -> None:
        """Closes the database if it was opened."""
        if "database" in self.__dict__:
            self.database.close()

    def _ignore_in_git(self) -> None:
        ignore = self.folder / ".gitignore"
        if not ignore.exists() and os.access(self.folder, os.W_OK):
            Path(ignore).write_text("*\n")
