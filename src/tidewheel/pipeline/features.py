"""Features of entities as they were known at a time: `features.join(spine, views)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline.feature_view import FeatureView, OnDemandView
from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.plan import OutputSpec
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.sources import open_workspace
from tidewheel.pipeline.step_signature import SINGLE
from tidewheel.pipeline.tracing import current_trace, input_spec

JOIN_STEP = "tidewheel.feature_store.point_in_time:join"
REPORT = "report"


def join(
    spine: Any,
    views: Sequence[Any],
    *,
    event_time: str = "event_time",
    as_known: str | None = None,
    snapshots: Mapping[str, int] | None = None,
) -> Any:
    """The rows of a spine with the features that were true at each row's time.

    Every row of the spine comes once and in its place, duplicates too. It gets the last value at or before its event
    time that is not older than the view's `ttl`, else null. In a pipeline this is a node: the tables' snapshots are
    pinned when the run starts, and the node's second output `report` tells what was found. In a notebook it is carried
    out at once on the current snapshots.

    Args:
        spine: rows with entity keys and a time: in a pipeline the output of a table, query or step, in a notebook an
            Arrow table or data frame.
        views: `FeatureView`s and `OnDemandView`s; in a notebook their names will do. Later ones may use features of
            earlier ones where they are on demand.
        event_time: the column of the spine that says for when; it has a time zone.
        as_known: the column of the spine that says what was known: rows created later are not seen. Without it a
            correction may look ahead, which the report counts.
        snapshots: ids of snapshots by table, to read other ones than the current.

    Raises:
        DefinitionError: called in the body of a step, with no workspace open, or with something that is no view.
        SchemaMismatchError: a column is missing, has no time zone, or its type is not that of the view's key.
    """
    trace = current_trace()
    if trace is None:
        return open_workspace("features.join").join_features(
            spine, views, event_time=event_time, as_known=as_known, snapshots=snapshots
        )
    problems = [
        f"{view!r} is no FeatureView or OnDemandView @ features.join, views[{index}]"
        for index, view in enumerate(views)
        if not isinstance(view, FeatureView | OnDemandView)
    ]
    if not isinstance(spine, Ref):
        problems.append(f"the spine is a {type(spine).__name__}, no output of a node @ features.join, spine")
    if problems:
        raise DefinitionError("features cannot be joined", problems, next_step="import the views and pass them")
    arguments = {
        "views": [view.definition.meaning() for view in views],
        "event_time": event_time,
        "as_known": as_known,
        "snapshots": {table: str(number) for table, number in (snapshots or {}).items()},
    }
    outputs = (
        OutputSpec(name=SINGLE, annotation="Table", type_names=("pyarrow.lib.Table", "object")),
        OutputSpec(name=REPORT, annotation="dict", type_names=("builtins.dict", "object")),
    )
    node = trace.add(
        "features",
        "features",
        outputs,
        arguments=to_json(arguments),
        step=JOIN_STEP,
        inputs={"spine": input_spec(spine)},
        input_types={"spine": ("pyarrow.lib.Table", "object")},
    )
    return Ref(node.id, SINGLE, node.outputs[0].type_names)
