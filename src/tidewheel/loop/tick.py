"""One look and act of the controller: collect, monitor, trigger, run, promote, reconcile, show.

Every decision is keyed by what it rests on and written with compare-and-swap, so that a second tick, a second
controller or a crash in the middle repeats nothing. The controller never judges a model: verdicts do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from tidewheel.core.counted import counted
from tidewheel.core.errors import ConfigError, ParameterError, TidewheelError
from tidewheel.core.records import ModelVersion
from tidewheel.core.records.record import Record
from tidewheel.loop.monitors import look
from tidewheel.loop.promotions import ask_gate_again, promote_approved
from tidewheel.loop.starts import continue_interrupted, start_pending
from tidewheel.loop.triggers import fire
from tidewheel.loop.turn import WAIT_S, Turn, take_turn
from tidewheel.orchestrator import Listener
from tidewheel.orchestrator.progress import silent
from tidewheel.workspace import Workspace
from tidewheel.workspace.champions import follow, local_deployment
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.maintenance import maintain_due
from tidewheel.workspace.mirror import mirror_models
from tidewheel.workspace.views import RunView

ROUNDS = 3
"""How often one tick brings a candidate before the gate; what is still open then is the next tick's."""


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


def tick(
    workspace: Workspace, *, at: datetime | None = None, listener: Listener = silent, wait_s: float = WAIT_S
) -> TickReport:
    """Looks and acts once, when it is this controller's turn.

    Args:
        at: where to move the virtual clock first.
        listener: is told of the progress of runs.
        wait_s: how long to wait for another controller that is at work.

    Raises:
        ConflictError: another controller was at work all the time, or the clock would go back.
        ConfigError: `at` is given and the workspace's clock is the wall's.
    """
    with take_turn(workspace.folder, workspace.stores.leases, wait_s=wait_s) as turn:
        _move_clock(workspace, at)
        return _Tick(workspace, listener, turn).carry_out()


class _Tick:
    def __init__(self, workspace: Workspace, listener: Listener, turn: Turn) -> None:
        self._workspace = workspace
        self._stores = workspace.stores
        self._listener = listener
        self._turn = turn
        self._lines: list[str] = []
        self._problems: list[str] = []
        self._runs: list[str] = []
        self._events: list[str] = []

    def carry_out(self) -> TickReport:
        self._settle_interrupted()
        self._step(self._collect)
        models = list(self._workspace.project.declared().models.values())
        signals = [signal for model in models for signal in look(self._stores, model)]
        for signal in signals:
            self._say(
                f"signal: {signal.model} v{signal.version}: {'ALARM ' if signal.is_alarm else ''}{signal.message}"
            )
        for event in [event for model in models for event in fire(self._stores, model)]:
            self._say(f"event: {event.key} starts {event.subject}")
            self._events.append(event.id)
        promoted = self._run_and_promote(models)
        self._reconcile(models)
        self._step(self._mirror)
        self._step(self._care)
        return TickReport(
            at=self._stores.clock.now(),
            lines=tuple(self._lines) or ("nothing to do",),
            signals=tuple(signal.id for signal in signals),
            events=tuple(self._events),
            runs=tuple(self._runs),
            promoted=tuple(f"{version.model}/{version.version}" for version in promoted),
            problems=tuple(self._problems),
        )

    def _settle_interrupted(self) -> None:
        for run in self._workspace.settle_interrupted():
            self._say(f"run {run.id} of {run.record.pipeline} was interrupted")

    def _collect(self) -> None:
        rows = self._workspace.collect()
        if rows:
            self._say(f"collected {counted(rows, 'prediction')}")
        for path in sorted((self._stores.folder / "prediction_log").glob("*.bad")):
            self._fail(f"segment {path.name} of the prediction log is damaged and was set aside: correct or remove it")

    def _run_and_promote(self, models: list[ModelDeclaration]) -> list[ModelVersion]:
        promoted: list[ModelVersion] = []
        for _ in range(ROUNDS):
            self._turn.check()
            self._tell(list(continue_interrupted(self._workspace, self._listener, self._fail)))
            self._tell(list(start_pending(self._workspace, self._listener, self._fail)))
            self._turn.check()
            promoted += [one for model in models if (one := promote_approved(self._stores, model.name, self._say))]
            asked = [event for model in models if (event := ask_gate_again(self._stores, model, self._say))]
            self._events += [event.id for event in asked]
            if not asked:
                break
        return promoted

    def _tell(self, runs: list[RunView]) -> None:
        for run in runs:
            self._say(f"run: {run.id} of {run.record.pipeline} {run.status} {run.record.reason}".rstrip())
            self._runs.append(run.id)

    def _reconcile(self, models: list[ModelDeclaration]) -> None:
        self._turn.check()
        for model in models:
            self._step(partial(self._follow, model.name))
        place = local_deployment(self._stores)
        living = place.list()
        active = {desired.endpoint: desired for desired in self._stores.deployments.active()}
        for state in living:
            if state.endpoint not in active:  # it was taken down in the desired state, and then somebody died
                place.take_down(state.endpoint)
                self._say(f"endpoint {state.endpoint} is taken down")
        for desired in active.values():
            known = place.state(desired.endpoint)
            if known is not None and known.is_alive and known.package_digest == desired.package_digest:
                continue
            try:
                known = place.reconcile(desired)
                self._say(f"endpoint {desired.endpoint} answers again at {known.url}")
            except TidewheelError as error:
                self._fail(f"endpoint {desired.endpoint} does not come up: {error.what}")

    def _follow(self, model: str) -> None:
        state = follow(self._stores, model, prepare=self._bring_online)
        if state is not None:
            self._say(f"endpoint {state.endpoint} answers with v{state.version}")

    def _bring_online(self, version: ModelVersion) -> None:
        for result in self._workspace.features.bring_online(version):
            self._say(f"view {result.view} is brought online for {version.model} v{version.version}")

    def _mirror(self) -> None:
        for line in mirror_models(self._stores):
            self._say(f"MLflow: {line}")

    def _care(self) -> None:
        if self._stores.config.tables.is_maintained_by_tick:
            for result in maintain_due(self._stores):
                self._say(f"table {result.table} is cared for")

    def _step(self, act: Callable[[], None]) -> None:
        """What goes wrong here does not end the tick."""
        try:
            act()
        except TidewheelError as error:
            self._fail(str(error))

    def _fail(self, told: str) -> None:
        self._problems.append(told)
        self._say(f"problem: {told.splitlines()[0]}")

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
