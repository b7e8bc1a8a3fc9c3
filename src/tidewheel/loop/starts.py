"""Starts the runs that events ask for, each at most once."""

from __future__ import annotations

from collections.abc import Iterator

from tidewheel.core.errors import TidewheelError
from tidewheel.core.records import Event
from tidewheel.orchestrator import Listener
from tidewheel.workspace import Workspace
from tidewheel.workspace.views import RunView


def start_pending(workspace: Workspace, listener: Listener) -> Iterator[RunView]:
    """Runs for pending events and, for those whose controller died over it, continues the run that there is."""
    for event in workspace.stores.events.pending():
        yield from _start(workspace, event, listener)


def _start(workspace: Workspace, event: Event, listener: Listener) -> Iterator[RunView]:
    started = workspace.stores.runs.of_event(event.id)
    if started:  # recorded, but a crash came before the event knew of it
        workspace.stores.events.attach_run(event.id, started[0].id)
        if workspace.run(started[0].id).status == "interrupted":
            yield workspace.resume(started[0].id, listener=listener)
        return
    try:
        yield workspace.submit(event.subject, event=event, listener=listener)
    except TidewheelError as error:
        if not workspace.stores.events.run_of(event.id):
            workspace.stores.events.close(event.id, f"not started: {error.what}")
        raise
