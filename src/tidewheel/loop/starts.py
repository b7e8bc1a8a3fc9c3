"""Starts the runs that events ask for, each at most once, and continues those that a crash cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidewheel.core.errors import NotFoundError, TidewheelError
from tidewheel.core.records import Event, Run
from tidewheel.orchestrator import Listener
from tidewheel.workspace import Workspace
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.views import RunView

MOST_CONTINUATIONS = 5
"""A run that takes its machine down each time is left to a person."""
_WINDOW = 1000


def start_pending(workspace: Workspace, listener: Listener, fail: Callable[[str], None]) -> Iterator[RunView]:
    """Runs for pending events.

    Args:
        fail: is told what could not be started; the others are.
    """
    for event in workspace.stores.events.pending():
        started = workspace.stores.runs.of_event(event.id)
        if started:  # recorded, but a crash came before the event knew of it
            workspace.stores.events.attach_run(event.id, started[0].id)
            continue
        try:
            yield workspace.submit(event.subject, event=event, listener=listener)
        except TidewheelError as error:
            if not workspace.stores.events.run_of(event.id):
                workspace.stores.events.close(event.id, f"not started: {error.what}")
            fail(f"event {event.key}: {error.what}")


def continue_interrupted(workspace: Workspace, listener: Listener, fail: Callable[[str], None]) -> Iterator[RunView]:
    """Resumes the interrupted runs that a controller had started; what people had started is theirs to resume."""
    stores = workspace.stores
    recent = stores.runs.list(limit=_WINDOW)  # a resumption is newer than its run, so it is here if the run is
    resumed = {run.resumed_from for run in recent}
    for run in reversed(recent):
        if run.status != "interrupted" or run.id in resumed or not run.plan_digest:
            continue
        cause, count = _cause(stores, run)
        if cause is None or cause.kind == "request":
            continue
        if count >= MOST_CONTINUATIONS:
            fail(f"run {run.id} of {run.pipeline} was interrupted {count + 1} times; `tidewheel resume {run.id}`")
            continue
        try:
            yield workspace.resume(run.id, listener=listener)
        except TidewheelError as error:
            fail(f"run {run.id} of {run.pipeline} cannot be resumed: {error.what}")


def _cause(stores: Stores, run: Run) -> tuple[Event | None, int]:
    """The event at the beginning of a chain of resumptions, and how many there were."""
    count = 0
    try:
        while run.resumed_from:
            run, count = stores.runs.get(run.resumed_from), count + 1
        return stores.events.get(run.event_id), count
    except NotFoundError:
        return None, count
