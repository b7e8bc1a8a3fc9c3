"""From a pipeline's name to a run that can start: sources, plan, snapshots, versions, runtimes, cause."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import Any

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_value
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Artifact, Event, Execution, Run, Runtime, TableContract
from tidewheel.metadata_store import Pin
from tidewheel.orchestrator import ForkServer, PreparedRun, ResolvedNode, StepCode
from tidewheel.orchestrator.attempt import BoundInput
from tidewheel.orchestrator.fork_loop import FORKABLE
from tidewheel.pipeline import Plan, PlanNode
from tidewheel.source_repository import Closure, lock_digest, read_runtime
from tidewheel.workspace.cause import user_name
from tidewheel.workspace.declaration import Declared
from tidewheel.workspace.engines import resolve_engine
from tidewheel.workspace.project import CapturedSources, Project
from tidewheel.workspace.references import resolve_reference
from tidewheel.workspace.snapshot_artifact import TABLE_TYPE, snapshot_artifact
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import trained_until

NO_CHAMPION = "none"
_OPTIONAL = ("xgboost",)  # what Tidewheel's own steps use when it is installed, beside what is always required
_BY_SKOPS = {"sklearn/1", "package/1"}
_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)  # as Python looks for them


class Preparation:
    """Prepares runs of a project's pipelines.

    Args:
        stores: the workspace's stores.
        project: the project.
        executor: the orchestrator's name, for the record.
        server: where the project's code is imported.
    """

    def __init__(self, stores: Stores, project: Project, executor: str, server: ForkServer) -> None:
        self._stores = stores
        self._project = project
        self._executor = executor
        self._server = server

    def prepare(
        self,
        pipeline: str,
        parameters: Mapping[str, Any],
        event: Event,
        *,
        resumed: Run | None = None,
        repeated: Run | None = None,
        reuses_results: bool = True,
    ) -> tuple[PreparedRun, Declared]:
        """Decides everything that a run depends on; what was decided is in the result and nowhere else.

        With it comes what the same sources declare.

        Args:
            resumed: an earlier run; its snapshots are used again, and its finished executions offered.
            repeated: an earlier run; its sources, snapshots, champions and references are used again, none of its
                results. With `resumed`, a repetition of it that did not succeed, those of that one are offered.

        Raises:
            TidewheelError: the definition, a parameter or a table's name is wrong; nothing was recorded.
        """
        captured = self._project.kept(repeated.sources_digest) if repeated else self._project.capture()
        answer = self._project.plan(pipeline, parameters, captured, self._server)
        plan = answer.plan
        assert plan is not None
        assert answer.declared is not None
        earlier = self._finished(repeated or resumed)
        pinned = _pinned(plan, earlier)
        code = self._code(plan, answer.closures, captured)
        run = self._run(plan, event, captured, code.values(), resumed, repeated)
        resolved = {
            node.id: self._resolve_again(node, run, earlier[node.id])
            if repeated and node.kind != "table" and node.id in earlier
            else self._resolve(node, run, pinned, answer.declared.contracts)
            for node in plan.nodes
            if node.kind in ("table", "champion", "reference")
        }
        queries = {
            node.id: self._query_inputs(node, run, pinned) for node in plan.nodes if node.kind in ("sql", "features")
        }
        prepared = PreparedRun(
            run=run,
            plan=plan,
            code=code,
            resolved=resolved,
            query_inputs=queries,
            sources=captured.folder,
            import_roots=captured.import_roots,
            file_digests=captured.state.files,
            packages=self._packages(plan, answer.closures.values()),
            finished=self._finished(resumed) if repeated else earlier,
            reuses_results=reuses_results,
        )
        return prepared, answer.declared

    def _finished(self, run: Run | None) -> dict[str, Execution]:
        if run is None:
            return {}
        executions = self._stores.executions.list(run.id)
        return {one.node: one for one in executions if one.status in ("succeeded", "cached")}

    def _run(
        self,
        plan: Plan,
        event: Event,
        captured: CapturedSources,
        code: Iterable[StepCode],
        resumed: Run | None,
        repeated: Run | None,
    ) -> Run:
        state = captured.state
        for one in code:
            self._stores.runtimes.put(one.runtime)
        return Run(
            id=new_id(),
            pipeline=plan.pipeline,
            status="running",
            plan_digest=plan.digest,
            event_id=event.id,
            parameters=dict(plan.parameters),
            sources_digest=state.digest,
            commit=state.commit,
            branch=state.branch,
            is_dirty=state.is_dirty,
            author=state.author,
            runtime_digest=digest_value("runtimes", sorted(one.runtime.digest for one in code)),
            lock_digest=lock_digest(captured.folder),
            executor=self._executor,
            host=os.uname().nodename,
            user=user_name(),
            orchestrator_pid=os.getpid(),
            resumed_from=resumed.id if resumed else "",
            repeats=repeated.id if repeated else "",
            at=self._stores.clock.now(),
            started_at=utc_now(),
        )

    def _code(self, plan: Plan, closures: Mapping[str, Closure], captured: CapturedSources) -> dict[str, StepCode]:
        steps = {node.step for node in plan.nodes if node.kind in ("step", "sql", "features")}
        return {step: self._step_code(step, closures.get(step), captured) for step in steps}

    def _step_code(self, step: str, closure: Closure | None, captured: CapturedSources) -> StepCode:
        if closure is None:  # a step of Tidewheel or of another distribution: its code is its distribution's version
            package = step.partition(":")[0].split(".")[0] or "tidewheel"
            runtime = self._runtime((package, *_OPTIONAL) if package == "tidewheel" else (package,))
            return StepCode(version=runtime.digest, parts={}, modules=(), runtime=runtime)
        missed = {module: _module_digest(module, captured) for module in self._stores.misses.misses_of(step)}
        return StepCode(
            version=closure.digest,
            parts=closure.parts,
            modules=(*closure.modules, *missed),
            runtime=self._runtime(closure.imports),
            missed=missed,
        )

    def _packages(self, plan: Plan, closures: Iterable[Closure]) -> tuple[str, ...]:
        """What to import once for all workers: what the steps reach, and what stores their models."""
        wanted = {name for closure in closures for name in closure.imports}
        codecs = self._stores.artifacts.codecs
        outputs = [output.type_names for node in plan.nodes for output in node.outputs]
        if not _BY_SKOPS.isdisjoint(map(codecs.find_for_type_names, outputs)):
            wanted.add("skops")
        return tuple(package for package in FORKABLE if package in wanted)

    def _runtime(self, imports: tuple[str, ...]) -> Runtime:
        return read_runtime(imports, cache_dir=self._stores.folder / "cache")

    def _resolve_again(self, node: PlanNode, run: Run, earlier: Execution) -> ResolvedNode:
        """The champion or reference that an earlier run was given."""
        artifact = earlier.outputs["output"]
        if node.kind == "reference":
            return self._bound_reference(artifact, run)
        version = artifact.summary["version"]
        return self._version_as_champion(node.arguments["name"], None if version == NO_CHAMPION else version)

    def _resolve(
        self, node: PlanNode, run: Run, pinned: Mapping[str, int], contracts: Mapping[str, TableContract]
    ) -> ResolvedNode:
        if node.kind == "reference":
            return self._reference(node, run, contracts)
        if node.kind == "champion":
            return self._champion(node.arguments["name"])
        name, as_of = node.arguments["name"], node.arguments.get("as_of")
        if as_of is None:
            return self._table(name, run, pinned)
        earlier = pinned.get(node.id)
        return self._table(name, run, {name: earlier}) if earlier else self._table(name, run, {}, as_of=as_of)

    def _query_inputs(self, node: PlanNode, run: Run, pinned: Mapping[str, int]) -> dict[str, ResolvedNode]:
        from tidewheel.table_store import tables_in

        if node.kind == "features":
            named = {table: int(number) for table, number in node.arguments["snapshots"].items()}
            tables = sorted({view["table"] for view in node.arguments["views"] if "table" in view})
            return {name: self._table(name, run, {**pinned, **named}) for name in tables}
        if engine := node.arguments.get("engine"):
            return {"engine": resolve_engine(self._stores.config, engine)}
        return {name: self._table(name, run, pinned) for name in sorted(tables_in(node.arguments["query"]))}

    def _table(self, name: str, run: Run, pinned: Mapping[str, int], *, as_of: str | None = None) -> ResolvedNode:
        from tidewheel.core.clock import parse_time

        tables = self._stores.tables
        snapshot = tables.snapshot(name, id=pinned.get(name), as_of=parse_time(as_of) if as_of else None)
        self._stores.snapshots.put(snapshot)
        self._stores.pins.put(
            Pin(
                table=snapshot.table,
                snapshot_id=snapshot.snapshot_id,
                run_id=run.id,
                expires_at=utc_now() + timedelta(days=self._stores.config.run.pin_days),
            )
        )
        return ResolvedNode(
            artifact=snapshot_artifact(snapshot), bound=BoundInput(table=tables.reference(snapshot).to_dict())
        )

    def _reference(self, node: PlanNode, run: Run, contracts: Mapping[str, TableContract]) -> ResolvedNode:
        name, model = node.arguments["name"], node.arguments["model"]
        return self._bound_reference(resolve_reference(self._stores, contracts, name, model, run.at)[0], run)

    def _bound_reference(self, artifact: Artifact, run: Run) -> ResolvedNode:
        source = artifact.summary["source"]
        rows = self._table(source["table"], run, {source["table"]: int(source["snapshot_id"])}).bound.table
        return ResolvedNode(artifact=artifact, bound=BoundInput(reference={**artifact.summary, "rows": rows}))

    def _champion(self, name: str) -> ResolvedNode:
        return self._version_as_champion(name, self._stores.aliases.get(name, "champion"))

    def _version_as_champion(self, name: str, version: int | None) -> ResolvedNode:
        if version is None:
            nothing = Artifact(
                digest=digest_value("champion", [name, None]),
                codec="champion/1",
                type_name="NoneType",
                size_bytes=0,
                summary={"model": name, "version": NO_CHAMPION},
            )
            return ResolvedNode(artifact=nothing, bound=BoundInput(value=None))
        package = self._stores.models.get(name, version).package
        until = trained_until(self._stores, name, version)
        shown = until.isoformat() if until else None
        champion = {"model": name, "version": version, "artifact": package.to_dict(), "trained_until": shown}
        artifact = Artifact(
            digest=digest_value("champion", [name, version, package.digest, *([shown] if shown else [])]),
            codec="champion/1",
            type_name="tidewheel.Champion",
            size_bytes=package.size_bytes,
            summary={"model": name, "version": version, "package": package.digest},
        )
        return ResolvedNode(artifact=artifact, bound=BoundInput(champion=champion))


def _pinned(plan: Plan, earlier: Mapping[str, Execution]) -> dict[str, int]:
    """The snapshots that an earlier run read: by table, and by node where the plan asks for the one of a given time."""
    pinned: dict[str, int] = {}
    for node in plan.nodes:
        if node.id not in earlier:
            continue
        execution = earlier[node.id]
        for artifact in (*execution.outputs.values(), *execution.inputs.values()):
            name = artifact.summary["table"] if artifact.type_name == TABLE_TYPE else ""
            if name and node.arguments.get("as_of"):
                pinned[node.id] = int(artifact.summary["snapshot_id"])
            elif name and name not in node.arguments.get("snapshots", ()) and node.kind != "step":
                pinned[name] = int(artifact.summary["snapshot_id"])
    return pinned


def _module_digest(module: str, captured: CapturedSources) -> str:
    """The digest of a module's file, source or binary, as Python would look for it; "" when there is none any more."""
    stem = module.replace(".", "/")
    for root in captured.import_roots:
        prefix = Path(root).relative_to(captured.folder)
        for candidate in (f"{name}{suffix}" for name in (f"{stem}/__init__", stem) for suffix in _SUFFIXES):
            path = (prefix / candidate).as_posix()
            if path in captured.state.files:
                return captured.state.files[path]
    return ""
