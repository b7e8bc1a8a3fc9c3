"""What a pipeline reads: tables, queries and champions, looked up once when a run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.plan import NodeKind, OutputSpec
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.step_signature import SINGLE
from tidewheel.pipeline.tracing import current_trace, is_inside_step


class Resolver(Protocol):
    """Looks things up at once, outside of a pipeline; an open workspace is one."""

    def table(self, name: str, *, as_of: str | None = None) -> Any:
        """A table's snapshot."""

    def sql(self, query: str, **parameters: Any) -> Any:
        """A query's result."""

    def champion(self, model: str) -> Any:
        """A model's champion, None when it has none."""

    def join_features(
        self,
        spine: Any,
        views: Sequence[Any],
        *,
        event_time: str,
        as_known: str | None,
        snapshots: Mapping[str, int] | None,
    ) -> Any:
        """A spine with features; see `tidewheel.pipeline.features.join`."""


_resolver: Resolver | None = None


def set_resolver(resolver: Resolver | None) -> None:
    """Makes a workspace the one that `table`, `sql` and `champion` read outside of pipelines."""
    global _resolver
    _resolver = resolver


def table(name: str, *, as_of: datetime | str | None = None) -> Any:
    """A table's snapshot: in a pipeline a node that is pinned when the run starts, in a notebook the snapshot itself.

    A step receives it in the form that its annotation asks for: `pandas.DataFrame`, `pyarrow.Table` or `TableReader`.

    Args:
        as_of: the snapshot that was current then; now by default.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    moment = as_of.isoformat() if isinstance(as_of, datetime) else as_of
    if current_trace() is None:
        return open_workspace("table").table(name, as_of=moment)
    return _node("table", name, "tidewheel.Table", {"name": name, "as_of": moment})


def sql(query: str, **parameters: Any) -> Any:
    """The result of a query over tables' snapshots, as an Arrow table; its rows have the order that the query says.

    Args:
        query: DuckDB's SQL; `$name` stands for a parameter.
        parameters: their values.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    if current_trace() is None:
        return open_workspace("sql").sql(query, **parameters)
    arguments = {"query": query, "parameters": to_json(parameters)}
    return _node("sql", "sql", "pyarrow.lib.Table", arguments, step="tidewheel.steps.data_extraction:extract")


def champion(model: str) -> Any:
    """A model's champion as a `Champion`, None when it has none yet.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    if current_trace() is None:
        return open_workspace("champion").champion(model)
    return _node("champion", f"champion-{model}", "tidewheel.Champion", {"name": model})


def _node(kind: NodeKind, name: str, type_name: str, arguments: dict[str, Any], step: str = "") -> Ref:
    trace = current_trace()
    assert trace is not None
    output = OutputSpec(name=SINGLE, annotation=type_name.rpartition(".")[2], type_names=(type_name, "object"))
    node = trace.add(kind, name, (output,), arguments=arguments, step=step)
    return Ref(node.id, SINGLE, output.type_names)


def open_workspace(what: str) -> Resolver:
    """The workspace that reads at once, for a call outside of a pipeline.

    Args:
        what: the call, for the message.

    Raises:
        DefinitionError: no workspace is open, or this is the body of a step.
    """
    if is_inside_step():
        raise DefinitionError(
            f"{what}(...) is called in the body of a step, which reads nothing by itself",
            (),
            next_step=f"call {what}(...) in the pipeline and hand its result to the step as an argument",
        )
    if _resolver is None:
        raise DefinitionError(
            f"{what}(...) is called outside of a pipeline, and no workspace is open",
            (),
            next_step="call tidewheel.open(path) first",
        )
    return _resolver
