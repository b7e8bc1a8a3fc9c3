"""A week of requests to a real online store: none of it is skewed, and each known skew that is planted is found.

The eight are: time zone, late event, default value, stale materialization, float width, unit, join order, leakage of
the future.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pytest

from feature_tables import GrowingTable
from tidewheel.core.errors import SchemaMismatchError
from tidewheel.feature_store import join, materialize
from tidewheel.feature_store.logged_row import LoggedRow
from tidewheel.feature_store.pinned_views import PinnedViews
from tidewheel.feature_store.replay import Replay
from tidewheel.feature_store.replay_explanation import explain
from tidewheel.pipeline import FeatureView, OnDemandView

INSTANT = pa.timestamp("us", tz="UTC")
START = datetime(2026, 3, 2, tzinfo=UTC)
WEATHER = FeatureView(
    "weather",
    table="weather",
    keys=["origin"],
    event_time="observed_at",
    created_time="created_at",
    ttl=timedelta(hours=25),
    features={"temp_c": "(temp - 32) / 1.8", "wind": "wind"},
).definition
ROUTES = FeatureView(
    "routes",
    table="routes",
    keys=["origin", "dest"],
    event_time="counted_at",
    created_time="created_at",
    ttl=timedelta(days=30),
    features=["minutes"],
).definition
TRIP = OnDemandView(
    "trip",
    inputs={"miles": "double", "leaves_at": "timestamptz"},
    features={"chill": "temp_c - wind * miles / 1000", "hour": "hour('America/New_York', leaves_at)"},
).definition
VIEWS = [WEATHER, ROUTES, TRIP]
KINDS = {
    "miles": "float",
    "temp_c": "float",
    "wind": "float",
    "minutes": "float",
    "chill": "float",
    "hour": "integer",
}
AIRPORTS = ["JFK", "LGA", "SFO"]


def hours(number):
    return START + timedelta(hours=number)


def observations(hour):
    """The weather of an hour, known five minutes later; every other time SFO lacks a wind and a row is corrected."""
    rows = [(one, hours(hour), hours(hour + 1 / 12), 40 + 7.3 * n + hour / 3.7) for n, one in enumerate(AIRPORTS)]
    if hour % 24 == 0 and hour:
        rows.append(("JFK", hours(hour - 12), hours(hour - 1), 99.1 + hour))
    columns = list(zip(*rows, strict=True))
    wind = [None if one == "SFO" and hour % 24 == 0 else temp / 7 for one, _, _, temp in rows]
    return pa.table(
        {
            "origin": columns[0],
            "observed_at": pa.array(columns[1], INSTANT),
            "created_at": pa.array(columns[2], INSTANT),
            "temp": columns[3],
            "wind": pa.array(wind, pa.float64()),
        }
    )


def routes():
    pairs = [(one, other) for one in AIRPORTS for other in AIRPORTS if one != other]
    return pa.table(
        {
            "origin": [one for one, _ in pairs],
            "dest": [other for _, other in pairs],
            "counted_at": pa.array([START] * len(pairs), INSTANT),
            "created_at": pa.array([START] * len(pairs), INSTANT),
            "minutes": [61.7 + 13.1 * n for n in range(len(pairs))],
        }
    )


class Week:
    """Tables that grow every twelve hours, come online, and are asked about between.

    Args:
        offline_hours: in which nothing is brought online.
    """

    def __init__(self, folder, offline_hours=()):
        weather, online = GrowingTable(folder / "weather", "weather"), folder / "online.db"
        self.references = {"routes": GrowingTable(folder / "routes", "routes")(routes())}
        self.materialized = {"weather": [], "routes": [hours(0.2)]}
        materialize(online, ROUTES, self.references["routes"], until=hours(0.2))
        self.rows = []
        views = PinnedViews(online, VIEWS, KINDS)
        for hour in range(0, 168, 12):
            self.references["weather"] = weather(observations(hour))
            if hour not in offline_hours:
                materialize(online, WEATHER, self.references["weather"], until=hours(hour + 0.2))
                self.materialized["weather"].append(hours(hour + 0.2))
            for number in range(12):
                views.open()
                self.rows.append(self._ask(views, hours(hour + 0.5 + number * 0.9), len(self.rows)))
        views.close()

    def _ask(self, views, at, number):
        asked = {
            "origin": [*AIRPORTS, None][number % 4],
            "dest": AIRPORTS[(number + 1 + number % 2) % 3],
            "miles": 100.5 + number,
            "leaves_at": (at + timedelta(hours=2)).isoformat(),
        }
        given = {**asked, "leaves_at": at + timedelta(hours=2)}
        found = views.find({name: [value] for name, value in given.items()}, 1, at)
        inputs = {"miles": asked["miles"], **{name: values[0] for name, values in found.items()}}
        return LoggedRow(f"p{number:03}", at, inputs, asked)

    def replay(self, rows):
        replay = Replay(7, VIEWS, KINDS, self.references, materialized=self.materialized)
        for start in range(0, len(rows), 120):  # as the log is read: in parts
            replay.add(rows[start : start + 120])
        return replay

    def offline(self, feature, *, shift=timedelta(), as_known=True, keys=("origin", "dest")):
        """What a join that is done wrong gives for all rows."""
        view = WEATHER if feature in WEATHER.features else ROUTES
        spine = pa.table(
            {
                "origin": pa.array([row.asked[keys[0]] for row in self.rows], pa.string()),
                "dest": pa.array([row.asked[keys[1]] for row in self.rows], pa.string()),
                "at": pa.array([row.at + shift for row in self.rows], INSTANT),
                "known": pa.array([row.at for row in self.rows], INSTANT),
            }
        )
        table, _ = join(spine, [view], self.references, event_time="at", as_known="known" if as_known else None)
        return table.column(feature).to_pylist()

    def served(self, feature, values):
        """The rows as if a service had given the model these values, and computed on-demand features from them."""
        rows = []
        for row, value in zip(self.rows, values, strict=True):
            inputs = {**row.inputs, feature: value}
            known = None in (inputs["temp_c"], inputs["wind"])
            inputs["chill"] = None if known else inputs["temp_c"] - inputs["wind"] * inputs["miles"] / 1000
            rows.append(msgspec.structs.replace(row, inputs=inputs))
        return rows


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    return Week(tmp_path_factory.mktemp("week"))


def found(replay):
    return {one.feature: one for one in replay.features() if one.different}


def test_a_clean_week_is_equal_bit_by_bit(week):
    replay = week.replay(week.rows)
    assert found(replay) == {}
    assert (replay.row_count, replay.replayed_count) == (168, 168)
    assert {one.feature: one.compared for one in replay.features()} == dict.fromkeys(list(KINDS)[1:], 168)
    assert len({row.inputs["temp_c"] for row in week.rows}) > 40  # it is no week of nulls


def to_float32(value):
    return None if value is None else struct.unpack("f", struct.pack("f", value))[0]


SKEWS = {
    "time zone": ("temp_c", lambda week: week.offline("temp_c", shift=timedelta(hours=-5)), "5 hours earlier"),
    "late event": ("temp_c", lambda week: week.offline("temp_c", as_known=False), "became known only after"),
    "default value": (
        "wind",
        lambda week: [0.0 if one is None else one for one in week.offline("wind")],
        "null is replaced by 0.0",
    ),
    "float width": ("temp_c", lambda week: map(to_float32, week.offline("temp_c")), "rounded to 32 bits"),
    "unit": (
        "temp_c",
        lambda week: [None if one is None else one * 1.8 + 32 for one in week.offline("temp_c")],
        "1.8 times the value + 32: another unit",
    ),
    "join order": (
        "minutes",
        lambda week: week.offline("minutes", keys=("dest", "origin")),
        "keys 'origin' and 'dest' are exchanged",
    ),
    "leakage of the future": (
        "wind",
        lambda week: week.offline("wind", shift=timedelta(hours=12), as_known=False),
        "12 hours later",
    ),
}


@pytest.mark.parametrize("skew", SKEWS)
def test_a_planted_skew_is_found_and_its_feature_named(week, skew):
    feature, values, explanation = SKEWS[skew]
    different = found(week.replay(week.served(feature, list(values(week)))))
    assert list(different) == [feature]
    assert explanation in different[feature].explanation


def test_a_stale_materialization_is_found_and_its_features_named(tmp_path):
    week = Week(tmp_path, offline_hours=range(60, 84))
    different = found(week.replay(week.rows))
    assert list(different) == ["temp_c", "wind"]
    for feature in different.values():
        assert "nothing newer was online yet" in feature.explanation
        assert all(hours(60) < example.at < hours(90) for example in feature.examples)


def test_a_difference_is_told_with_its_row_and_size(week):
    wrong = [one + 0.25 if one is not None and n == 8 else one for n, one in enumerate(week.offline("temp_c"))]
    (feature,) = found(week.replay(week.served("temp_c", wrong))).values()
    assert (feature.version, feature.view, feature.compared, feature.different) == (7, "weather", 168, 1)
    assert feature.largest == pytest.approx(0.25)
    (example,) = feature.examples
    assert (example.prediction_id, example.at) == ("p008", week.rows[8].at)
    assert example.served == example.offline + 0.25
    assert feature.explanation == ""


def test_an_on_demand_feature_that_is_computed_otherwise_is_named(week):
    rows = [
        msgspec.structs.replace(row, inputs={**row.inputs, "hour": row.inputs["hour"] + (5 if n % 2 else 0)})
        for n, row in enumerate(week.rows)
    ]
    assert list(found(week.replay(rows))) == ["hour"]


def test_rows_without_keys_are_told_as_not_replayed(week):
    without = [
        msgspec.structs.replace(row, asked={name: row.asked[name] for name in row.asked if name != "dest"})
        if n % 4 == 0
        else row
        for n, row in enumerate(week.rows)
    ]
    replay = week.replay(without)
    assert (replay.row_count, replay.replayed_count) == (168, 126)
    assert {one.feature: one.compared for one in replay.features()}["minutes"] == 126
    assert found(replay) == {}


def test_a_request_that_brings_features_without_keys_is_not_compared(week):
    rows = [LoggedRow(row.id, row.at, row.inputs, row.inputs) for row in week.rows]
    replay = week.replay(rows)
    assert replay.replayed_count == 0
    assert {one.feature: one.compared for one in replay.features()} == dict.fromkeys(list(KINDS)[1:], 0)


def test_no_rows_are_no_share(week):
    replay = week.replay([])
    assert (replay.row_count, replay.replayed_count, found(replay)) == (0, 0, {})


def test_a_key_that_has_another_type_by_now_is_refused_with_its_name(week):
    rows = [msgspec.structs.replace(row, asked={**row.asked, "leaves_at": "soon"}) for row in week.rows]
    with pytest.raises(SchemaMismatchError, match="'leaves_at' is timestamp") as caught:
        week.replay(rows)
    assert "trip" in caught.value.where


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([("jfk ", "JFK"), ("lga", "LGA")], "it differs in case or blanks (2 of 2 looked at)"),
        ([(None, 1.5), (None, "x")], "it was not found (2 of 2 looked at)"),
        ([(1.0, 2.0), (5.0, 3.0), (2.5, 7.0)], ""),
        ([(2.0, 1.0), (4.0, 2.0), (6.0, 3.0), (1.0, 9.0)], "it is 2 times the value: another unit (3 of 4 looked at)"),
    ],
)
def test_values_alone_explain_a_fault(pairs, told):
    assert explain(pairs, {}) == told
