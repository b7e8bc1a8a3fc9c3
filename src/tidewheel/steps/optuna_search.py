"""Optuna decides what to try next, and when a trial that is under way is not worth its end."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import TrialState

from tidewheel.steps.search_space import Choices, Dimension, Direction, Question, Range, Scalar, Space
from tidewheel.steps.trial import PRUNING_FROM

History = Sequence[Sequence[tuple[int, float]]]
"""What trials that were carried to their end had reported, by step."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class OptunaSearch:
    """A tree-structured Parzen estimator over a conditional space.

    What is asked depends on the seed and on what was told in which order, on nothing else: no clock, no storage. Ask
    all questions of a batch, then tell all answers in the order of their numbers.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011). Questions of one batch keep apart by the
    constant liar; parameters of one algorithm are sampled together (Falkner et al., "BOHB", 2018).
    """

    def __init__(self, space: Space, direction: Direction, seed: int) -> None:
        self._space = space
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=True, group=True, constant_liar=True)
        self._study = optuna.create_study(direction=direction, sampler=sampler)

    def ask(self) -> Question:
        """The next question."""
        trial = self._study.ask()
        algorithms = sorted(self._space)
        algorithm = str(trial.suggest_categorical("algorithm", algorithms)) if len(algorithms) > 1 else algorithms[0]
        parameters = {
            name: _suggest(trial, f"{algorithm}.{name}", dimension)
            for name, dimension in self._space[algorithm].items()
        }
        return Question(trial.number, algorithm, parameters)

    def tell(self, number: int, value: float | None) -> None:
        """The answer to a question: its value, of a trial that was given up the last one; None for one that failed."""
        if value is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, value)


def may_go_on(reported: Mapping[int, float], history: History, direction: Direction) -> bool:
    """Whether a trial may go on: its best so far is no worse than the median of what others had at the same step.

    Golovin et al., "Google Vizier" (2017), the median stopping rule.

    Args:
        reported: the trial's own values by step, as far as it has come.
        history: of trials that ended before its batch began, so that the answer does not depend on timing.
    """
    study = optuna.create_study(direction=direction)
    study.add_trials([optuna.trial.create_trial(value=0.0, intermediate_values=dict(one)) for one in history])
    trial = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values=dict(reported))
    return not optuna.pruners.MedianPruner(n_startup_trials=PRUNING_FROM).prune(study, trial)


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Scalar:
    if isinstance(dimension, Choices):
        if len(dimension.values) == 1:
            return dimension.values[0]
        # By place: two choices may be equal to Python, as 1 and True are.
        places = list(range(len(dimension.values)))
        return dimension.values[int(trial.suggest_categorical(name, places))]
    return _suggest_number(trial, name, dimension)


def _suggest_number(trial: optuna.Trial, name: str, dimension: Range) -> int | float:
    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.is_whole:
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=dimension.is_log)
    return trial.suggest_float(name, float(low), float(high), step=step, log=dimension.is_log)
