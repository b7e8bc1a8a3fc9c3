"""What does not fit is refused before anything is computed, and told with the way out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from feature_tables import GrowingTable
from tidewheel.core.errors import DefinitionError, NotFoundError, SchemaMismatchError
from tidewheel.feature_store import join
from tidewheel.feature_store.catalog import near_duplicates, search
from tidewheel.pipeline import FeatureView, OnDemandView, features, pipeline, step, table

INSTANT = pa.timestamp("us", tz="UTC")
NEW_YORK = ZoneInfo("America/New_York")
HOURS = [datetime(2026, 3, 8, hour, tzinfo=UTC) for hour in range(5, 10)]


@pytest.fixture
def weather(tmp_path):
    return GrowingTable(tmp_path, "weather")(
        pa.table(
            {
                "origin": ["JFK"] * 5,
                "observed_at": pa.array(HOURS, INSTANT),
                "local": pa.array([moment.replace(tzinfo=None) for moment in HOURS], pa.timestamp("us")),
                "temp": [1.0, 2.0, 3.0, 4.0, 5.0],
                "number": [1, 2, 3, 4, 5],
            }
        )
    )


def view(**changes):
    facts = {"table": "weather", "keys": ["origin"], "event_time": "observed_at", "ttl": None, "features": ["temp"]}
    return FeatureView("weather", **{**facts, **changes}).definition


def spine(**changes):
    facts = {"origin": ["JFK"], "at": pa.array(HOURS[2:3], INSTANT)}
    return pa.table({name: column for name, column in {**facts, **changes}.items() if column is not None})


def joined(definition, rows, reference, **options):
    return join(rows, [definition], {"weather": reference}, event_time="at", **options)[0]


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"features": ["temperature"]}, SchemaMismatchError, "column 'temperature' does not exist in table 'weather'"),
        ({"features": {"f": "tepm * 2"}}, SchemaMismatchError, "did you mean 'temp'"),
        ({"keys": ["orign"]}, SchemaMismatchError, "key 'orign'"),
        ({"event_time": "local"}, SchemaMismatchError, "a time without a time zone"),
        ({"event_time": "temp"}, SchemaMismatchError, "no time"),
        ({"created_time": "local"}, SchemaMismatchError, "say the zone"),
        ({"keys": {"origin": "temp"}}, SchemaMismatchError, "no key"),
        ({"features": {"f": "sum(temp)"}}, DefinitionError, r"uses sum\(\), which is an aggregate"),
        ({"features": {"f": "temp + random()"}}, DefinitionError, "not the same at every call"),
        ({"features": {"f": "lag(temp) over ()"}}, DefinitionError, "uses a window"),
        ({"features": {"f": "(select 1)"}}, DefinitionError, "uses a subquery"),
        ({"features": {"f": "temp, number"}}, DefinitionError, "not one expression"),
        ({"features": {"f": "upper(temp, 1)"}}, DefinitionError, "cannot be computed"),
        ({"features": {"f": "1 +"}}, DefinitionError, "feature view 'weather', feature 'f'"),
        (
            {"event_time": "observed at"},
            DefinitionError,
            "a column whose name is no plain word stands in double quotes",
        ),
    ],
)
def test_a_view_that_does_not_fit_its_table_is_told(weather, changes, error, told):
    with pytest.raises(error, match=told):
        joined(view(**changes), spine(), weather)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"at": pa.array([0], pa.timestamp("us"))}, "column 'at' has no time zone"),
        ({"at": ["2026-03-08"]}, "column 'at' is string, no time"),
        ({"at": None}, "column 'at' is missing"),
        ({"origin": None}, "column 'origin' is missing: the key of feature view 'weather'"),
        ({"origin": [7]}, "key 'origin' is int64 in the spine and string in feature view 'weather'"),
        ({"origin": [1.5]}, "cast the spine's column"),
        ({"Temp": [1.0]}, "differ only in case, which SQL does not see: 'Temp' and 'temp'"),
        ({"temp": [1.0]}, "column 'temp' of the spine is a feature of view 'weather' too"),
    ],
)
def test_a_spine_that_does_not_fit_is_told(weather, changes, told):
    with pytest.raises(SchemaMismatchError, match=told):
        joined(view(), spine(**changes), weather)


def test_a_view_of_an_unknown_table_and_features_of_one_name_are_told(weather):
    with pytest.raises(NotFoundError, match="did you mean 'weather'"):
        joined(view(table="wether"), spine(), weather)
    alike = view(features={"Temp": "temp"})
    with pytest.raises(SchemaMismatchError, match="'temp' and 'Temp'"):
        join(spine(), [view(), alike], {"weather": weather}, event_time="at")
    with pytest.raises(SchemaMismatchError, match="'seen' is missing: the time that says what was known"):
        join(spine(), [view()], {"weather": weather}, event_time="at", as_known="seen")
    with pytest.raises(SchemaMismatchError, match="given by the views 'weather' and 'weather'"):
        join(spine(), [view(), view()], {"weather": weather}, event_time="at")


def test_something_that_is_no_table_is_refused(weather):
    with pytest.raises(SchemaMismatchError, match="the spine is a list"):
        joined(view(), [1], weather)


def test_clocks_that_go_forward_do_not_move_instants(weather):
    local = pd.Series(pd.to_datetime(["2026-03-08 01:59:59", "2026-03-08 03:00:00", "2026-03-08 03:59:59"]))
    frame = pd.DataFrame({"origin": ["JFK"] * 3, "at": local.dt.tz_localize("America/New_York")})
    # 01:59:59 is 06:59:59 UTC; one second later it is three o'clock, which is 07:00 UTC.
    assert joined(view(), frame, weather).column("temp").to_pylist() == [2.0, 3.0, 3.0]


def test_the_hour_that_comes_twice_is_two_hours(tmp_path):
    moments = [datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=fold) for fold in (0, 1)]
    rows = pa.table({"origin": ["JFK"] * 2, "local": pa.array([datetime(2026, 11, 1, 0), datetime(2026, 11, 1, 2)])})  # noqa: DTZ001
    reference = GrowingTable(tmp_path / "local", "weather")(rows.append_column("temp", pa.array([1.0, 2.0])))
    definition = view(event_time="timezone('America/New_York', local)", ttl=timedelta(hours=2))
    asked = pa.table({"origin": ["JFK"] * 2, "at": pa.array([one.astimezone(UTC) for one in moments], INSTANT)})
    # Midnight is 1.5 hours before the first 01:30 and 2.5 hours before the second.
    assert joined(definition, asked, reference).column("temp").to_pylist() == [1.0, None]


def test_a_spine_in_nanoseconds_does_not_see_what_comes_within_its_microsecond(weather):
    asked = spine(at=pa.array([int(HOURS[2].timestamp()) * 10**9 - 1], pa.int64()).cast(pa.timestamp("ns", tz="UTC")))
    assert joined(view(), asked, weather).column("temp").to_pylist() == [2.0]


def test_categories_and_wide_integers_are_keys_like_others(weather):
    by_category = spine(origin=pa.array(["JFK"]).dictionary_encode())
    assert joined(view(), by_category, weather).column("temp").to_pylist() == [3.0]
    by_number = view(keys={"n": "number::smallint"})
    asked = pa.table({"n": pa.array([3, 70_000, -1, None]), "at": pa.array(HOURS[4:] * 4, INSTANT)})
    assert joined(by_number, asked, weather).column("temp").to_pylist() == [3.0, None, None, None]


def test_an_empty_table_and_an_empty_spine_are_joined(tmp_path, weather):
    nothing = GrowingTable(tmp_path / "empty", "weather")
    schema = pa.schema({"origin": pa.string(), "observed_at": INSTANT, "temp": pa.float64()})
    assert joined(view(), spine(), nothing(schema.empty_table())).column("temp").to_pylist() == [None]
    assert joined(view(), spine().slice(0, 0), weather).schema.names == ["origin", "at", "temp"]


def test_the_same_join_gives_the_same_bytes_with_any_threads(weather):
    asked = pa.table({"origin": ["JFK"] * 500, "at": pa.array([HOURS[i % 5] for i in range(500)], INSTANT)})
    one, four = (joined(view(), asked, weather, threads=threads) for threads in (1, 4))
    assert one.equals(four)
    assert [chunk.buffers()[1].to_pybytes() for chunk in one["temp"].chunks] == [
        chunk.buffers()[1].to_pybytes() for chunk in four["temp"].chunks
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"keys": []}, "it is empty @ FeatureView.keys"),
        ({"keys": "origin"}, "not a list of columns"),
        ({"features": ["a b"]}, "'a b' is no name"),
        ({"features": {"f": " "}}, "'f' has no expression"),
        ({"features": ["temp", "temp"]}, "named twice"),
        ({"features": ["origin"]}, "'origin' is an entity key already"),
        ({"ttl": timedelta(0)}, "no positive timedelta"),
        ({"ttl": 3}, "no positive timedelta"),
        ({"event_time": ""}, "names nothing @ FeatureView.event_time"),
    ],
)
def test_a_view_that_cannot_be_meant_is_refused_where_it_is_declared(changes, told):
    with pytest.raises(DefinitionError, match=told):
        view(**changes)


def test_an_on_demand_view_says_what_it_takes():
    with pytest.raises(DefinitionError, match="'number' of 'x' is none of bigint"):
        OnDemandView("v", inputs={"x": "number"}, features={"f": "x"})
    with pytest.raises(DefinitionError, match="no dict of expressions"):
        OnDemandView("v", inputs={}, features=["f"])


def test_a_pipeline_takes_views_and_outputs_only():
    @step
    def anything(rows: object) -> object:
        return rows

    @pipeline
    def flow():
        return anything(features.join(pa.table({}), ["weather"]))

    with pytest.raises(DefinitionError) as caught:
        flow()
    assert len(caught.value.problems) == 2

    @pipeline
    def good():
        return features.join(table("flights"), [FeatureView("w", "w", ["o"], "t", None, ["x"], description="a")])

    node = good().nodes[1]
    assert (node.kind, [output.name for output in node.outputs]) == ("features", ["output", "report"])
    assert "description" not in node.arguments["views"][0]  # what it says does not change what it is


def test_near_duplicates_and_words_are_found():
    views = [
        FeatureView("a", "weather", ["origin"], "t", None, {"temp_c": "(temp - 32) / 1.8"}, owner="ops").definition,
        FeatureView("b", "weather", ["origin"], "t", None, {"celsius": "(TEMP-32)/1.8", "wind": "wind"}).definition,
        FeatureView("c", "airports", ["origin"], "t", None, {"temp_C": "celsius"}, description="gusts").definition,
        FeatureView("d", "planes", ["tail"], "t", None, {"wind": "x"}).definition,
    ]
    found = {(one.first, one.second): one.reason for one in near_duplicates(views)}
    assert set(found) == {("a:temp_c", "b:celsius"), ("a:temp_c", "c:temp_C")}
    assert search(views, "wind weather") == ["b:wind"]
    assert search(views, "gust") == ["c:temp_C"]
    assert search(views, "nothing") == []
