"""Everything that a run needs, decided before its first step starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidewheel.core.records import Artifact, Execution, Run, Runtime
from tidewheel.core.records.record import Record
from tidewheel.orchestrator.attempt import BoundInput
from tidewheel.pipeline import Plan


class ResolvedNode(Record, frozen=True, kw_only=True):
    """A node that is no call: a snapshot or version that was looked up once, at the start of the run.

    Attributes:
        artifact: its identity, by which it enters fingerprints and lineage.
        bound: how a worker gets at it.
    """

    artifact: Artifact
    bound: BoundInput


class StepCode(Record, frozen=True, kw_only=True):
    """What is known of a step's code without importing it.

    Attributes:
        version: digest of the closure.
        parts: digest by `module:name` of everything that the step reaches.
        modules: the project modules among which it was looked for.
        runtime: the software that it reaches.
        missed: digest by module of what earlier executions loaded beyond the closure.
    """

    version: str
    parts: dict[str, str]
    modules: tuple[str, ...]
    runtime: Runtime
    missed: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run that can start.

    Attributes:
        run: its record, with status `running`.
        plan: what is to be done.
        code: by step address.
        resolved: by node, for tables and champions.
        query_inputs: by `sql` or `features` node, the tables that it reads.
        sources: the copy of the project's sources; workers have it as their working directory.
        import_roots: folders in it that are imported from.
        file_digests: content digests of the project's files, for declared files.
        packages: heavy packages to import before the first fork.
        finished: by node, executions of the run that this one resumes.
        reuses_results: whether equal executions of earlier runs may be taken.
    """

    run: Run
    plan: Plan
    code: Mapping[str, StepCode]
    resolved: Mapping[str, ResolvedNode]
    query_inputs: Mapping[str, Mapping[str, ResolvedNode]]
    sources: Path
    import_roots: tuple[Path, ...]
    file_digests: Mapping[str, str]
    packages: tuple[str, ...] = ()
    finished: Mapping[str, Execution] = field(default_factory=dict)
    reuses_results: bool = True
