"""Model tuning: the best of several algorithms and their parameters, judged in time order. Paper: "model training".

Trials are asked in fixed batches and told in the order of their numbers, each with its own seed and its own process:
the result depends on rows, functions, space and seed, and neither on how many run side by side nor on how long they
take. What a killed search had finished is found again in the step's scratch folder.
"""

from __future__ import annotations

import importlib
import itertools
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import ParameterError, StepError
from tidewheel.core.metrics import Metrics
from tidewheel.pipeline import Step
from tidewheel.pipeline.surroundings import Surroundings, surroundings
from tidewheel.steps.model_training import score_estimator
from tidewheel.steps.search_space import Direction, Question, read_space
from tidewheel.steps.time_splits import time_splits
from tidewheel.steps.trial import Task, Trial, TrialRecord
from tidewheel.steps.trial_identity import digest_function, digest_rows
from tidewheel.steps.trial_processes import TrialProcesses
from tidewheel.steps.trial_work import Fit, Score, TrialWork
from tidewheel.steps.trials_table import trials_table

if TYPE_CHECKING:
    from tidewheel.steps.optuna_search import OptunaSearch

__all__ = ["Trial", "Tuning", "tune"]

_DIRECTIONS: dict[str, Direction] = {
    "roc_auc": "maximize",
    "accuracy": "maximize",
    "r2": "maximize",
    "log_loss": "minimize",
    "rmse": "minimize",
    "mae": "minimize",
    "ndcg": "maximize",
    "ndcg_10": "maximize",
    "mrr": "maximize",
    "map": "maximize",
    "pinball": "minimize",
    "coverage_error": "minimize",
}
_searches: dict[Path, itertools.count[int]] = {}


class Tuning(NamedTuple):
    """What a search gives; fit to be the outputs of a step.

    Attributes:
        model: the best parameters, fitted once more on all rows.
        best: `number`, `algorithm`, `parameters`, `rounds`, `seed` and `value` of the best trial.
        trials: all of them, see `trials_table`.
        metrics: the best trial's numbers as `tuned_...`, and how many trials succeeded, were pruned and failed.
    """

    model: Any
    best: dict[str, Any]
    trials: pa.Table
    metrics: Metrics


def tune(
    fit: Fit,
    train: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    space: Mapping[str, Any],
    metric: str,
    direction: Literal["maximize", "minimize", ""] = "",
    score: Score | None = None,
    label: str = "label",
    folds: int = 0,
    time: str = "",
    group: str = "",
    level: float | None = None,
    trials: int = 20,
    batch: int = 4,
    workers: int | None = None,
    cpu: int = 1,
    timeout_s: float = 3600.0,
    memory_mb: int | None = None,
    seed: int | None = None,
    scratch: Path | None = None,
) -> Tuning:
    """Searches for the best algorithm and parameters, and fits them on all the rows that it was given.

    It is given no test rows, so nothing can be chosen by them: `validation` comes after `train`, or `folds` parts of
    `train` are each judged by what was learned from before them.

    Args:
        fit: `fit(trial, train, validation)` gives a model for `trial.algorithm` and `trial.parameters`. In the last
            fit, on all rows, `validation` is None and `trial.rounds` says how long to boost.
        train: rows to learn from.
        validation: later rows to stop and to judge by; without them give `folds`.
        space: algorithm -> parameter -> range, see `read_space`.
        metric: the number of the score to tune.
        direction: whether more of it is better; known for the metrics of `score_estimator`.
        score: `score(model, rows)` gives a number or several by name; by default `score_estimator`.
        label: the column to learn, for the default score.
        folds: parts in time order, at least 2.
        time: the column that orders rows; with `validation` it is only checked that those come later.
        group: the column that names the query of each row, for a ranking: a query's rows stay together, at the time of
            the last of them, and the default score is that of rankings.
        level: of the quantile that the models answer; the default score is then that of quantiles.
        trials: how many.
        batch: trials that are asked together; it changes what is asked, while `workers` does not.
        workers: trials side by side; by default as many as fit into the step's `cpu`.
        cpu: threads of each.
        timeout_s: after which a trial has failed.
        memory_mb: what a trial may take beyond the rows, on Linux; None for no limit.
        seed: by default the step's, 0 in a notebook.
        scratch: a folder in which an interrupted search is continued; by default the step's, in a notebook none. There
            rows and the text of `fit` and `score` are held against those of before, but not what these call.

    Raises:
        ParametersError: the space lacks a range, or has one that is upside down; all of that is told at once.
        ParameterError: another argument is out of its domain, or the rows cannot be split in time order.
        StepError: every trial failed; the first reason is told, the log has them all.
    """
    from tidewheel.steps.optuna_search import OptunaSearch  # a project that only declares tuning does not pay for it

    around = surroundings() or Surroundings(scratch=Path())
    found = read_space(space)
    _check(trials=trials, batch=batch, cpu=cpu, timeout_s=timeout_s, memory_mb=memory_mb, workers=workers)
    towards = direction or _direction_of(metric)
    seed = around.seed if seed is None else seed
    rows, splits = time_splits(train, validation, folds=folds, time=time, group=group)
    fit, score = _function_of(fit), _function_of(score or _DefaultScore(label, group, level))
    with TemporaryDirectory(prefix="tidewheel-tuning-") as nowhere:
        work = TrialWork(
            fit,
            score,
            rows,
            splits,
            metric=metric,
            direction=towards,
            cpu=cpu,
            scratch=scratch or _scratch_of(around) or Path(nowhere),
            known_modules=around.known_modules,
        )
        names = [getattr(one, "__qualname__", type(one).__qualname__) for one in (fit, score)]
        split = [folds, time, group, len(rows)]
        settings: list[Any] = [names, dict(space), metric, towards, seed, cpu, batch, level, split]
        if scratch is not None:  # the step's own folder is named by its key, which covers all of it
            settings += [label, digest_rows(rows), digest_function(fit), digest_function(score)]
        side_by_side = workers or max(1, around.cpu // cpu)
        limit = None if memory_mb is None else memory_mb * 1_000_000
        processes = TrialProcesses(work, workers=side_by_side, timeout_s=timeout_s, memory_bytes=limit)
        search = _Search(work, OptunaSearch(found, towards, seed), digest_value("tuning", settings), seed)
        with processes:
            search.run(trials, batch, processes)
        best = search.best()
        model = search.fit_again(best)
    table = trials_table(found, search.asked, [search.seed_of(one.number) for one in search.asked], search.records)
    return Tuning(model, search.told(best), table, search.metrics(best))


class _Search:
    """The search so far: questions and answers by number."""

    def __init__(self, work: TrialWork, search: OptunaSearch, study: str, seed: int) -> None:
        self.asked: list[Question] = []
        self.records: list[TrialRecord] = []
        self._work = work
        self._search = search
        self._study = study
        self._seed = seed

    def run(self, trials: int, batch: int, processes: TrialProcesses) -> None:
        while len(self.asked) < trials:
            questions = [self._search.ask() for _ in range(min(batch, trials - len(self.asked)))]
            tasks = [self._task(one) for one in questions]
            kept = {task.number: record for task in tasks if (record := self._find(task)) is not None}
            answers = kept | processes.run([task for task in tasks if task.number not in kept])
            for question in questions:
                record = answers[question.number]
                self.asked.append(question)
                self.records.append(record)
                self._search.tell(question.number, record.value)
                _load(record)
                self._tell(question, record, is_kept=question.number in kept)

    def seed_of(self, number: int) -> int:
        """31 bits, which every library takes."""
        return int(digest_value("seed", [self._seed, "trial", number])[:8], 16) % 2**31

    def best(self) -> int:
        """The number of the best trial, the first of equal ones."""
        whole = [number for number, record in enumerate(self.records) if record.state == "succeeded"]
        if not whole:
            reason = self.records[0].reason
            shutil.rmtree(self._work.scratch, ignore_errors=True)  # the next attempt shall not take that for an answer
            raise StepError(
                f"all {len(self.records)} trials failed; the first: {reason}",
                next_step="the log has what each of them said; call `fit(Trial(...), train, validation)` in a notebook",
            )
        sign = -1.0 if self._work.direction == "maximize" else 1.0
        return min(whole, key=lambda number: (sign * (self.records[number].value or 0.0), number))

    def fit_again(self, best: int) -> Any:
        question, seed = self.asked[best], self.seed_of(best)
        trial = Trial(-1, question.algorithm, dict(question.parameters), seed, rounds=self.records[best].rounds)
        with self._work.around(seed):
            return self._work.fit(trial, self._work.rows, None)

    def told(self, best: int) -> dict[str, Any]:
        question, record = self.asked[best], self.records[best]
        return {
            "number": best,
            "algorithm": question.algorithm,
            "parameters": dict(question.parameters),
            "rounds": record.rounds,
            "seed": self.seed_of(best),
            "value": record.value,
        }

    def metrics(self, best: int) -> Metrics:
        states = [record.state for record in self.records]
        found = Metrics({f"tuned_{name}": value for name, value in self.records[best].metrics.items()})
        found |= {f"trials_{state}": float(states.count(state)) for state in ("succeeded", "pruned", "failed")}
        return found

    def _task(self, question: Question) -> Task:
        history = tuple(one.reported for one in self.records if one.state == "succeeded")
        seed = self.seed_of(question.number)
        asked = [question.number, question.algorithm, question.parameters, seed]
        return Task(
            number=question.number,
            key=digest_value("trial", [self._study, asked, history]),
            algorithm=question.algorithm,
            parameters=question.parameters,
            seed=seed,
            history=history,
        )

    def _find(self, task: Task) -> TrialRecord | None:
        """What an earlier attempt at this search had found out."""
        record = TrialRecord.find(self._work.scratch, task.number)
        return record if record is not None and record.key == task.key and record.is_of_these_sources else None

    def _tell(self, question: Question, record: TrialRecord, *, is_kept: bool) -> None:
        value = "" if record.value is None else f" {self._work.metric} {record.value:.6g}"
        parameters = " ".join(f"{name}={one}" for name, one in question.parameters.items())
        end = f" ({record.reason})" if record.reason else " (from before)" if is_kept else ""
        line = f"trial {question.number} {record.state}:{value} {question.algorithm} {parameters}{end}"
        sys.stderr.write(f"{line}\n")


class _DefaultScore:
    """`score_estimator` with the names of columns; a class, so that it can be sent to another process."""

    def __init__(self, label: str, group: str, level: float | None) -> None:
        self._label = label
        self._group = group
        self._level = level

    def __call__(self, model: Any, rows: pd.DataFrame) -> Metrics:
        return score_estimator(model, rows, label=self._label, group=self._group, level=self._level)


def _function_of(one: Any) -> Any:
    """A step in the place of a function is the function that it decorates."""
    return one.function if isinstance(one, Step) else one


def _load(record: TrialRecord) -> None:
    """What a trial loaded by a name that only it knew is loaded here too, so that the step's worker sees it."""
    for name in record.modules:
        if name not in sys.modules and name != "__main__":
            importlib.import_module(name)


def _scratch_of(around: Surroundings) -> Path | None:
    """A folder for each search of the step, by the order of their calls."""
    if around.scratch == Path():
        return None
    return around.scratch / f"tuning-{next(_searches.setdefault(around.scratch, itertools.count(1)))}"


def _direction_of(metric: str) -> Direction:
    if metric not in _DIRECTIONS:
        told = 'say direction="maximize" or direction="minimize"'
        raise ParameterError(f"it is not known whether more of metric {metric!r} is better", next_step=told)
    return _DIRECTIONS[metric]


def _check(**numbers: float | None) -> None:
    for name, number in numbers.items():
        if number is not None and number <= 0:
            raise ParameterError(f"{name} is {number}; it must be above 0")
