"""Carries out one trial: fits and scores on each split, and tells what came of it."""

from __future__ import annotations

import math
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.digest import digest_file
from tidewheel.pipeline.surroundings import Surroundings, surrounded
from tidewheel.pipeline.tracing import inside_step
from tidewheel.steps.estimator_fit import chosen_rounds
from tidewheel.steps.time_splits import Split
from tidewheel.steps.trial import PRUNING_FROM, REPORTS, LoadedModule, Task, Trial, TrialPruned, TrialRecord

Fit = Callable[[Trial, pd.DataFrame, pd.DataFrame | None], Any]
Score = Callable[[Any, pd.DataFrame], Any]


class BadScoreError(ValueError):
    """A score by which nothing can be compared."""


class TrialWork:
    """All that the trials of a study share.

    Args:
        fit: trains; gets the trial, rows to learn from, and rows to stop on.
        score: a number, or several by name, of a model on rows.
        metric: the one that is tuned.
        cpu: threads of each trial.
        scratch: a folder for the trials' records.
        known_modules: project modules that the step's key covers.
    """

    def __init__(
        self,
        fit: Fit,
        score: Score,
        rows: pd.DataFrame,
        splits: Sequence[Split],
        *,
        metric: str,
        direction: Any,
        cpu: int,
        scratch: Path,
        known_modules: frozenset[str],
    ) -> None:
        self.fit = fit
        self.score = score
        self.rows = rows
        self.splits = splits
        self.metric = metric
        self.direction = direction
        self.cpu = cpu
        self.scratch = scratch
        self.known_modules = known_modules

    def carry_out(self, task: Task) -> TrialRecord:
        """Whatever the training function does, short of ending the process, is a record."""
        progress = _Progress(self, task)
        try:
            with self.around(task.seed):
                progress.run()
        except TrialPruned:
            return progress.record("pruned", reason="others did better by then")
        except MemoryError:
            traceback.print_exc()
            return progress.record("failed", reason="it ran out of memory")
        except BadScoreError as error:
            return progress.record("failed", reason=str(error))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            return progress.record("failed", reason=f"{type(error).__name__}: {error}".strip())
        return progress.record("succeeded")

    @contextmanager
    def around(self, seed: int) -> Iterator[None]:
        """Seeds the global generators; inside, `fit_estimator` finds seed and threads of the trial."""
        random.seed(seed)
        np.random.seed(seed % 2**32)
        around = Surroundings(scratch=self.scratch / "work", cpu=self.cpu, seed=seed, known_modules=self.known_modules)
        with inside_step(), surrounded(around):
            yield

    def missed_modules(self) -> dict[str, LoadedModule]:
        """Modules below the working folder that were loaded, but that the step's key does not cover."""
        root = os.path.join(os.path.realpath(os.getcwd()), "")
        files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        unknown = {name: file for name, file in files.items() if file and name not in self.known_modules}
        paths = {name: os.path.realpath(file) for name, file in unknown.items()}
        return {
            name: LoadedModule(path.removeprefix(root), digest_file("module", Path(path)))
            for name, path in sorted(paths.items())
            if path.startswith(root)
        }


class _Progress:
    """What has come of a trial so far."""

    def __init__(self, work: TrialWork, task: Task) -> None:
        self._work = work
        self._task = task
        self._folds: list[float] = []
        self._metrics: list[dict[str, float]] = []
        self._rounds: list[int | None] = []
        self._reported: dict[int, float] = {}

    def run(self) -> None:
        task, work = self._task, self._work
        trial = Trial(task.number, task.algorithm, dict(task.parameters), task.seed, on_report=self._report)
        for learn, judge in work.splits:
            judged = work.rows.iloc[judge]
            model = work.fit(trial, work.rows.iloc[learn], judged)
            metrics = as_metrics(work.score(model, judged), work.metric)
            self._metrics.append(metrics)
            self._folds.append(metrics[work.metric])
            self._rounds.append(chosen_rounds(model))
            self._note((len(self._folds) - 1) * REPORTS + REPORTS - 1, float(np.mean(self._folds)))

    def record(self, state: Any, *, reason: str = "") -> TrialRecord:
        value = float(np.mean(self._folds)) if self._folds else None
        if state == "pruned":
            value = self._reported[max(self._reported)]
        rounds = [one for one in self._rounds if one is not None]
        names = sorted(set.intersection(*(set(one) for one in self._metrics))) if self._metrics else []
        return TrialRecord(
            key=self._task.key,
            state=state,
            value=None if state == "failed" else value,
            folds=tuple(self._folds),
            metrics={name: float(np.mean([one[name] for one in self._metrics])) for name in names},
            reported=tuple(self._reported.items()),
            rounds=round(float(np.mean(rounds))) if rounds else None,
            reason=reason,
            modules=self._work.missed_modules() if self._work.known_modules else {},
        )

    def _report(self, step: int, value: float) -> None:
        if not math.isfinite(value):
            raise BadScoreError(f"it reported {value} at step {step}")
        self._note(len(self._folds) * REPORTS + step, float(value))

    def _note(self, step: int, value: float) -> None:
        self._reported[step] = value
        if len(self._folds) == len(self._work.splits) or len(self._task.history) < PRUNING_FROM:
            return
        from tidewheel.steps.optuna_search import may_go_on

        if not may_go_on(self._reported, self._task.history, self._work.direction):
            raise TrialPruned


def as_metrics(score: Any, metric: str) -> dict[str, float]:
    """A score by name, the tuned metric among it and finite.

    Raises:
        BadScoreError: it is not.
    """
    named = score if hasattr(score, "items") else {metric: score}
    metrics = {str(name): float(one) for name, one in named.items()}
    if metric not in metrics:
        raise BadScoreError(f"the score has no metric {metric!r}, only {', '.join(sorted(metrics)) or 'nothing'}")
    if not math.isfinite(metrics[metric]):
        raise BadScoreError(f"metric {metric} is {metrics[metric]}")
    return {name: one for name, one in metrics.items() if math.isfinite(one)}
