"""One line of a comparison: the same thing in several runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Topic = Literal["run", "data", "code", "parameters", "environment", "metrics"]
TOPICS: tuple[Topic, ...] = ("run", "data", "code", "parameters", "environment", "metrics")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in all runs.

    Args:
        topic: what it belongs to.
        name: such as `flights`, `m:train`, `train.rounds`, `lightgbm` or `roc_auc`.
        values: of each run in the order of the comparison; None where a run has none. Code, whose value is a digest,
            is shown by its first characters.
    """

    topic: Topic
    name: str
    values: tuple[Any, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all runs have the same."""
        return all(one == self.values[0] for one in self.values[1:])
