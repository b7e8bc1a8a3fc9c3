"""One look and act of the controller: collect, monitor, trigger, run, promote, reconcile, show.

Every decision is keyed by what it rests on and written with compare-and-swap, so that a second tick, a second
controller or a crash in the middle repeats nothing. The controller never judges a model: verdicts do.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tidewheel.core.errors import ConfigError, ConflictError, ParameterError, TidewheelError
from tidewheel.core.records.record import Record
from tidewheel.loop.monitors import look
from tidewheel.loop.promotions import promote_approved
from tidewheel.loop.starts import start_pending
from tidewheel.loop.triggers import fire
from tidewheel.orchestrator import Listener
from tidewheel.orchestrator.progress import silent
from tidewheel.workspace import Workspace
from tidewheel.workspace.champions import local_deployment
from tidewheel.workspace.mirror import mirror_models

LEASE = "controller"
LEASE_S = 3600.0


class TickReport(Record, frozen=True, kw_only=True):
    """What a tick did.

    Attributes:
        at: the workspace's clock.
        lines: in words, in the order in which it happened.
        signals, events, runs: ids of what is new.
        promoted: `model/version` of what became champion.
        problems: what went wrong without ending the tick.
    """

    at: datetime
    lines: tuple[str, ...]
    signals: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def tick(workspace: Workspace, *, at: datetime | None = None, listener: Listener = silent) -> TickReport:
    """Looks and acts once.

    Args:
        at: where to move the virtual clock first.
        listener: is told of the progress of runs.

    Raises:
        ConflictError: another controller is ticking, or the clock would go back.
        ConfigError: `at` is given and the workspace's clock is the wall's.
    """
    with _lease(workspace):
        _move_clock(workspace, at)
        return _Tick(workspace, listener).carry_out()


class _Tick:
    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        self._workspace = workspace
        self._listener = listener
        self._lines: list[str] = []
        self._problems: list[str] = []

    def carry_out(self) -> TickReport:
        workspace, stores = self._workspace, self._workspace.stores
        self._settle_interrupted()
        self._collect()
        models = workspace.project.declared().models
        signals = [signal for model in models.values() for signal in look(stores, model)]
        for signal in signals:
            self._say(
                f"signal: {signal.model} v{signal.version}: {'ALARM ' if signal.is_alarm else ''}{signal.message}"
            )
        events = [event for model in models.values() for event in fire(stores, model)]
        for event in events:
            self._say(f"event: {event.key} starts {event.subject}")
        runs = list(start_pending(workspace, self._listener))
        for run in runs:
            self._say(f"run: {run.id} of {run.record.pipeline} {run.status} {run.record.reason}".rstrip())
        promoted = [version for model in models.values() for version in promote_approved(workspace, model, self._say)]
        self._reconcile()
        self._mirror()
        return TickReport(
            at=stores.clock.now(),
            lines=tuple(self._lines) or ("nothing to do",),
            signals=tuple(signal.id for signal in signals),
            events=tuple(event.id for event in events),
            runs=tuple(run.id for run in runs),
            promoted=tuple(f"{version.model}/{version.version}" for version in promoted),
            problems=tuple(self._problems),
        )

    def _settle_interrupted(self) -> None:
        for run in self._workspace.settle_interrupted():
            self._say(f"run {run.id} of {run.record.pipeline} was interrupted")

    def _collect(self) -> None:
        rows = self._workspace.collect()
        if rows:
            self._say(f"collected {rows:,} predictions")

    def _reconcile(self) -> None:
        stores = self._workspace.stores
        place = local_deployment(stores)
        for desired in stores.deployments.active():
            state = place.state(desired.endpoint)
            if state is not None and state.is_alive and state.package_digest == desired.package_digest:
                continue
            try:
                state = place.reconcile(desired)
                self._say(f"endpoint {desired.endpoint} answers again at {state.url}")
            except TidewheelError as error:
                self._problems.append(str(error))
                self._say(f"endpoint {desired.endpoint} does not come up: {error.what}")

    def _mirror(self) -> None:
        try:
            mirror_models(self._workspace.stores)
        except TidewheelError as error:
            self._problems.append(str(error))
            self._say(f"MLflow was not written: {error.what}")

    def _say(self, line: str) -> None:
        self._lines.append(line)


def _move_clock(workspace: Workspace, at: datetime | None) -> None:
    if at is None:
        return
    if workspace.config.workspace.clock != "virtual":
        raise ConfigError(
            "the workspace's clock is the wall clock",
            (),
            where="workspace.clock in tidewheel.toml",
            next_step='set clock = "virtual" to replay history',
        )
    if at.tzinfo is None:
        raise ParameterError(f"{at} has no time zone")
    workspace.stores.clock_row.set(at)


@contextmanager
def _lease(workspace: Workspace) -> Iterator[None]:
    owner = f"{socket.gethostname()}/{os.getpid()}"
    leases = workspace.stores.leases
    if not leases.acquire(LEASE, owner, LEASE_S):
        raise ConflictError("another controller is ticking", next_step="wait until it has ended")
    try:
        yield
    finally:
        leases.release(LEASE, owner)
