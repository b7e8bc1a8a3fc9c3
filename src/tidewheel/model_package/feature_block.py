"""The prepared frame of a pipeline while it becomes a graph: its columns, and the raw value that each is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.onnx_graph import Graph


@dataclass(frozen=True)
class Origin:
    """How a number came from a raw column: `raw = value * scale + shift`, but for the last bits."""

    column: str
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: of the value of shape [n, 1]; empty for a column of the block's matrix.
        is_text: texts, in which the empty one is a missing value.
        origin: the raw column; None for what several columns or a text gave.
        missing: the text that an imputer put in place of missing ones.
        domain: of a raw category column the texts that exist; others are missing.
    """

    name: str = ""
    is_text: bool = False
    origin: Origin | None = None
    missing: str | None = None
    domain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Columns side by side.

    Attributes:
        matrix: the name of all of them as one value of shape [n, width]; empty when there is none.
    """

    columns: tuple[Column, ...]
    matrix: str = ""


@dataclass
class Preparation:
    """A graph in the making, with what its parts tell about values worth trying.

    Attributes:
        tried: by raw column, numbers or texts at which something happens.
        refused: raw columns and what their encoder refuses: `unknown` or `missing`.
    """

    graph: Graph
    tried: dict[str, set[float | str]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    def matrix(self, block: Block) -> str:
        """All columns as one value of doubles.

        Raises:
            ConversionError: one of them is text.
        """
        texts = [column for column in block.columns if column.is_text]
        if texts:
            raise ConversionError(f"column {texts[0].name!r} is text where numbers are computed with")
        if not block.columns:
            raise ConversionError("a step is left without columns")
        return block.matrix or self.graph.join([column.name for column in block.columns])

    def column(self, block: Block, place: int) -> str:
        """One column as a value of shape [n, 1]."""
        found = block.columns[place]
        return found.name or self.graph.add("Gather", block.matrix, self.graph.constant(np.array([place])), axis=1)

    def select(self, block: Block, places: Sequence[int]) -> Block:
        """Some of the columns, in this order."""
        chosen = [replace(block.columns[place], name=self.column(block, place)) for place in places]
        if block.matrix and places:
            whole = self.graph.add("Gather", block.matrix, self.graph.constant(np.array(places)), axis=1)
            return Block(tuple(replace(one, name="") for one in chosen), whole)
        return Block(tuple(chosen))

    def beside(self, blocks: Sequence[Block]) -> Block:
        """Blocks side by side."""
        columns = [column for block in blocks for column in block.columns]
        if any(column.is_text for column in columns):
            named = [
                replace(column, name=self.column(block, place))
                for block in blocks
                for place, column in enumerate(block.columns)
            ]
            return Block(tuple(named))
        matrices = [self.matrix(block) for block in blocks if block.columns]
        return numbers(self.graph.join(matrices), [column.origin for column in columns])

    def note(self, origin: Origin | None, *values: float) -> None:
        """Remembers numbers of a prepared column as worth trying in its raw column."""
        if origin is not None:
            raw = (value * origin.scale + origin.shift for value in values)
            self.tried.setdefault(origin.column, set()).update(one for one in raw if np.isfinite(one))


def numbers(matrix: str, origins: Sequence[Origin | None]) -> Block:
    """A block of doubles."""
    return Block(tuple(Column(origin=origin) for origin in origins), matrix)


def moved(origins: Sequence[Origin | None], scale: np.ndarray, shift: np.ndarray) -> list[Origin | None]:
    """Origins after `value' = (value - shift) / scale`."""
    return [
        origin and Origin(origin.column, origin.scale * float(by), origin.shift + origin.scale * float(to))
        for origin, by, to in zip(origins, scale, shift, strict=True)
    ]
