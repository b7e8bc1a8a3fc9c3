"""The runs of pipelines as a table of parameters and metrics, for a shell and for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

from tidewheel.metadata_store import Experiment

if TYPE_CHECKING:
    import pandas as pd


class Experiments(Sequence[Experiment]):
    """Runs in the order that was asked for."""

    def __init__(self, found: Sequence[Experiment]) -> None:
        self._found = tuple(found)

    @overload
    def __getitem__(self, index: int) -> Experiment: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Experiment]: ...
    def __getitem__(self, index: int | slice) -> Experiment | Sequence[Experiment]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self._found)

    def rows(self) -> list[dict[str, Any]]:
        """One dict for each run; a parameter that is called as a metric is keeps its name as `parameter.NAME`."""
        return [
            {
                "run": one.run.id,
                "pipeline": one.run.pipeline,
                "status": one.run.status,
                "at": one.run.at,
                **{name if name not in one.metrics else f"parameter.{name}": v for name, v in one.parameters.items()},
                **one.metrics,
            }
            for one in self._found
        ]

    def to_pandas(self) -> pd.DataFrame:
        """A frame with a row for each run."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = list(dict.fromkeys(name for row in self.rows() for name in row))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(row.get(name, '')))}</td>" for name in names) + "</tr>"
            for row in self.rows()
        )
        return f"<table><tr>{head}</tr>{body}</table>"

    def __repr__(self) -> str:
        return f"<{len(self)} experiments>"
