"""Decision forests in one form, whatever library grew them; `onnx_forest` writes them as ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tidewheel.model_package.signature import Task


@dataclass(frozen=True)
class Leaf:
    """What a tree adds to the score of a target.

    Attributes:
        value: double, exactly as trained.
    """

    value: float


@dataclass(frozen=True)
class Split:
    """A decision.

    Attributes:
        feature: index of the column.
        threshold: numbers that are at most this go left; None for a split on categories.
        members: category codes that go left.
        is_missing_left: where NaN goes, and of categories the unknown.
    """

    feature: int
    threshold: float | None
    members: tuple[int, ...]
    is_missing_left: bool
    left: Split | Leaf
    right: Split | Leaf


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves are summed per target.

    Attributes:
        columns: features in the order of `Split.feature`.
        categories: by column name, the texts, or in a prepared frame the numbers, whose position is the code.
        trees: each with the target that it adds to.
        base: added to each target's sum.
        task, classes: what the sums mean: log odds, one logit per class, a share, or the value itself.
        link: of the sums to the answer.
        is_single: whether numbers are rounded to float32 before a decision, as the model itself does.
        rounding: how far the model's own sums may be off because it sums in float32.
    """

    columns: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...] | tuple[float, ...]]
    trees: tuple[tuple[int, Split | Leaf], ...]
    base: tuple[float, ...]
    task: Task
    classes: tuple[int | str, ...]
    link: Literal["identity", "logistic", "softmax", "exp", "share"]
    is_single: bool = False
    rounding: float = 0.0

    def splits(self) -> Iterator[Split]:
        """Every decision of every tree."""
        stack = [tree for _, tree in self.trees]
        while stack:
            node = stack.pop()
            if isinstance(node, Split):
                yield node
                stack += [node.left, node.right]

    def texts(self) -> dict[str, tuple[str, ...]]:
        """The categories of columns of text."""
        return {
            name: tuple(one for one in known if isinstance(one, str))
            for name, known in self.categories.items()
            if not known or isinstance(known[0], str)
        }
