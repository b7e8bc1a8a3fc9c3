"""Starts, resumes and cancels runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError, ParameterError, RunError
from tidewheel.core.records import Event, Evidence, Execution, Run
from tidewheel.orchestrator import (
    ForkServer,
    InProcessWorkers,
    Listener,
    LocalOrchestrator,
    PreparedRun,
    collect_reports,
    explain_difference,
    is_alive,
)
from tidewheel.orchestrator.progress import silent
from tidewheel.orchestrator.run_in_progress import finished_run
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.declaration import Declared
from tidewheel.workspace.preparation import Preparation
from tidewheel.workspace.project import Project
from tidewheel.workspace.registration import register_models
from tidewheel.workspace.skew_signals import record_skew
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.warm_server import WORKER_MODULE

CANCEL_WAIT_S = 15.0
_UNCOVERED = "the execution before it loaded modules that its key did not cover"


class Running:
    """Carries out the project's pipelines and keeps their record right.

    Args:
        stores: the workspace's stores.
        project: the project that declares the pipelines.
    """

    def __init__(self, stores: Stores, project: Project) -> None:
        self._stores = stores
        self._project = project
        self._server: ForkServer | None = None

    def fork_first_from(self, server: ForkServer | None) -> None:
        """Gives the first run a server that was brought up already; later ones bring up their own."""
        self._server = server

    def submit(
        self,
        pipeline: str,
        parameters: Mapping[str, Any],
        *,
        event: Event | None = None,
        resumed: Run | None = None,
        repeated: Run | None = None,
        listener: Listener = silent,
        is_debug: bool = False,
        reuses_results: bool = True,
    ) -> Run:
        """Runs a pipeline to its end; models that it makes are registered. Runs that died before are collected first,
        and files that they had half written removed.

        Args:
            event: the cause; without one, whoever calls asks for it.
            resumed: an earlier run whose finished executions are taken over.
            repeated: an earlier run, carried out again from what it was made from; nothing is registered.

        Raises:
            TidewheelError: the definition or a parameter is wrong; then no run was recorded.
        """
        warm, self._server = self._server, None
        with closing(warm or ForkServer(WORKER_MODULE)) as server:
            self._settle()
            event = event or request_event(self._stores, pipeline, parameters)
            try:
                prepared, declared = Preparation(self._stores, self._project, LocalOrchestrator.name, server).prepare(
                    pipeline,
                    parameters,
                    event,
                    resumed=resumed,
                    repeated=repeated,
                    reuses_results=reuses_results and repeated is None,
                )
            except BaseException as error:
                self._stores.events.close(event.id, f"not started: {str(error).splitlines()[0] if str(error) else ''}")
                raise
            makes_facts = repeated is None
            run = self._carry_out(
                prepared, declared, server, listener=listener, is_debug=is_debug, makes_facts=makes_facts
            )
        self._let_go(run)
        return run

    def _carry_out(
        self,
        prepared: PreparedRun,
        declared: Declared,
        server: ForkServer,
        *,
        listener: Listener,
        is_debug: bool,
        makes_facts: bool,
    ) -> Run:
        def register(executions: Mapping[str, Execution]) -> None:
            seen = prepared.run
            try:
                register_models(self._stores, declared.models.values(), prepared.plan, prepared.run, executions)
                seen = finished_run(prepared.run, "succeeded", "")
            finally:  # a run that registers nothing has retrained nothing, but what it saw is true all the same
                record_skew(self._stores, declared.models, seen, executions)

        orchestrator = LocalOrchestrator(
            self._stores.folder,
            runs=self._stores.runs,
            executions=self._stores.executions,
            misses=self._stores.misses,
            artifacts=self._stores.artifacts,
            workers=InProcessWorkers(WORKER_MODULE) if is_debug else server,
            width=1 if is_debug else self._stores.config.run.workers,
            is_cancellable=not is_debug,
        )
        return orchestrator.run(
            prepared,
            listener=listener,
            on_start=lambda started: self._stores.events.attach_run(started.event_id, started.id),
            on_success=register if makes_facts else None,
            on_failure=self._record_seen if makes_facts else None,
        )

    def resume(self, run_id: str, *, listener: Listener = silent) -> Run:
        """Runs the pipeline of an earlier run again with its parameters and snapshots, and today's sources.

        Every execution that had finished and whose fingerprint is unchanged is taken over. A repetition stays one: what
        it repeats tells its sources, and it makes no facts.

        Raises:
            NotFoundError: there is no such run.
            RunError: the run is still going on, or had succeeded.
        """
        run = self.collect(self._stores.runs.get(run_id))
        if run.status in ("running", "succeeded"):
            raise RunError(
                f"run {run.id} cannot be resumed: it {'is running' if run.status == 'running' else 'succeeded'}",
                next_step="start a new one with `tidewheel run`",
            )
        if not run.plan_digest:
            raise RunError(f"run {run.id} is the operation {run.pipeline!r}", next_step="repeat its command")
        evidence = (Evidence(kind="run", ref=run.id, note=f"{run.status}: {run.reason}"),)
        event = request_event(self._stores, run.pipeline, run.parameters, kind="resume", evidence=evidence)
        repeated = self._stores.runs.get(run.repeats) if run.repeats else None
        return self.submit(run.pipeline, run.parameters, event=event, resumed=run, repeated=repeated, listener=listener)

    def repeat(self, run_id: str, *, listener: Listener = silent) -> Run:
        """Carries out every step of an earlier run again: its sources, parameters, snapshots, champions, references.

        The packages are today's. No version is registered and no signal recorded: it shows nothing new of the world.

        Raises:
            NotFoundError: there is no such run, or a snapshot is gone.
            RunError: it is still going on, or is an operation, which reads no sources.
            SourceError: the copy of its sources is gone.
        """
        run = self.collect(self._stores.runs.get(run_id))
        if not run.plan_digest:
            raise RunError(f"run {run.id} is the operation {run.pipeline!r}", next_step="name the run of a pipeline")
        if run.status == "running":
            raise RunError(f"run {run.id} is running", next_step="wait for its end")
        evidence = (Evidence(kind="run", ref=run.id, note="to be reproduced"),)
        event = request_event(self._stores, run.pipeline, run.parameters, evidence=evidence)
        return self.submit(run.pipeline, run.parameters, event=event, repeated=run, listener=listener)

    def cancel(self, run_id: str) -> Run:
        """Asks the run's orchestrator to end it, and waits until it has.

        Raises:
            NotFoundError: there is no such run.
            RunError: the run is not going on, or its orchestrator does not answer.
        """
        run = self._stores.runs.get(run_id)
        folder = self._stores.folder / "runs" / run.id
        if run.status != "running":
            raise RunError(f"run {run.id} is not running: it is {run.status}")
        if not is_alive(folder):
            return self.collect(run)
        with suppress(ProcessLookupError):  # it ended by itself a moment ago
            os.kill(run.orchestrator_pid, signal.SIGTERM)
        until = time.monotonic() + CANCEL_WAIT_S
        while is_alive(folder) and time.monotonic() < until:
            time.sleep(0.05)
        if is_alive(folder):
            raise RunError(f"run {run.id} did not end within {CANCEL_WAIT_S:g} s", next_step="kill its process")
        return self.collect(self._stores.runs.get(run.id))

    def collect(self, run: Run) -> Run:
        """Puts the record of a run right whose orchestrator died; any other stays as it is.

        What its steps had seen of values becomes signals, once, however often a collection dies and is repeated; what
        those of a repetition saw had been seen before.
        """
        folder = self._stores.folder / "runs" / run.id
        on_end = None if run.repeats else self._record_seen
        return collect_reports(run, folder, self._stores.runs, self._stores.executions, on_end=on_end)

    def _settle(self) -> None:
        """Collects this machine's dead runs, and what killed writers left.

        Whether runs of other machines live, only their folders tell.
        """
        self._stores.artifacts.discard_torn()
        for run in self._stores.runs.running():
            if run.host == os.uname().nodename:
                self.collect(run)

    def _record_seen(self, run: Run, executions: Mapping[str, Execution]) -> None:
        """What was seen before a run failed is true all the same; a report that is lost says nothing."""
        with suppress(ArtifactMissingError, ArtifactCorruptError):
            record_skew(self._stores, {}, run, executions)

    def explain_rerun(self, run_id: str, node: str) -> list[str]:
        """Why a step of a run was carried out and not taken from an earlier run, in words.

        Raises:
            NotFoundError: there is no such run or step.
        """
        run = self._stores.runs.get(run_id)
        execution = self._stores.executions.get(run.id, node)
        if execution.status == "cached":
            maker = self._stores.executions.get_by_id(execution.cached_from)
            return [f"it was not: its outputs are those of {maker.node} in run {maker.run_id}"]
        if not execution.fingerprint_parts:
            raise ParameterError(f"step {node!r} of run {run.id} has no fingerprint: it is {execution.status}")
        earlier = self._stores.executions.latest_of_node(run.pipeline, node, run.id)
        if earlier is None:
            return ["it had never been carried out before"]
        changes = explain_difference(earlier.fingerprint_parts, execution.fingerprint_parts)
        if changes:
            return changes
        if earlier.status not in ("succeeded", "cached"):
            return [f"the execution before it, in run {earlier.run_id}, was {earlier.status}"]
        if not earlier.fingerprint:
            return [f"in the execution before it {earlier.reason}" if earlier.reason else _UNCOVERED]
        return ["nothing changed: all steps were to be carried out, this one is never cached, or its outputs were lost"]

    def _let_go(self, run: Run) -> None:
        """A run that succeeded needs its pins no more: versions have tags. Others keep them until they expire."""
        if run.status == "succeeded":
            self._stores.pins.release(run.id)
