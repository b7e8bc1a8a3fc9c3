"""One line of a comparison: the same thing in several runs, or in several versions of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Topic = Literal["run", "state", "data", "code", "parameters", "environment", "metrics", "package"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
RUN_TOPICS = tuple(topic for topic in TOPICS if topic not in ("state", "package"))
VERSION_TOPICS = tuple(topic for topic in TOPICS if topic != "run")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in all that are compared.

    Args:
        topic: what it belongs to.
        name: such as `flights`, `m:train`, `train.rounds`, `lightgbm` or `roc_auc`.
        values: of each in the order of the comparison; None where one has none. Code, whose value is a digest, is shown
            by its first characters.
    """

    topic: Topic
    name: str
    values: tuple[Any, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all have the same."""
        return all(one == self.values[0] for one in self.values[1:])


def differing(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Only what is not the same in all."""
    return tuple(row for row in rows if not row.is_equal)


def by_topic(rows: Iterable[Row], topics: Sequence[Topic]) -> dict[str, Any]:
    """As JSON types: for each topic, also one without rows, the values by name.

    Example:
        >>> by_topic([Row("metrics", "roc_auc", (0.7, 0.8))], ["data", "metrics"])
        {'data': {}, 'metrics': {'roc_auc': {'values': [0.7, 0.8], 'is_equal': False}}}
    """
    found: dict[str, Any] = {topic: {} for topic in topics}
    for row in rows:
        found[row.topic][row.name] = {"values": list(row.values), "is_equal": row.is_equal}
    return found
