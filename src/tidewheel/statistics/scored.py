"""Answers beside what turned out to be true, in the form that metrics take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.binary_metrics import Numbers

Problem = Literal["binary", "multiclass", "regression", "quantiles", "ranking"]


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with labels and answers.

    Attributes:
        problem: what is asked.
        truth: [rows]; 0 or 1, the index of a class, a number, or how relevant a row is.
        said: the probability of 1, [rows, classes] probabilities, the number, [rows, levels] quantiles, or a score.
        classes: of a multi-class problem, in the order of the probabilities.
        levels: of quantiles, 0..1 ascending.
        groups: of a ranking, the query that each row belongs to.

    Raises:
        ParameterError: shapes do not fit, or a number is missing or infinite.
    """

    problem: Problem
    truth: Numbers
    said: Numbers
    classes: tuple[int | str, ...] = ()
    levels: tuple[float, ...] = ()
    groups: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        width = {"multiclass": (len(self.classes),), "quantiles": (len(self.levels),)}.get(self.problem, ())
        if self.truth.ndim != 1 or self.said.shape != (len(self.truth), *width):
            raise ParameterError(f"labels {self.truth.shape} and answers {self.said.shape} do not fit")
        for name, numbers in (("labels", self.truth), ("answers", self.said)):
            bad = int((~np.isfinite(numbers)).sum())
            if bad:
                raise ParameterError(f"{bad} of the {name} are missing or infinite")
        if self.problem == "ranking" and (self.groups is None or len(self.groups) != len(self.truth)):
            raise ParameterError("a ranking needs the query of each row", next_step="name the column with `group=`")

    def __len__(self) -> int:
        return len(self.truth)

    def of(self, rows: NDArray[Any]) -> Scored:
        """Some of the rows, by mask or position."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, truth=self.truth[rows], said=self.said[rows], groups=groups)

    def loss(self) -> Numbers:
        """How wrong each row is, smaller is better: squared error of probabilities (Brier), absolute error of numbers,
        pinball loss of quantiles. A ranking has none, since only queries can be wrong.

        Example:
            >>> Scored("regression", np.array([1.0, 2.0]), np.array([1.5, 2.0])).loss().tolist()
            [0.5, 0.0]
        """
        if self.problem == "binary":
            return np.asarray((self.truth - self.said) ** 2)
        if self.problem == "multiclass":
            return np.asarray(((np.eye(len(self.classes))[self.truth.astype(int)] - self.said) ** 2).sum(axis=1))
        if self.problem == "regression":
            return np.asarray(np.abs(self.truth - self.said))
        if self.problem == "quantiles":
            return np.asarray(pinball(self).mean(axis=1))
        raise ParameterError("a ranking has no loss by row", next_step="compare queries by ndcg")


def pinball(scored: Scored) -> Numbers:
    """Pinball loss by row and level (Koenker and Bassett, Econometrica 46, 1978)."""
    over = scored.truth[:, None] - scored.said
    levels = np.array(scored.levels)
    return np.maximum(levels * over, (levels - 1) * over)
