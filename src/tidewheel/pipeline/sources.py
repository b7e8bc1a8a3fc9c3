"""What a pipeline reads: tables, queries, champions and references, looked up once when a run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from tidewheel.core.config import DEFAULT_ENGINE
from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.plan import NodeKind, OutputSpec, StepOptions
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.step_signature import SINGLE
from tidewheel.pipeline.tracing import current_trace, is_inside_step


class Resolver(Protocol):
    """Looks things up at once, outside of a pipeline; an open workspace is one."""

    def table(self, name: str, *, as_of: str | None = None) -> Any:
        """A table's snapshot."""

    def sql(self, query: str, *, engine: str | None = None, **parameters: Any) -> Any:
        """A query's result."""

    def champion(self, model: str) -> Any:
        """A model's champion, None when it has none."""

    def reference(self, table: str, *, model: str = "") -> Any:
        """What a table's rows are held against."""

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


def release_resolver(resolver: Resolver) -> None:
    """Lets `table`, `sql` and `champion` read from this workspace no longer; another one that they read from stays."""
    global _resolver
    if _resolver is resolver:
        _resolver = None


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


def sql(query: str, *, engine: str | None = None, **parameters: Any) -> Any:
    """The result of a query over tables' snapshots, as an Arrow table; its rows have the order that the query says.

    Another engine is asked anew in each run, since its tables change without notice; what it answered is kept by its
    digest, `tidewheel resume` takes it over, and steps after it are reused as long as the answer is the same.

    Args:
        query: DuckDB's SQL, or that of the engine; `$name` stands for a parameter.
        engine: the name of an engine that `tidewheel.toml` declares as `[engines.NAME]`.
        parameters: their values.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    if current_trace() is None:
        elsewhere = {} if engine is None else {"engine": engine}
        return open_workspace("sql").sql(query, **elsewhere, **parameters)
    arguments = {"query": query, "parameters": to_json(parameters)}
    if engine is None or engine == DEFAULT_ENGINE:
        return _node("sql", "sql", "pyarrow.lib.Table", arguments, step="tidewheel.steps.data_extraction:extract")
    step = "tidewheel.table_store.protocol:SqlEngine.stream"
    arguments["engine"] = engine
    return _node("sql", "sql", "pyarrow.lib.Table", arguments, step=step, options=StepOptions(is_cached=False))


def champion(model: str) -> Any:
    """A model's champion as a `Champion`, None when it has none yet.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    if current_trace() is None:
        return open_workspace("champion").champion(model)
    return _node("champion", f"champion-{model}", "tidewheel.Champion", {"name": model})


def reference(table: str, *, model: str = "") -> Any:
    """What the rows of a table are held against, as a `tidewheel.steps.reference.Reference`, for `data_validation`:
    the contract that the project declares, and the profile of the rows that the model's champion was trained on.

    Before the first champion, and without a model, the profile is that of the first rows that the table had.

    Args:
        table: its name.
        model: whose champion is meant.

    Raises:
        DefinitionError: called in the body of a step, or with no workspace open.
    """
    if current_trace() is None:
        return open_workspace("reference").reference(table, model=model)
    return _node("reference", f"reference-{table}", "tidewheel.Reference", {"name": table, "model": model})


def _node(
    kind: NodeKind,
    name: str,
    type_name: str,
    arguments: dict[str, Any],
    step: str = "",
    options: StepOptions = StepOptions(),
) -> Ref:
    trace = current_trace()
    assert trace is not None
    output = OutputSpec(name=SINGLE, annotation=type_name.rpartition(".")[2], type_names=(type_name, "object"))
    node = trace.add(kind, name, (output,), arguments=arguments, step=step, options=options)
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
