"""What `tidewheel.open(path)` gives to read: records with the links between them followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact, Event, Execution, Run, SourceState, ValidationReport
from tidewheel.workspace.stores import Stores


class OutputView:
    """An output or input of an execution."""

    def __init__(self, stores: Stores, name: str, artifact: Artifact) -> None:
        self._stores = stores
        self.name = name
        self.artifact = artifact

    @property
    def digest(self) -> str:
        """The digest that names the value."""
        return self.artifact.digest

    @property
    def path(self) -> Path:
        """The stored file; do not change it."""
        return self._stores.artifacts.path_of(self.artifact)

    def load(self, as_type: Any = None) -> Any:
        """The value, its bytes verified against the digest.

        Args:
            as_type: for dataclasses and the like, the class to build; without it their fields as a dict.

        Raises:
            ArtifactMissingError: the bytes are gone.
            ArtifactCorruptError: the bytes are not those that were stored.
        """
        if self.artifact.codec.startswith("snapshot/"):
            tables = self._stores.tables
            snapshot = tables.snapshot(self.artifact.summary["table"], id=int(self.artifact.summary["snapshot_id"]))
            return tables.read(snapshot)
        if self.artifact.codec.startswith("champion/"):
            return self._load_champion()
        if self.artifact.codec.startswith("reference/"):
            from tidewheel.workspace.references import load_artifact

            return load_artifact(self._stores, self.artifact)
        return self._stores.artifacts.load(self.artifact, as_type=as_type)

    def _load_champion(self) -> Any:
        summary = self.artifact.summary
        if "package" not in summary:
            return None
        version = self._stores.models.get(summary["model"], summary["version"])
        return self._stores.artifacts.load(version.package)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.artifact.type_name} {self.artifact.digest[:12]}>"


class Outputs:
    """The values of an execution by name; an unknown name is an error that offers the known ones."""

    def __init__(self, stores: Stores, artifacts: dict[str, Artifact], where: str) -> None:
        self._stores = stores
        self._artifacts = artifacts
        self._where = where

    def __getitem__(self, name: str) -> OutputView:
        if name not in self._artifacts:
            raise NotFoundError("output", name, known=self._artifacts, where=self._where)
        return OutputView(self._stores, name, self._artifacts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifacts)

    def __len__(self) -> int:
        return len(self._artifacts)


class ExecutionView:
    """One step or operation of a run."""

    def __init__(self, stores: Stores, record: Execution) -> None:
        self._stores = stores
        self.record = record

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def metrics(self) -> dict[str, float | None]:
        """Numbers that the step returned as Metrics."""
        return self.record.metrics

    @property
    def outputs(self) -> Outputs:
        """What it made, by name."""
        return Outputs(self._stores, self.record.outputs, f"step {self.record.node} of run {self.record.run_id}")

    @property
    def inputs(self) -> Outputs:
        """What it was given, by argument name."""
        return Outputs(self._stores, self.record.inputs, f"step {self.record.node} of run {self.record.run_id}")

    @property
    def log(self) -> str:
        """What it printed, all attempts one after the other; empty when nothing was."""
        if not self.record.log:
            return ""
        path = self._stores.folder / self.record.log
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def __repr__(self) -> str:
        return f"<execution {self.record.node} {self.record.status}>"


class RunView:
    """One run, its executions by node: `run["train"].outputs["model"].load()`."""

    def __init__(self, stores: Stores, record: Run) -> None:
        self._stores = stores
        self.record = record

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def status(self) -> str:
        """As recorded; a run whose orchestrator died says `interrupted`."""
        from tidewheel.orchestrator import is_alive

        folder = self._stores.folder / "runs" / self.record.id
        if self.record.status == "running" and not is_alive(folder):
            return "interrupted"
        return self.record.status

    @property
    def executions(self) -> list[ExecutionView]:
        """In the order of the plan."""
        return [ExecutionView(self._stores, record) for record in self._stores.executions.list(self.record.id)]

    @property
    def event(self) -> Event:
        """Why it was started."""
        return self._stores.events.get(self.record.event_id)

    @property
    def sources(self) -> SourceState | None:
        """The sources that it imported, None for operations that import none."""
        return self._stores.sources.find(self.record.sources_digest)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The numbers of all executions; of two with one name the later step's."""
        return {name: value for one in self.executions for name, value in one.metrics.items()}

    @property
    def validations(self) -> list[ValidationReport]:
        """What data validation found in the rows that it read, also where it stopped the run."""
        from tidewheel.workspace.skew_signals import reports_of

        executions = {one.record.node: one.record for one in self.executions}
        return [self._stores.artifacts.load(one, ValidationReport) for one in reports_of(executions)]

    def __getitem__(self, node: str) -> ExecutionView:
        executions = {one.record.node: one for one in self.executions}
        if node not in executions:
            raise NotFoundError("step", node, known=executions, where=f"run {self.record.id}")
        return executions[node]

    def __repr__(self) -> str:
        return f"<run {self.record.id} {self.record.pipeline} {self.status}>"
