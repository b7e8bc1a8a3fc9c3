"""A spine with features: what the pipeline node `features.join(...)` does in a worker, and at once in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tidewheel.core.errors import NotFoundError, SchemaMismatchError
from tidewheel.feature_store.duckdb_join import join_view
from tidewheel.feature_store.expression import OnDemand
from tidewheel.feature_store.report import JoinReport, ViewReport
from tidewheel.feature_store.spine import Spine
from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition
from tidewheel.table_store import TableReference
from tidewheel.table_store.arrow_types import check_case

Definition = ViewDefinition | OnDemandDefinition


def join(
    spine: Any,
    views: Sequence[Definition],
    references: Mapping[str, TableReference],
    *,
    event_time: str = "event_time",
    as_known: str | None = None,
    threads: int | None = None,
) -> tuple[pa.Table, JoinReport]:
    """The spine's columns and those of the views, row for row; equal inputs give equal bytes with any threads.

    Args:
        spine: an Arrow table, data frame or table's snapshot.
        views: in the order of their columns; on-demand ones may use features of those before them.
        references: the snapshots by table.
        event_time: the spine's column that says for when.
        as_known: the spine's column that says what was known.
        threads: how many DuckDB may use; all cores by default.

    Raises:
        SchemaMismatchError: two views give a column of one name, whatever its case, or a column or type does not fit.
        NotFoundError: a view's table is not among the references.
    """
    _check_names(views)
    prepared = Spine(spine, event_time, as_known)
    result, reports = prepared.rows, []
    _check_free(result.column_names, views)
    features: dict[str, Any] = {}
    for view in views:
        if isinstance(view, OnDemandDefinition):
            given = dict(zip(prepared.rows.column_names, prepared.rows.columns, strict=True))
            found = OnDemand(view).compute(given, features, result.num_rows)
        else:
            columns, report = join_view(prepared, view, _reference(view, references), threads=threads)
            found = dict(zip(columns.column_names, columns.columns, strict=True))
            reports.append(report)
        for name, column in found.items():
            result = result.append_column(name, column)
        features |= found
    return result, JoinReport(rows=result.num_rows, views=tuple[ViewReport, ...](reports))


def _reference(view: ViewDefinition, references: Mapping[str, TableReference]) -> TableReference:
    if view.table not in references:
        raise NotFoundError("table", view.table, known=references, where=f"feature view {view.name!r}")
    return references[view.table]


def _check_names(views: Sequence[Definition]) -> None:
    owners: dict[str, str] = {}
    for view in views:
        for name in view.features:
            if name in owners:
                raise SchemaMismatchError(
                    f"feature {name!r} is given by the views {owners[name]!r} and {view.name!r}",
                    next_step=f"name one otherwise: features={{'{view.name}_{name}': ...}}",
                )
            owners[name] = view.name
    check_case(owners)


def _check_free(columns: Sequence[str], views: Sequence[Definition]) -> None:
    for view in views:
        taken = sorted(set(columns) & set(view.features))
        if taken:
            raise SchemaMismatchError(
                f"column {taken[0]!r} of the spine is a feature of view {view.name!r} too",
                next_step="rename or drop the spine's column",
            )
        for name in view.features:
            check_case(dict.fromkeys([*(column for column in columns if column.casefold() == name.casefold()), name]))
