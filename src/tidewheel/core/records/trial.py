"""One trial of a search for the best model, as it stands in the search's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from tidewheel.core.records.artifact import Artifact
from tidewheel.core.records.execution import Execution
from tidewheel.core.records.record import Record

TRIALS = "trials"
"""The output of a step that is a table of trials."""
TRIAL_COLUMNS = ("number", "state", "algorithm", "value", "folds", "rounds", "seed", "reason")
"""What each such table has, beside `ALGORITHM.PARAMETER` for parameters and `metric.NAME` for numbers of the score."""


class TrialRow(Record, frozen=True, kw_only=True):
    """A row of that table.

    Attributes:
        value: the tuned metric; of a pruned trial the last that it had, of a failed one None.
        reason: why it failed or was pruned.
    """

    number: int
    state: Literal["succeeded", "pruned", "failed"]
    algorithm: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    value: float | None = None
    rounds: int | None = None
    seed: int = 0
    reason: str = ""

    @classmethod
    def of_columns(cls, row: Mapping[str, Any]) -> Self:
        """From a row as a dict.

        Example:
            >>> row = {**dict.fromkeys(TRIAL_COLUMNS), "number": 3, "seed": 7}
            >>> row |= {"state": "succeeded", "algorithm": "forest"}
            >>> found = TrialRow.of_columns(row | {"forest.depth": 5, "linear.C": None, "metric.mae": 0.5})
            >>> found.parameters, found.metrics
            ({'depth': 5}, {'mae': 0.5})
        """
        own, prefix = f"{row['algorithm']}.", "metric."
        return cls(
            number=row["number"],
            state=row["state"],
            algorithm=row["algorithm"],
            parameters={name.removeprefix(own): one for name, one in row.items() if name.startswith(own)},
            metrics={
                name.removeprefix(prefix): one
                for name, one in row.items()
                if name.startswith(prefix) and one is not None
            },
            value=row["value"],
            rounds=row["rounds"],
            seed=row["seed"],
            reason=row["reason"] or "",
        )


def trials_of(execution: Execution) -> Artifact | None:
    """The table of trials that an execution made; None when it made none."""
    artifact = execution.outputs.get(TRIALS)
    if artifact is None or not set(TRIAL_COLUMNS) <= set(artifact.summary.get("columns", ())):
        return None
    return artifact
