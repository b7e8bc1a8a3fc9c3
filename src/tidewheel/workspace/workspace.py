"""`tidewheel.open(path)`: everything that a workspace knows and can do, for notebooks, the CLI and pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidewheel.core.config import Config, find_project, read_config
from tidewheel.core.errors import ConfigError, NotFoundError, TidewheelError
from tidewheel.core.records import EndpointState, Event, ModelVersion, RunStatus, Signal, Snapshot
from tidewheel.metadata_store.experiment import read_condition
from tidewheel.orchestrator import Listener
from tidewheel.orchestrator.progress import silent
from tidewheel.pipeline import Plan, release_resolver, set_resolver
from tidewheel.workspace import answers, champions, data, extraction, maintenance, package_proof, profiles
from tidewheel.workspace.batch_job import BatchRequest, prepare_job
from tidewheel.workspace.batch_prediction import BatchProgress, BatchResult, ignore_progress, predict_table
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.comparison import Comparison, compare
from tidewheel.workspace.contracts import Contracts
from tidewheel.workspace.experiments import Experiments
from tidewheel.workspace.features import Features
from tidewheel.workspace.mirror import mirror_models
from tidewheel.workspace.model_card import ModelCard, model_card
from tidewheel.workspace.models import Models
from tidewheel.workspace.notebook import NotebookReads
from tidewheel.workspace.package_proof import PackageProof
from tidewheel.workspace.project import Project
from tidewheel.workspace.quarantine import QuarantineDesk
from tidewheel.workspace.reproduction import Reproduction, compare_repetition
from tidewheel.workspace.running import Running
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.views import RunView
from tidewheel.workspace.why import WhyChain, why
from tidewheel.workspace.why_table import why_table

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.deployment.edge_bundle import EdgeBundle
    from tidewheel.model_package.signing import Envelope
    from tidewheel.orchestrator import ForkServer
    from tidewheel.statistics import Profile
    from tidewheel.steps.data_analysis import TableAnalysis
    from tidewheel.steps.data_ingestion import IngestResult
    from tidewheel.table_store import MaintenanceResult, TableInfo, TableReader


class Workspace:
    """A project and where its facts and values live.

    Reads are one call each; nothing is loaded before it is asked for. Close it, or use it in a `with` block.

    Example of use: `tidewheel.open(".").run("1m7y")["train"].outputs["model"].load()`
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stores = Stores(config)
        self.project = Project(config, self.stores)
        self.contracts = Contracts(self.stores, self.project)
        self.quarantine = QuarantineDesk(self.stores, self.contracts)
        self.reads = NotebookReads(self.stores, self.project)
        self.models = Models(self.stores, self.project)
        self._running = Running(self.stores, self.project)

    @cached_property
    def features(self) -> Features:
        """The declared feature views, joins and the online store."""
        return Features(self.stores, self.project)

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return self.stores.folder

    def submit(
        self,
        pipeline: str,
        *,
        listener: Listener = silent,
        is_debug: bool = False,
        reuses_results: bool = True,
        event: Event | None = None,
        **parameters: Any,
    ) -> RunView:
        """Runs a pipeline to its end.

        Args:
            pipeline: its name.
            listener: is told of every change.
            is_debug: run the steps in this process.
            reuses_results: take over equal executions of earlier runs.
            event: the cause; without one the caller is.
            parameters: the pipeline's parameters, typed or as text.

        Raises:
            TidewheelError: the definition or a parameter is wrong; no run was recorded.
        """
        run = self._running.submit(
            pipeline,
            parameters,
            event=event,
            listener=listener,
            is_debug=is_debug,
            reuses_results=reuses_results,
        )
        return RunView(self.stores, run)

    def resume(self, run_id: str, *, listener: Listener = silent) -> RunView:
        """Continues a run that did not succeed; see `Running.resume`."""
        return RunView(self.stores, self._running.resume(self._run_id(run_id), listener=listener))

    def reproduce(self, name: str, version: int | None = None, *, listener: Listener = silent) -> Reproduction:
        """Carries a run out again from what it was made from, every step, and compares what came out.

        Its sources, parameters, snapshots, champions and references are used again, on the packages of today. Nothing
        is registered.

        Args:
            name: of a model, whose version's run is meant; or a run's id, or `latest`.
            version: of the model, by default the champion.

        Raises:
            NotFoundError: there is no such model, version or run, or a snapshot is gone.
            RunError: the run is going on, or is an operation.
            SourceError: the copy of its sources is gone.
        """
        if version is not None or name in self.stores.models.models():
            run_id = champions.chosen_version(self.stores, name, version).run_id
        else:
            run_id = self._run_id(name)
        repetition = self._running.repeat(run_id, listener=listener)
        return compare_repetition(self.stores, self.stores.runs.get(run_id), repetition)

    def cancel(self, run_id: str) -> RunView:
        """Ends a run that is going on."""
        return RunView(self.stores, self._running.cancel(self._run_id(run_id)))

    def run(self, run_id: str) -> RunView:
        """One run, by its id or a unique beginning of it of at least four characters.

        `latest` is the newest run of a pipeline; operations such as `deploy` are found by their id.

        Raises:
            NotFoundError: there is no such run.
        """
        return RunView(self.stores, self.stores.runs.get(self._run_id(run_id)))

    def runs(
        self,
        *,
        pipeline: str | None = None,
        status: RunStatus | None = None,
        limit: int = 50,
        with_operations: bool = False,
    ) -> list[RunView]:
        """Runs of pipelines, the newest first.

        Args:
            pipeline: only of this one, or of the operation of this name.
            status: only with this one.
            with_operations: also what no pipeline did, such as `ingest`, `promote` and `deploy`.
        """
        is_any = with_operations or pipeline is not None
        records = self.stores.runs.list(pipeline=pipeline, status=status, limit=limit, with_operations=is_any)
        return [RunView(self.stores, record) for record in records]

    def experiments(self, *conditions: str, sort: str = "", is_ascending: bool = False, limit: int = 50) -> Experiments:
        """Runs of pipelines with their parameters and metrics: a list, `.to_pandas()`, a table in a notebook.

        Args:
            conditions: such as `"roc_auc>0.7"`, `"rounds=150"`, `"pipeline=training"`; all must hold.
            sort: a metric, else a parameter with numbers, the greatest first; by default the newest run.

        Raises:
            NotFoundError: no run has what is sorted by.
            ParameterError: a condition cannot be read.
        """
        wanted = [read_condition(one) for one in conditions]
        return Experiments(self.stores.experiments.list(wanted, sort=sort, is_ascending=is_ascending, limit=limit))

    def compare(self, *runs: str) -> Comparison:
        """Puts runs side by side: `.differences`, `.rows`, `.to_dict()`, `.to_html()`; a table in a notebook.

        Args:
            runs: ids, or unique beginnings of them.

        Raises:
            NotFoundError: there is no such run.
            ParameterError: fewer than two are named, or one twice.
        """
        return compare(self.stores, [self.stores.runs.get(self._run_id(one)) for one in runs])

    def explain_rerun(self, run_id: str, node: str) -> list[str]:
        """Why a step was carried out again, in words."""
        return self._running.explain_rerun(self._run_id(run_id), node)

    def plan(self, pipeline: str, **parameters: Any) -> Plan:
        """What a pipeline would do; nothing is recorded."""
        answer = self.project.plan(pipeline, parameters, self.project.capture())
        assert answer.plan is not None
        return answer.plan

    def ingest(self, table: str, files: Sequence[str | Path] | str | Path) -> IngestResult:
        """Adds the rows of files to a table, each file's content once, held against its contract if there is one."""
        return data.ingest_files(self.stores, self.contracts, table, files)

    def tables(self) -> Sequence[TableInfo]:
        """All tables with their current snapshots."""
        return self.stores.tables.list()

    def table(self, name: str, *, as_of: str | None = None, snapshot: int | None = None) -> TableReader:
        """A table's current snapshot, or an earlier one: `.to_pandas()`, `.to_arrow(columns=...)`, `.sql(...)`.

        Args:
            as_of: the snapshot that was current then, by the wall clock.
            snapshot: the id of one, as `snapshots(name)` lists them.
        """
        return data.read_table(self.stores, name, as_of=as_of, snapshot=snapshot)

    def maintain(self, table: str | None = None) -> Sequence[MaintenanceResult]:
        """Puts small files of a table or of all together, forgets old snapshots, removes files that nothing needs.

        Rows, their order and digests stay, and so do snapshots that a run, a tag or a model version holds.
        """
        return maintenance.maintain(self.stores, table)

    def snapshots(self, name: str) -> Sequence[Snapshot]:
        """A table's snapshots, the oldest first."""
        return self.stores.tables.snapshots(name)

    def profile(self, name: str, *, snapshot: int | None = None) -> Profile:
        """What a table's snapshot, by default the current one, was observed to look like; made once and recorded."""
        return profiles.profile_snapshot(self.stores, self.table(name, snapshot=snapshot))

    def analyze(
        self,
        name: str,
        *,
        snapshot: int | None = None,
        compare: int | None = None,
        ignore: Collection[str] = (),
        target: str = "",
        time: str = "",
    ) -> TableAnalysis:
        """Looks at a table column by column and column against column: `.to_html()`, `.to_dict()`, `.work`.

        Args:
            snapshot: the id of one; the current one by default.
            compare: the id of an earlier one, from which differences are shown.
            ignore: columns whose values move by nature: they are compared, but not called moved. So are those that the
                table's contract exempts: its keys, and `profile={COLUMN: None}`.
            target: the column that is to be predicted.
            time: the column with the time that rows are about.
        """
        reference = self.table(name, snapshot=compare) if compare is not None else None
        contract = self.contracts.find(name) if compare is not None else None
        return profiles.analyze_table(
            self.stores,
            self.table(name, snapshot=snapshot),
            reference=reference,
            ignore=ignore,
            exempt=contract.exempt_columns if contract is not None else (),
            target=target,
            time=time,
        )

    def sql(
        self,
        query: str,
        *,
        snapshots: Mapping[str, int] | None = None,
        engine: str | None = None,
        **parameters: Any,
    ) -> pa.Table:
        """One query over the current snapshots of the tables that it names, or of another engine.

        Args:
            snapshots: other snapshots, by table.
            engine: the name of one that the project declares; DuckDB by default.
            parameters: values for `$name` in the query.
        """
        with self.stream_sql(query, snapshots=snapshots, engine=engine, **parameters) as reader:
            return reader.read_all()

    def stream_sql(
        self,
        query: str,
        *,
        snapshots: Mapping[str, int] | None = None,
        engine: str | None = None,
        **parameters: Any,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """As `sql`, batch by batch with bounded memory, to be read in a `with` block."""
        return extraction.stream_query(self.stores, query, parameters or None, engine=engine, snapshots=snapshots)

    def extract(self, table: str, query: str, *, engine: str | None = None, **parameters: Any) -> Snapshot:
        """Makes the result of a query the rows of a table, in one commit; see `sql` for the arguments."""
        return extraction.extract_into(self.stores, self.contracts, table, query, parameters or None, engine=engine)

    def versions(self, model: str | None = None) -> Sequence[ModelVersion]:
        """Registered versions, the newest first, of one model when given; `models.find` takes conditions.

        Raises:
            NotFoundError: the model has no version.
        """
        return self.models.find(model)

    def model_card(self, model: str, version: int | None = None) -> ModelCard:
        """The card of a version: `.to_markdown()`, `.to_html()`; by default of the champion, else of the newest one.

        Raises:
            NotFoundError: no such model or version.
        """
        chosen = champions.chosen_version(self.stores, model, version)
        return model_card(self.stores, chosen, lambda: request_event(self.stores, model, {"version": chosen.version}))

    def champion(self, model: str) -> ModelVersion | None:
        """The version that is in production, None before the first promotion."""
        return champions.registry(self.stores).champion(model)

    def sign_package(self, model: str, version: int | None = None, *, key: str) -> Envelope:
        """Signs a version's package with a private Ed25519 key in PEM form, which is kept nowhere.

        Without a version it is the champion, or the newest one.
        """
        return package_proof.sign(self.stores, model, version, key)

    def verify_package(self, model: str, version: int | None = None, *, key: str | None = None) -> PackageProof:
        """Checks a version's package anew, and with a public key in PEM form that its holder signed it."""
        return package_proof.verify(self.stores, model, version, key)

    def export(
        self, model: str, folder: str | Path, *, version: int | None = None, assets: str | Path | None = None
    ) -> EdgeBundle:
        """Writes a version's edge form into a new folder: it runs in browsers and in Node, without Python.

        Args:
            model: without a version its champion, or the newest one.
            folder: new or empty.
            version: one of the model's.
            assets: a folder with the files of onnxruntime-web; npm brings them if not.
        """
        from tidewheel.workspace.export import export_edge

        event = request_event(self.stores, model, {"version": version, "folder": str(folder)})
        given = Path(assets) if assets is not None else None
        return export_edge(self.stores, model, version, Path(folder).absolute(), event, assets=given)

    def check_models(self, model: str | None = None) -> Sequence[object]:
        """Damage from outside: packages that are missing or altered."""
        return champions.registry(self.stores).check(model)

    def promote(
        self,
        model: str,
        version: int | None = None,
        *,
        reason: str = "on request",
        is_forced: bool = False,
        event: Event | None = None,
    ) -> ModelVersion:
        """Makes a version the champion, by default the newest approved one, and brings it to the model's endpoint.

        Of what is the champion already no promotion is recorded; an endpoint that did not follow that one does now.

        Raises:
            ConflictError: another promotion was first, or its verdict compared it with another champion.
        """
        if version is None:
            version = champions.newest_approved(model, self.versions(model))
        champion = self.champion(model)
        if champion is not None and champion.version == version:
            champions.follow(self.stores, model)
            return champion
        event = event or request_event(self.stores, model, {"version": version, "reason": reason})
        promoted = champions.promote(self.stores, model, version, event, reason=reason, is_forced=is_forced)
        self._follow(model, event)
        return promoted

    def roll_back(self, model: str, *, reason: str = "on request") -> ModelVersion:
        """Makes the champion before this one the champion again, also at the model's endpoint."""
        event = request_event(self.stores, model, {"reason": reason})
        version = champions.roll_back(self.stores, model, event, reason=reason)
        self._follow(model, event)
        return version

    def deploy(self, model: str, *, version: int | None = None, event: Event | None = None) -> EndpointState:
        """Brings a model's champion, or another version, to its endpoint and waits until it answers."""
        event = event or request_event(self.stores, model, {"version": version})
        return champions.deploy(self.stores, model, self._endpoint(model), event, version=version)

    def undeploy(self, model: str) -> str:
        """Takes a model's endpoint down, or the endpoint of this name; returns the endpoint's name."""
        return champions.undeploy(self.stores, model, request_event(self.stores, model, {}))

    def endpoints(self) -> Sequence[EndpointState]:
        """What answers where, as it really is now."""
        return champions.local_deployment(self.stores).list()

    def left_endpoints(self) -> dict[str, str]:
        """Endpoints that still answer for a model that was deployed to another one since: that one, by their names.

        A model moves when its `Model(endpoint=)` changes. The old endpoint stays until `undeploy`, so that who asks
        there can move first; promotions no longer reach it.
        """
        return champions.left_endpoints(self.stores)

    def predict(
        self,
        model: str,
        columns: Mapping[str, Sequence[Any]],
        *,
        prediction_ids: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Asks a model's endpoint over HTTP: answers by output name, and `prediction_id`."""
        return answers.predict(self.stores, model, columns, prediction_ids=prediction_ids)

    def predict_table(
        self,
        model: str,
        table: str,
        *,
        to: str,
        snapshot: int | None = None,
        version: int | None = None,
        keep: Sequence[str] | None = None,
        appends: bool = False,
        event_time: str = "event_time",
        tell: Callable[[BatchProgress], None] = ignore_progress,
        chunk_rows: int | None = None,
    ) -> BatchResult:
        """Answers all rows of a table's snapshot and makes the answers a snapshot of another table, exactly once.

        The same call after a kill goes on with what was kept, and after it had been published does nothing.

        Args:
            model: its champion answers.
            table: the rows, with the columns that the model takes, or keys and `event_time` of the views it declares.
            to: the table of the answers; made if it is missing, its rows are replaced.
            snapshot: the id of one; the current one by default.
            version: a version instead of the champion.
            keep: columns of `table` that stand beside the answers; by default all that are no features.
            appends: adds to the rows that `to` has.
            event_time: the column that says for when features are joined.
            tell: is told how far it is.
            chunk_rows: rows that are kept together; what a kill costs.

        Raises:
            NotFoundError: there is no such model, version, champion, table or snapshot.
            SchemaMismatchError: columns or values do not fit the model; nothing was published.
            ParameterError: there are no rows, or `to` is `table`.
            ConflictError: `to` holds other rows or was changed meanwhile, or another process does the same.
            StorageError: the disk is full; the same call goes on after room was made.
        """
        from tidewheel.prediction_service.batch_prediction import CHUNK_ROWS

        request = BatchRequest(model, table, to, version, snapshot, keep, appends, event_time, chunk_rows or CHUNK_ROWS)
        job = prepare_job(self.stores, self.contracts, request)
        return predict_table(self.stores, job, tell)

    def example(self, model: str, *, rows: int = 3) -> list[dict[str, Any]]:
        """Rows to ask a model: examples from the package of its champion, before the first one of its newest version.

        Where the model is served with feature views, entity keys and what on-demand views take stand in for features.

        Raises:
            NotFoundError: the model has no version.
            ArtifactMissingError: the rows that its features were joined to are gone.
        """
        version = self.models.show(model).version
        return answers.example_rows(self.stores, version, rows)

    def label(self, files: Sequence[str | Path]) -> int:
        """Tells what turned out to be true; returns the number of labels added."""
        return answers.add_labels(self.stores, files)

    def why(self, name: str, version: int | None = None) -> WhyChain:
        """The chain of facts behind a model's version, by default the champion.

        The name of a table, or `TABLE@SNAPSHOT`, gives the chain of its rows: back to the files or queries that they
        came from, or to the version that answered, where a batch prediction wrote them.

        Raises:
            NotFoundError: there is no such model, version, table or snapshot.
        """
        if version is None and name not in self.stores.models.models():
            return why_table(self.stores, name)
        return why(self.stores, name, version)

    def mirror(self, on_write: Callable[[], None] = lambda: None) -> list[str]:
        """Writes to MLflow what it does not show yet; returns what others had changed there and was put right.

        Args:
            on_write: called when there is something to write, which takes seconds.

        Raises:
            StorageError: MLflow refused; the next call tries again.
        """
        return mirror_models(self.stores, on_write)

    def collect(self) -> int:
        """Moves what endpoints have answered so far into the table `predictions`; returns the number of rows."""
        return answers.collect_predictions(self.stores)

    def settle_interrupted(self) -> list[RunView]:
        """Puts the record of runs right whose orchestrator died; returns those."""
        return [
            RunView(self.stores, settled)
            for run in self.stores.runs.running()
            if (settled := self._running.collect(run)).status == "interrupted"
        ]

    def _run_id(self, run_id: str) -> str:
        if run_id != "latest":
            return run_id
        latest = self.stores.runs.latest(with_operations=False)
        if latest is None:
            raise NotFoundError("run", run_id, next_step="start one with `tidewheel run`")
        return latest.id

    def _follow(self, model: str, event: Event) -> None:
        """An endpoint that is deployed serves the champion."""
        endpoint = champions.endpoint_of(self.stores, model)
        if self.stores.deployments.find_active(champions.PLACE, endpoint) is not None:
            champions.deploy(self.stores, model, endpoint, event)

    def _endpoint(self, model: str) -> str:
        """Where a model is served: as declared; what a project that cannot be read declares is not waited for."""
        try:
            return self.project.model(model).endpoint
        except TidewheelError:
            return champions.endpoint_of(self.stores, model)

    def events(self, *, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        """Why things were started, the newest first."""
        return self.stores.events.list(subject=subject, limit=limit)

    def event(self, event_id: str) -> Event:
        """One event, by its id or a unique beginning of it."""
        return self.stores.events.get(event_id)

    def signal(self, signal_id: str) -> Signal:
        """One signal, by its id or a unique beginning of it."""
        return self.stores.signals.get(signal_id)

    def signals(self, *, model: str | None = None, limit: int = 50) -> Sequence[Signal]:
        """What monitors found, the newest first."""
        return self.stores.signals.list(model=model, limit=limit)

    def close(self) -> None:
        """Gives back what is held open; the workspace can be used again, `table(...)` no longer reads from it."""
        release_resolver(self.reads)
        self.features.close()
        self.stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<workspace of {self.config.project.name} at {self.folder}>"


def open_warm(path: str | Path, server: ForkServer | None) -> Workspace:
    """As `open_workspace`, for a command that has brought up what its run forks from."""
    workspace = open_workspace(path)
    workspace._running.fork_first_from(server)
    return workspace


def open_workspace(path: str | Path = ".") -> Workspace:
    """Opens the workspace of the project at or above `path`; also makes it the one that `table(...)` reads.

    Raises:
        ConfigError: there is no project, or its configuration is not valid.
    """
    root = find_project(Path(path))
    if root is None:
        raise ConfigError(
            "there is no tidewheel.toml here or above",
            (),
            where=str(Path(path).resolve()),
            next_step="run `tidewheel init` in a project, or `tidewheel new NAME`",
        )
    workspace = Workspace(read_config(root))
    set_resolver(workspace.reads)
    return workspace
