"""What a model is given when a request leaves features to views: no workspace, a real online store."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from feature_tables import GrowingTable
from tidewheel.core.errors import NotFoundError, SchemaMismatchError
from tidewheel.core.records import EndpointSpec
from tidewheel.feature_store import materialize
from tidewheel.model_package import Field, Signature
from tidewheel.pipeline import FeatureView, OnDemandView
from tidewheel.prediction_service.refusal import Refusal
from tidewheel.prediction_service.view_inputs import ViewInputs

START = datetime(2026, 3, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = pa.timestamp("us", tz="UTC")
SPEED = OnDemandView("speed", inputs={"hours": "double"}, features={"mph": "miles / hours"})


def values(**changes):
    facts = {
        "table": "values",
        "keys": ["entity"],
        "event_time": "event",
        "created_time": "created",
        "ttl": 3 * HOUR,
        "features": ["miles", "name"],
    }
    return FeatureView("values", **{**facts, **changes})


def table(rows):
    """Rows of entity, hour, miles and name; created when it happened, or at a fifth value's hour."""
    return pa.table(
        {
            "entity": [row[0] for row in rows],
            "event": pa.array([START + row[1] * HOUR for row in rows], INSTANT),
            "created": pa.array([START + (row[4] if len(row) > 4 else row[1]) * HOUR for row in rows], INSTANT),
            "miles": pa.array([row[2] for row in rows], pa.float64()),
            "name": [row[3] for row in rows],
        }
    )


def fields(**kinds):
    return Signature(
        inputs=tuple(
            Field(name=name, kind=kind.rstrip("?"), allows_null=kind.endswith("?")) for name, kind in kinds.items()
        ),
        outputs=(),
        task="regression",
    )


class Store:
    """An online store that is filled from a table of one view."""

    def __init__(self, folder, *views):
        self.path = folder / "online.db"
        self.views = views or (values(), SPEED)
        self._table = GrowingTable(folder / "files")

    def put(self, *rows, view=None, until=START + 100 * HOUR):
        materialize(self.path, (view or self.views[0]).definition, self._table(table(rows)), until=until)

    def inputs(self, signature):
        spec = EndpointSpec(
            endpoint="e",
            place="dev",
            model="m",
            version=1,
            package_path="",
            package_digest="",
            package_codec="",
            log_folder="",
            features=tuple(view.definition.meaning() for view in self.views),
            online_path=str(self.path),
        )
        return ViewInputs(spec, signature)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_many_entities_are_answered_in_order_with_null_for_unknown_and_stale(store):
    store.put(*[(f"e{n}", 10 if n % 3 else 5, float(n), f"n{n}") for n in range(2000)])
    inputs = store.inputs(fields(miles="float?", name="string?", mph="float?"))
    asked = {"entity": [f"e{n}" for n in range(2100)] * 2, "hours": [2.0] * 4200}
    found = inputs.complete(asked, 4200, START + 12 * HOUR)
    known = [float(n) if n < 2000 and n % 3 else None for n in range(2100)] * 2
    assert found["miles"] == known
    assert found["mph"] == [None if one is None else one / 2 for one in known]


def test_a_value_counts_to_the_last_microsecond_of_its_time_to_live(store):
    store.put(("a", 0, 1.0, "x"))
    inputs = store.inputs(fields(miles="float?"))
    assert inputs.complete({"entity": ["a"]}, 1, START + 3 * HOUR)["miles"] == [1.0]
    assert inputs.complete({"entity": ["a"]}, 1, START + 3 * HOUR + timedelta(microseconds=1))["miles"] == [None]


def test_a_null_that_the_model_does_not_take_is_refused_with_row_and_view(store):
    store.put(("a", 0, 1.0, "x"))
    inputs = store.inputs(fields(miles="float"))
    with pytest.raises(
        Refusal, match="'miles' takes no null, but for row 1 feature view 'values' gives none"
    ) as caught:
        inputs.complete({"entity": ["a", "b"]}, 2, START)
    assert caught.value.status == 400


def test_not_a_number_is_null(store):
    store.put(("a", 0, float("nan"), "x"))
    assert store.inputs(fields(miles="float?")).complete({"entity": ["a"]}, 1, START)["miles"] == [None]


@pytest.mark.parametrize(
    "row", [pytest.param(("a", 2, 2.0, "x"), id="event"), pytest.param(("a", 0, 2.0, "x", 2), id="creation")]
)
def test_what_is_of_after_the_request_is_refused_and_never_given(store, row):
    store.put(("a", 0, 1.0, "x"))
    inputs = store.inputs(fields(miles="float?"))
    store.put(row, until=START + HOUR)  # it has not happened yet, or nobody knows
    assert inputs.complete({"entity": ["a"]}, 1, START + HOUR)["miles"] == [1.0]
    store.put(row, until=START + 2 * HOUR)
    assert inputs.complete({"entity": ["a"]}, 1, START + 2 * HOUR)["miles"] == [2.0]
    with pytest.raises(Refusal, match="holds values of after") as caught:
        inputs.complete({"entity": ["a"]}, 1, START + HOUR)
    assert caught.value.status == 409
    assert inputs.complete({"entity": ["b"]}, 1, START + HOUR)["miles"] == [None]


def test_features_may_be_in_the_request_in_any_choice(store):
    store.put(("a", 0, 8.0, "x"))
    inputs = store.inputs(fields(miles="float?", name="string?", mph="float?"))
    own = {"miles": [6.0], "name": ["own"], "mph": [1.0]}
    assert inputs.complete(own, 1, None) == own
    assert inputs.complete({"miles": [6], "name": ["own"], "hours": [2]}, 1, START)["mph"] == [3.0]
    assert inputs.complete({"entity": ["a"], "mph": [1.0]}, 1, START) == {"miles": [8.0], "name": ["x"], "mph": [1.0]}
    missing = inputs.form().missing
    assert missing(["miles", "name", "mph"]) == ""
    assert missing(["mph"]) == "missing input 'entity', with which view 'values' gives miles, name"
    assert "'hours', with which view 'speed' gives mph" in missing(["entity"])


def test_what_is_computed_of_features_alone_is_computed_of_those_in_the_request_too(tmp_path):
    store = Store(tmp_path, values(), OnDemandView("far", inputs={}, features={"km": "miles * 1.5"}))
    store.put(("a", 0, 8.0, "x"))
    inputs = store.inputs(fields(miles="float?", km="float?"))
    assert inputs.complete({"entity": ["a"]}, 1, START)["km"] == [12.0]
    assert inputs.form().missing(["miles"]) == ""
    assert inputs.complete({"miles": [6.0]}, 1, START) == {"miles": [6.0], "km": [9.0]}


def test_what_is_only_computed_needs_no_store(tmp_path):
    days = OnDemandView("days", inputs={"hours": "double"}, features={"days": "hours / 24"})
    inputs = Store(tmp_path, values(), days).inputs(fields(days="float"))
    assert list(inputs.form().fields) == ["days", "hours"]
    assert inputs.complete({"hours": [48.0]}, 1, START) == {"days": [2.0]}
    assert inputs.trouble() == ""


def test_what_is_not_online_or_does_not_fit_is_told_before_anything_is_asked(store):
    with pytest.raises(NotFoundError, match=r"online store 'online.db' does not exist"):
        store.inputs(fields(miles="float?"))
    store.put(("a", 0, 1.0, "x"))
    with pytest.raises(SchemaMismatchError, match="'miles' of view 'values' is float, but the model takes integer"):
        store.inputs(fields(miles="integer"))
    with pytest.raises(SchemaMismatchError, match="'mph' of view 'speed' is float, but the model takes string"):
        store.inputs(fields(mph="string"))
    store.views = (values(ttl=HOUR), SPEED)
    with pytest.raises(NotFoundError, match="by another definition"):
        store.inputs(fields(miles="float?"))


def test_a_store_that_the_system_does_not_let_in_is_told_and_found_again(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    store = Store(folder)
    store.put(("a", 0, 8.0, "x"))
    inputs = store.inputs(fields(miles="float?"))
    assert inputs.trouble() == ""
    away = folder.rename(tmp_path / "away")
    folder.touch()  # no folder can be looked into; a permission that is lost is another error of the same kind
    assert inputs.trouble() == "the online store cannot be read: Not a directory"
    with pytest.raises(Refusal) as refused:
        inputs.complete({"entity": ["a"]}, 1, START)
    assert refused.value.status == 503
    folder.unlink()
    away.rename(folder)
    assert inputs.trouble() == ""
    assert inputs.complete({"entity": ["a"]}, 1, START) == {"miles": [8.0]}


def test_a_view_that_is_renamed_is_the_same_view(store):
    store.put(("a", 0, 1.0, "x"))
    store.views = (FeatureView(**{**{n: getattr(values(), n) for n in values().__struct_fields__}, "name": "new"}),)
    assert store.inputs(fields(miles="float?")).complete({"entity": ["a"]}, 1, START)["miles"] == [1.0]


def test_keys_that_json_has_no_form_for_are_texts(tmp_path):
    store = Store(tmp_path, values(keys={"entity": "entity", "day": "event::date", "price": "miles::decimal(6, 2)"}))
    store.put(("a", 0, 12.5, "x"))
    inputs = store.inputs(fields(name="string?"))
    kinds = {name: field.kind for name, field in inputs.form().fields.items()}
    assert (kinds["day"], kinds["price"], kinds["entity"]) == ("date", "decimal", "string")
    asked = {"entity": ["a", "a"], "day": ["2026-03-08", "2026-03-09"], "price": ["12.50", str(Decimal("12.50"))]}
    assert inputs.complete(asked, 2, START)["name"] == ["x", None]
    for price, name in (("12.5", "x"), ("1.25e1", "x"), ("12.504", None), ("NaN", None)):
        one = {"entity": ["a"], "day": ["2026-03-08"], "price": [price]}
        assert inputs.complete(one, 1, START)["name"] == [name]
    with pytest.raises(Refusal, match="'day' takes date as text"):
        inputs.complete({**asked, "day": ["soon", None]}, 2, START)


def test_while_the_store_is_rewritten_every_answer_is_of_one_generation_or_another(store):
    """Declared anew and back again, under a reader: the reader's definition answers, or nothing does."""
    rows = [("a", 0, 1.0, "x"), ("b", 0, 2.0, "y")]
    store.put(*rows)
    inputs, other = store.inputs(fields(miles="float?")), values(features={"miles": "miles * 100", "name": "name"})
    ended, seen, refused = threading.Event(), [], []

    def read():
        while not ended.is_set():
            try:
                seen.append(tuple(inputs.complete({"entity": ["a", "b"]}, 2, START)["miles"]))
            except Refusal as refusal:
                refused.append(refusal.status)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        store.put(*rows, view=other)
        store.put(*rows)
    ended.set()
    reader.join()
    assert set(seen) == {(1.0, 2.0)}
    assert set(refused) <= {503}
    assert store.inputs(fields(miles="float?")).complete({"entity": ["a", "b"]}, 2, START)["miles"] == [1.0, 2.0]
