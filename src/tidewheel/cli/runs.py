"""Commands about runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from tidewheel.cli import exit_code
from tidewheel.cli.arguments import parse_parameter_options
from tidewheel.cli.command import command, opened
from tidewheel.cli.findings import print_validation
from tidewheel.cli.output import print_facts, print_json, print_left, print_table
from tidewheel.cli.progress import ProgressPrinter
from tidewheel.core.errors import NotFoundError, ParameterError, StorageError
from tidewheel.core.records import RunStatus
from tidewheel.core.records.record import Record
from tidewheel.core.records.trial import TRIALS
from tidewheel.orchestrator.progress import silent

if TYPE_CHECKING:  # the workspace is imported while the process that steps are forked from imports too
    from tidewheel.core.records import ModelVersion
    from tidewheel.workspace import Workspace
    from tidewheel.workspace.views import ExecutionView, RunView

RUN_COLUMNS = ("run", "pipeline", "status", "started", "seconds", "commit", "reason")


@command(
    "run",
    example="tidewheel run training --until 2013-04-01",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("pipeline")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
@click.option("--tune", type=click.IntRange(min=1), metavar="N", help="Search with N trials: gives --trials N.")
@click.option("--debug", is_flag=True, help="Run the steps in this process, one by one, so that a debugger can stop.")
@click.option("--fresh", is_flag=True, help="Carry out every step, also those whose result is known.")
def run_command(
    pipeline: str, parameters: tuple[str, ...], tune: int | None, debug: bool, fresh: bool, as_json: bool
) -> None:
    """Run PIPELINE with --NAME VALUE for its parameters; what has not changed is taken from earlier runs."""
    options: dict[str, Any] = dict(parse_parameter_options(parameters))
    with opened(is_for_run=fresh) as workspace:  # without --fresh all may be known, and no process be needed
        if tune is not None:
            _take_trials(workspace, pipeline, options, tune)
        run = workspace.submit(
            pipeline,
            listener=silent if as_json else ProgressPrinter(),
            is_debug=debug,
            reuses_results=not fresh,
            **options,
        )
        _end_with(workspace, run, as_json=as_json)


def _take_trials(workspace: Workspace, name: str, options: dict[str, Any], trials: int) -> None:
    """A pipeline declares tuning by a parameter `trials`.

    Raises:
        ParameterError: it has none, or the command gives another number for it too.
    """
    declared = workspace.project.declared().pipelines
    if name not in declared:
        raise NotFoundError("pipeline", name, known=declared)
    if TRIALS not in {one.name for one in declared[name].parameters}:
        raise ParameterError(
            f"pipeline {name!r} declares no tuning",
            next_step=f"give it a parameter `{TRIALS}: int`, and hand that to `tune` in a step; see docs/tuning.md",
        )
    if TRIALS in options:
        raise ParameterError(f"--tune {trials} and --{TRIALS} {options[TRIALS]} say two things", next_step="give one")
    options[TRIALS] = trials


@command("resume", example="tidewheel resume 1m7y")
@click.argument("run_id", metavar="RUN")
def resume_command(run_id: str, as_json: bool) -> None:
    """Continue RUN with its parameters and snapshots and today's sources; finished steps are taken over."""
    with opened(is_for_run=True) as workspace:
        _end_with(
            workspace, workspace.resume(run_id, listener=silent if as_json else ProgressPrinter()), as_json=as_json
        )


@command("cancel", example="tidewheel cancel 1m7y")
@click.argument("run_id", metavar="RUN")
def cancel_command(run_id: str, as_json: bool) -> None:
    """End RUN; what its steps had finished can be taken over by `resume`."""
    with opened() as workspace:
        run = workspace.cancel(run_id)
        print_json(run.record) if as_json else click.echo(f"run {run.id} is {run.status}")


@command("runs", example="tidewheel runs --status failed")
@click.option("--pipeline", help="Only runs of this pipeline.")
@click.option("--status", type=click.Choice(get_args(RunStatus)), help="Only runs with this status.")
@click.option("--limit", default=20, show_default=True, help="At most so many, the newest first.")
@click.option("--all", "with_operations", is_flag=True, help="Also what no pipeline did: ingest, promote, deploy...")
def runs_command(pipeline: str | None, status: Any, limit: int, with_operations: bool, as_json: bool) -> None:
    """List the runs of pipelines, the newest first."""
    with opened() as workspace:
        runs = workspace.runs(pipeline=pipeline, status=status, limit=limit, with_operations=with_operations)
        if not runs and pipeline is not None:
            _check_pipeline(workspace, pipeline)
        if as_json:
            print_json([run.record for run in runs])
            return
        empty = "no such run" if pipeline or status else "no run yet: start one with `tidewheel run`"
        print_table(RUN_COLUMNS, [_run_row(run) for run in runs], empty=empty)


def _check_pipeline(workspace: Workspace, name: str) -> None:
    declared = workspace.project.declared().pipelines
    if name not in declared:
        raise NotFoundError("pipeline", name, known=declared)


@command("status", example="tidewheel status")
def status_command(as_json: bool) -> None:
    """Show the runs that are going on and the endpoints that answer."""
    with opened() as workspace:
        runs = workspace.runs(status="running")
        endpoints = workspace.endpoints()
        if as_json:
            left = workspace.left_endpoints()
            print_json({"runs": [run.record for run in runs], "endpoints": endpoints, "left_endpoints": left})
            return
        print_table(RUN_COLUMNS, [_run_row(run) for run in runs], empty="no run is going on")
        rows = [(one.endpoint, one.place, one.version, one.status, one.url) for one in endpoints]
        print_table(("endpoint", "place", "version", "status", "url"), rows, empty="no endpoint is deployed")
        for one in endpoints:
            if one.outliers:
                told = ", ".join(f"{found.column} {found.count:,} {found.policy}" for found in one.outliers)
                click.echo(f"{one.endpoint}: of {one.judged_count:,} rows beyond limits: {told}")
        print_left(workspace.left_endpoints())


@command("show", example="tidewheel show latest")
@click.argument("run_id", metavar="RUN")
def show_command(run_id: str, as_json: bool) -> None:
    """Show RUN: why it was started, from which sources, and each of its steps. `latest` is a pipeline's newest."""
    with opened() as workspace:
        run = workspace.run(run_id)
        if as_json:
            executions = [one.record for one in run.executions]
            print_json({"run": run.record, "event": run.event, "executions": executions})
            return
        _print_run(run)


@command("get", example="tidewheel get latest/model_training.model --to model.zip")
@click.argument("address", metavar="RUN/STEP.OUTPUT")
@click.option("--to", type=click.Path(), help="Copy the stored file there.")
def get_command(address: str, to: str | None, as_json: bool) -> None:
    """Get an output of a step: print it, or copy its stored file."""
    run_id, _, rest = address.partition("/")
    node, _, name = rest.rpartition(".")
    if not run_id or not rest:
        raise ParameterError(f"{address!r} names no output", next_step="write RUN/STEP.OUTPUT")
    with opened() as workspace:
        run = workspace.run(run_id)
        output = run[node].outputs[name] if node else run[name].outputs["output"]
        if to:
            _copy(output.path, Path(to))
            click.echo(f"{to}: {output.artifact.size_bytes:,} bytes, digest {output.digest}")
        elif as_json:
            print_json(output.artifact)
        else:
            value = output.load()
            print_json(value) if isinstance(value, dict | Record) else click.echo(value)


def _copy(stored: Path, to: Path) -> None:
    try:
        shutil.copyfile(stored, to)
    except OSError as error:
        raise StorageError(
            f"the file cannot be copied: {error.strerror}", where=str(to), next_step="name another file with --to"
        ) from error


@command("logs", example="tidewheel logs latest model_training")
@click.argument("run_id", metavar="RUN")
@click.argument("step", required=False)
def logs_command(run_id: str, step: str | None, as_json: bool) -> None:
    """Show what STEP of RUN printed, or all steps one after the other."""
    with opened() as workspace:
        run = workspace.run(run_id)
        executions = [run[step]] if step else run.executions
        logs = {one.record.node: one.log for one in executions}
        if as_json:
            print_json(logs)
            return
        for node, log in logs.items():
            if not step:
                click.secho(f"== {node}", bold=True)
            click.echo(log or "it printed nothing", nl=not log.endswith("\n"))


@command("why-rerun", example="tidewheel why-rerun latest model_training")
@click.argument("run_id", metavar="RUN")
@click.argument("step")
def why_rerun_command(run_id: str, step: str, as_json: bool) -> None:
    """Tell why STEP of RUN was carried out and not taken from an earlier run."""
    with opened() as workspace:
        lines = workspace.explain_rerun(run_id, step)
        print_json(lines) if as_json else click.echo("\n".join(lines))


def _end_with(workspace: Workspace, run: RunView, *, as_json: bool) -> None:
    versions = _versions_of(workspace, run)
    if as_json:
        print_json({"run": run.record, "executions": [one.record for one in run.executions], "versions": versions})
    else:
        for one in versions:
            known = "" if one.run_id == run.id else f", made by run {one.run_id} already"
            reason = f": {one.reason}" if one.reason else ""
            click.echo(f"{one.model} v{one.version}{known}, is {one.state}{reason}", err=True)
        failed = next((one for one in run.executions if one.record.failure), None)
        if failed is not None and failed.record.failure and failed.record.failure.traceback:
            click.echo(failed.record.failure.traceback.rstrip(), err=True)
            click.echo(f"  next:  correct it, then `tidewheel resume {run.id}`", err=True)
    _show_in_mlflow(workspace, run, is_silent=as_json)
    click.get_current_context().exit(exit_code.of_run(run.record.status))


def _versions_of(workspace: Workspace, run: RunView) -> list[ModelVersion]:
    """As what the packages of a run are registered; a package that was made before is the version of then."""
    outputs = [output for one in run.executions for output in one.record.outputs.values()]
    made = {output.digest for output in outputs if output.type_name.endswith(".Package")}
    if run.status != "succeeded" or not made:
        return []
    return [version for version in workspace.versions() if version.package.digest in made]


def _show_in_mlflow(workspace: Workspace, run: RunView, *, is_silent: bool) -> None:
    """So that `mlflow ui` has the run at once. MLflow takes seconds to import: who measured nothing does not wait."""
    from tidewheel.workspace.mirror import has_measured

    if not has_measured(one.record for one in run.executions):
        return
    try:
        workspace.mirror(on_write=(lambda: None) if is_silent else _tell_wait)
    except StorageError as error:
        click.echo(f"warning: {error}", err=True)


def _tell_wait() -> None:
    click.echo("writing to MLflow (the run is over, and what it made recorded)", err=True)


def _run_row(run: RunView) -> tuple[Any, ...]:
    record = run.record
    seconds = (record.ended_at - record.started_at).total_seconds() if record.ended_at else None
    commit = (record.commit[:10] + ("+" if record.is_dirty else "")) if record.commit else ""
    return record.id, record.pipeline, run.status, record.started_at, seconds, commit, record.reason[:60]


def _print_run(run: RunView) -> None:
    record, event = run.record, run.event
    print_facts(
        {
            "run": record.id,
            "pipeline": record.pipeline,
            "status": f"{run.status}{': ' + record.reason if record.reason else ''}",
            "started": record.started_at,
            "ended": record.ended_at,
            "cause": f"{event.kind}: "
            + "; ".join(f"{one.kind} {one.ref} {one.note}".strip() for one in event.evidence),
            "parameters": record.parameters,
            "commit": record.commit + (" with uncommitted changes" if record.commit and record.is_dirty else ""),
            "branch": record.branch,
            "author": record.author,
            "sources": record.sources_digest[:16],
            "lock": record.lock_digest[:16],
            "by": f"{record.user} on {record.host}, executor {record.executor}",
            "resumed from": record.resumed_from,
            "repeats": record.repeats,
        }
    )
    click.echo()
    columns = ("step", "status", "seconds", "cpu s", "MB", "attempts", "inputs", "outputs")
    print_table(columns, [_execution_row(one) for one in run.executions], empty="it has no steps")
    for report in run.validations:
        click.echo()
        print_validation(report)
    if run.metrics:
        click.echo()
        print_facts(run.metrics)


def _execution_row(view: ExecutionView) -> tuple[Any, ...]:
    record = view.record
    return (
        record.node,
        record.status,
        record.duration_s,
        record.cpu_s or None,
        record.peak_memory_bytes / 1e6 if record.peak_memory_bytes else None,
        record.attempts,
        " ".join(f"{name}:{artifact.digest[:8]}" for name, artifact in record.inputs.items()),
        " ".join(f"{name}:{artifact.digest[:8]}" for name, artifact in record.outputs.items()),
    )
