"""A trial: what a training function is told, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from tidewheel.core.digest import digest_file
from tidewheel.core.records.record import Record
from tidewheel.core.whole_file import write_whole
from tidewheel.steps.search_space import Parameters

TrialState = Literal["succeeded", "pruned", "failed"]
PRUNING_FROM = 5
"""So many trials must have been carried to their end before one is given up."""
REPORTS = 10_000
"""A trial may report so many values in each fold."""


class TrialPruned(Exception):
    """The trial is not worth its end; whoever reports lets this pass."""


class Trial:
    """What a training function is asked to try.

    Attributes:
        number: counted from 0; -1 for the last fit, of the best parameters on all rows.
        algorithm, parameters: drawn from the search space.
        seed: its own; `fit_estimator` takes it by itself.
        rounds: boosting rounds for the last fit, where there are no validation rows to stop on: the mean of what the
            folds had needed. None while searching, and for what does not boost.
    """

    def __init__(
        self,
        number: int,
        algorithm: str,
        parameters: Parameters,
        seed: int,
        *,
        rounds: int | None = None,
        on_report: Callable[[int, float], None] | None = None,
    ) -> None:
        self.number = number
        self.algorithm = algorithm
        self.parameters = parameters
        self.seed = seed
        self.rounds = rounds
        self._on_report = on_report

    def report(self, value: float, *, step: int) -> None:
        """Tells how well it does so far, in the metric that is tuned; ends the trial if others did better by then.

        Each fold is reported when it is done; a training function that learns in rounds may report more often.

        Args:
            step: of this fold, counted from 0, below 9,999; the same step means the same effort in every trial.
        """
        if self._on_report is not None:
            self._on_report(min(step, REPORTS - 2), value)

    def __repr__(self) -> str:
        return f"<trial {self.number} {self.algorithm} {self.parameters}>"


class LoadedModule(msgspec.Struct, frozen=True):
    """A module's file, relative to the working folder, which is the copy of the sources."""

    path: str
    digest: str

    @property
    def is_unchanged(self) -> bool:
        """Whether the file of that name holds the same."""
        return os.path.exists(self.path) and digest_file("module", Path(self.path)) == self.digest


class TrialRecord(Record, frozen=True, kw_only=True):
    """How a trial ended.

    Attributes:
        key: digest of the question, and of what else its answer rests on.
        value: the metric, as the mean over folds; of a pruned trial as far as it came.
        folds: the metric of each.
        metrics: all numbers of the score, as means over folds.
        reported: the metric by step, over all folds.
        rounds: boosting rounds, as the mean over folds.
        reason: why it failed or was pruned.
        modules: project modules that it loaded beyond those that the step's key covers.
    """

    key: str
    state: TrialState
    value: float | None = None
    folds: tuple[float, ...] = ()
    metrics: dict[str, float] = {}
    reported: tuple[tuple[int, float], ...] = ()
    rounds: int | None = None
    reason: str = ""
    modules: dict[str, LoadedModule] = {}

    @property
    def is_of_these_sources(self) -> bool:
        """Whether the files in the working folder are still those that it loaded without the key's knowing."""
        return all(one.is_unchanged for one in self.modules.values())

    def write(self, folder: Path, number: int) -> None:
        """Keeps it, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path_of(folder, number), self.to_json())

    @classmethod
    def find(cls, folder: Path, number: int) -> Self | None:
        """What is kept of a trial; None when nothing is, or nothing whole."""
        try:
            return cls.from_json(path_of(folder, number).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None


class Task(Record, frozen=True, kw_only=True):
    """A trial to be carried out.

    Attributes:
        key: as of its record.
        history: what earlier trials had reported, for pruning.
    """

    number: int
    key: str
    algorithm: str
    parameters: dict[str, Any]
    seed: int
    history: tuple[tuple[tuple[int, float], ...], ...] = ()


def path_of(folder: Path, number: int) -> Path:
    """Where a trial's record lies."""
    return folder / f"trial-{number:05}.json"
