"""One run while it is carried out: the schedule, the attempts and their record."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from tidewheel.artifact_store import CodecTable, LocalArtifactStore
from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Execution, ExecutionStatus, Failure, Run, RunStatus
from tidewheel.metadata_store import ClosureMissStore, ExecutionStore
from tidewheel.orchestrator.attempt import BoundInput, WorkerReport, WorkerRequest
from tidewheel.orchestrator.attempts import Attempt, Attempts, Ended
from tidewheel.orchestrator.binding import bind_inputs, fingerprint_parts, seed_of
from tidewheel.orchestrator.fingerprint import fingerprint_of
from tidewheel.orchestrator.prepared_run import PreparedRun
from tidewheel.orchestrator.progress import Listener, Progress
from tidewheel.orchestrator.schedule import Schedule
from tidewheel.pipeline import PlanNode

CANCEL_GRACE_S = 5.0


class RunInProgress:
    """Carries out a prepared run; the only writer of its executions.

    Each change of an execution is one transaction, so whatever kills this process leaves rows that `resume` can use.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        *,
        executions: ExecutionStore,
        misses: ClosureMissStore,
        artifacts: LocalArtifactStore,
        attempts: Attempts,
        folder: Path,
        workspace: Path,
        listener: Listener,
    ) -> None:
        self.prepared = prepared
        self.executions: dict[str, Execution] = {}
        self._store = executions
        self._misses = misses
        self._artifacts = artifacts
        self._codecs: CodecTable = artifacts.codecs
        self._attempts = attempts
        self._folder = folder
        self._workspace = workspace
        self._listener = listener
        self._nodes = {node.id: node for node in prepared.plan.nodes}
        self._schedule = Schedule(prepared.plan)
        self._done = 0
        self._stop_reason = ""

    def carry_out(self, is_cancelled: Callable[[], bool]) -> tuple[RunStatus, str]:
        """Runs to the end; returns the run's status and reason."""
        self._begin()
        while not self._schedule.is_finished:
            for name in self._schedule.take():
                self._start(self._nodes[name])
            for attempt in self._attempts.launch():
                self._change(attempt.node.id, status="running", attempts=attempt.request.attempt, started_at=utc_now())
            for ended in self._attempts.wait():
                self._settle(ended)
            if self._stop_reason or is_cancelled():
                self._abandon()
        return self._outcome(is_cancelled())

    def _begin(self) -> None:
        for node in self._nodes.values():
            self.executions[node.id] = Execution(
                id=new_id(),
                run_id=self.prepared.run.id,
                node=node.id,
                step=node.step or node.kind,
                status="waiting",
                parameters={**node.parameters, **node.arguments},
                host=os.uname().nodename,
            )
        self._store.put_many(list(self.executions.values()))

    def _start(self, node: PlanNode) -> None:
        resolved = self.prepared.resolved.get(node.id)
        if resolved is not None:
            now = utc_now()
            self._change(
                node.id, status="succeeded", outputs={"output": resolved.artifact}, started_at=now, ended_at=now
            )
            self._schedule.succeed(node.id)
            return
        bound, artifacts = bind_inputs(node, self.prepared, self.executions)
        parts = fingerprint_parts(node, self.prepared, artifacts, self._codecs, os.environ)
        fingerprint = fingerprint_of(parts)
        self.executions[node.id] = msgspec.structs.replace(
            self.executions[node.id],
            step_version=self.prepared.code[node.step].version,
            fingerprint=fingerprint,
            fingerprint_parts=parts,
            inputs=artifacts,
            log=str((self._folder / node.id / "log.txt").relative_to(self._workspace)),
        )
        reusable = self._find_reusable(node, fingerprint)
        if reusable is not None:
            self._take_over(node, reusable)
            self._clear_scratch(node)
            return
        request = self._request(node, bound)
        self._attempts.submit(self._attempt(node, request))

    def _request(self, node: PlanNode, bound: dict[str, BoundInput]) -> WorkerRequest:
        return WorkerRequest(
            run_id=self.prepared.run.id,
            node=node.id,
            kind=node.kind if node.kind in ("sql", "features") else "step",
            step=node.step,
            attempt=1,
            sources=str(self.prepared.sources),
            import_roots=tuple(str(root) for root in self.prepared.import_roots),
            inputs=bound,
            parameters=node.parameters,
            arguments=node.arguments,
            outputs=tuple(output.name for output in node.outputs),
            known_modules=self.prepared.code[node.step].modules,
            artifact_root=str(self._artifacts.root),
            cpu=node.options.cpu,
            seed=seed_of(node),
            scratch=str(self._scratch(node)),
        )

    def _scratch(self, node: PlanNode) -> Path:
        """Named by the key, so that the next attempt at the same result finds what a killed one had finished."""
        if node.options.is_cached and self.prepared.reuses_results:
            return self._workspace / "scratch" / self.executions[node.id].fingerprint
        return self._folder / node.id / "scratch"

    def _clear_scratch(self, node: PlanNode) -> None:
        shutil.rmtree(self._scratch(node), ignore_errors=True)

    def _attempt(self, node: PlanNode, request: WorkerRequest) -> Attempt:
        folder = self._folder / node.id
        return Attempt(node, request, folder / f"attempt-{request.attempt}", folder / "log.txt")

    def _find_reusable(self, node: PlanNode, fingerprint: str) -> Execution | None:
        finished = self.prepared.finished.get(node.id)
        if finished is not None and finished.fingerprint == fingerprint and self._has_outputs(finished):
            return finished
        if not (node.options.is_cached and self.prepared.reuses_results):
            return None
        found = self._store.find_reusable(fingerprint)
        return found if found is not None and self._has_outputs(found) else None

    def _has_outputs(self, execution: Execution) -> bool:
        outputs = execution.outputs.values()
        return all(self._artifacts.is_intact(artifact, execution.ended_at) for artifact in outputs)

    def _take_over(self, node: PlanNode, reusable: Execution) -> None:
        now = utc_now()
        self._change(
            node.id,
            status="cached",
            outputs=reusable.outputs,
            metrics=reusable.metrics,
            cached_from=reusable.cached_from or reusable.id,
            log=reusable.log,
            started_at=now,
            ended_at=now,
        )
        self._schedule.succeed(node.id)

    def _settle(self, ended: Ended) -> None:
        node, report = ended.attempt.node, ended.report
        if report is not None and report.status == "succeeded":
            self._succeed(ended, report)
        elif report is not None and report.status == "stopped":
            self._end(ended, "stopped", reason=report.reason, outputs=report.outputs)
            self._stop_reason = f"step {node.id!r} stopped the run: {report.reason}"
            self._skip(node.id)
        elif ended.failure is not None and self._may_repeat(ended, ended.failure):
            self._repeat(ended.attempt, ended.failure)
        else:
            self._end(ended, "failed", failure=ended.failure)
            self._skip(node.id)

    def _succeed(self, ended: Ended, report: WorkerReport) -> None:
        node = ended.attempt.node
        self._clear_scratch(node)
        if report.missed_modules:  # later keys know better
            self._misses.add_misses(node.step, report.missed_modules)
        self._end(
            ended,
            "succeeded",
            outputs=report.outputs,
            metrics=report.metrics,
            reason=report.reason,
            fingerprint=self.executions[node.id].fingerprint if report.is_reusable else "",
        )
        self._schedule.succeed(node.id)

    def _end(self, ended: Ended, status: ExecutionStatus, **changes: object) -> None:
        report = ended.report
        self._change(
            ended.attempt.node.id,
            status=status,
            worker_pid=ended.exit.pid,
            cpu_s=ended.exit.cpu_s,
            peak_memory_bytes=ended.exit.peak_memory_bytes,
            ended_at=report.ended_at if report else utc_now(),
            **({"started_at": report.started_at} if report else {}),
            **changes,
        )

    def _may_repeat(self, ended: Ended, failure: Failure) -> bool:
        return failure.is_retryable and ended.attempt.request.attempt <= ended.attempt.node.options.retries

    def _repeat(self, attempt: Attempt, failure: Failure) -> None:
        delay_s = attempt.node.options.backoff_s * 2 ** (attempt.request.attempt - 1)
        self._tell("retry", attempt.node.id, f"{failure.message}; trying again in {delay_s:g} s")
        request = msgspec.structs.replace(attempt.request, attempt=attempt.request.attempt + 1)
        self._attempts.submit(self._attempt(attempt.node, request), delay_s=delay_s)

    def _skip(self, name: str) -> None:
        for dependent in self._schedule.fail(name):
            self._change(dependent, status="skipped", reason=f"step {name!r} did not succeed")

    def _abandon(self) -> None:
        for ended in self._attempts.cancel(CANCEL_GRACE_S):
            if ended.report is not None and ended.report.status == "succeeded":
                self._succeed(ended, ended.report)
        for name in self._schedule.abandon():
            if self.executions[name].status in ("waiting", "running"):
                self._change(name, status="cancelled", ended_at=utc_now())

    def _outcome(self, is_cancelled: bool) -> tuple[RunStatus, str]:
        statuses = Counter(execution.status for execution in self.executions.values())
        if is_cancelled and statuses["cancelled"]:
            return "cancelled", "cancelled on request"
        failed = next((one for one in self.executions.values() if one.status == "failed"), None)
        if failed is not None:
            message = failed.failure.message.splitlines()[0] if failed.failure and failed.failure.message else ""
            return "failed", f"step {failed.node!r} failed: {message}"
        return ("stopped", self._stop_reason) if self._stop_reason else ("succeeded", "")

    def _change(self, name: str, **changes: object) -> None:
        execution = msgspec.structs.replace(self.executions[name], **changes)
        self.executions[name] = execution
        self._store.update(execution)
        if execution.status not in ("waiting", "running"):
            self._done += 1
        self._tell("execution", name)

    def _tell(self, kind: str, name: str, message: str = "") -> None:
        self._listener(
            Progress(
                kind="retry" if kind == "retry" else "execution",
                run=self.prepared.run,
                execution=self.executions[name],
                done=self._done,
                total=len(self._nodes),
                message=message,
            )
        )


def finished_run(run: Run, status: RunStatus, reason: str) -> Run:
    """The run's record with its end."""
    return msgspec.structs.replace(run, status=status, reason=reason, ended_at=utc_now())
