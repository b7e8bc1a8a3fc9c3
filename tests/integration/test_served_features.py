"""A real endpoint that looks features up in a real online store: what it answers, logs, refuses and survives."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from click.testing import CliRunner

import tidewheel
from tidewheel.cli.app import app
from tidewheel.core.errors import ConflictError, DefinitionError, DeploymentError, SchemaMismatchError, StorageError
from tidewheel.feature_store import materialize
from tidewheel.loop import tick
from tidewheel.pipeline import features
from tidewheel.prediction_service.client import InferenceClient
from tidewheel.workspace.answers import example_rows

CONFIG = """
[project]
name = "served"
modules = ["served"]

[workspace]
clock = "virtual"

[mlflow]
is_enabled = false
"""
SOURCE = """
from datetime import timedelta

import pandas as pd
from lightgbm import LGBMClassifier
from tidewheel.pipeline import FeatureView, Model, OnDemandView, features, pipeline, step, table
from tidewheel.steps.model_packaging import model_packaging

weather = FeatureView(
    "weather",
    table="weather",
    keys=["origin"],
    event_time="observed_at",
    created_time="created_at",
    ttl=timedelta(hours=3),
    features={"temp_c": "(temp - 32) / 1.8", "wind": "wind"},
)
planes = FeatureView(
    "planes", table="planes", keys=["tail"], event_time="seen_at", ttl=None, features=["seats", "built"]
)
trip = OnDemandView(
    "trip",
    inputs={"miles": "double", "leaves_at": "timestamptz"},
    features={
        "hour": "hour('America/New_York', leaves_at)",
        "chill": "temp_c - wind * miles / 1000",
        "age": "year('UTC', leaves_at) - built",
    },
)
FEATURES = ["miles", "origin", "temp_c", "wind", "seats", "hour", "chill", "age"]


@step
def train(rows: pd.DataFrame) -> LGBMClassifier:
    taken = rows[FEATURES].astype({"origin": "category"})
    return LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1, n_jobs=1).fit(taken, rows["late"])


@step
def sample(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[FEATURES].astype({"origin": "category"})


@pipeline
def training():
    rows = features.join(table("flights"), [weather, planes, trip], event_time="at", as_known="at")
    return {"package": model_packaging(train(rows), sample(rows))}


late = Model("late", pipeline=training, features=(weather, planes, trip))
"""
START = datetime(2026, 3, 8, 5, tzinfo=UTC)
NOW = START + timedelta(hours=30)


def hours(*numbers: float) -> list[datetime]:
    return [START + timedelta(hours=number) for number in numbers]


def flights() -> pd.DataFrame:
    count = 60
    return pd.DataFrame(
        {
            "origin": [("JFK", "LGA", "SFO")[n % 3] for n in range(count)],
            "tail": [("N1", "N2", None)[n % 3] for n in range(count)],
            "at": hours(*(n / 2 for n in range(count))),
            "leaves_at": hours(*(n / 2 + 2 for n in range(count))),
            "miles": [100.0 + 37 * n for n in range(count)],
            "late": [int(n % 5 > 2) for n in range(count)],
        }
    )


def weather(*numbers: float, temp: float = 50.0) -> pd.DataFrame:
    rows = [(origin, START + timedelta(hours=n), temp + n * 1.1) for n in numbers for origin in ("JFK", "LGA")]
    frame = pd.DataFrame(rows, columns=["origin", "observed_at", "temp"])
    return frame.assign(created_at=frame["observed_at"] + timedelta(minutes=5), wind=frame["temp"] / 7)


PLANES = pd.DataFrame({"tail": ["N1", "N2"], "seen_at": hours(-1000, -1000), "seats": [180, 55], "built": [1999, 2013]})


pytestmark = pytest.mark.timeout(400)  # one project is trained for all tests


class Served:
    """The project with a trained and deployed version, and a clock that goes on from test to test."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "tidewheel.toml").write_text(CONFIG)
        self.write(SOURCE)
        self.workspace = tidewheel.open(folder)
        self.now = NOW
        self.advance(0)
        self.ingest("flights", flights())
        self.ingest("weather", weather(*range(30)))
        self.ingest("planes", PLANES)
        self.train()
        self.workspace.promote("late", 1)
        self.workspace.features.materialize()
        self.workspace.deploy("late")

    def write(self, source):
        (self.folder / "served.py").write_text(source)

    def advance(self, minutes):
        """Time goes on; what the weather was meanwhile becomes known, and comes online."""
        before = (self.now - START) // timedelta(hours=1)
        self.now += timedelta(minutes=minutes)
        self.workspace.stores.clock_row.set(self.now)
        passed = range(before + 1, (self.now - START) // timedelta(hours=1) + 1)
        if passed:
            self.ingest("weather", weather(*passed, temp=self.now.minute))
            self.workspace.features.materialize()

    def ingest(self, table, frame):
        path = self.folder / f"{table}-{len(list(self.folder.glob('*.parquet')))}.parquet"
        frame.to_parquet(path)
        self.workspace.ingest(table, [path])

    def train(self):
        run = self.workspace.submit("training")
        assert run.status == "succeeded", run.reason

    def ask(self, columns, ids=None, at=None):
        """By a connection of its own: one that is kept and idle is closed by the server after seconds."""
        with InferenceClient(self.url) as client:
            return client.predict("late", columns, prediction_ids=ids, at=at or self.now)

    @property
    def url(self):
        return self.workspace.endpoints()[0].url

    def logged(self):
        """Inputs, asked and times of the log, in the order of the ids."""
        self.workspace.collect()
        query = 'select prediction_id, inputs, asked, "at" from predictions order by prediction_id'
        rows = self.workspace.sql(query).to_pylist()
        return [{**row, "inputs": json.loads(row["inputs"]), "asked": json.loads(row["asked"] or "{}")} for row in rows]

    def close(self):
        for state in self.workspace.endpoints():
            self.workspace.undeploy(state.endpoint)
        self.workspace.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.close()


KEYS = {
    "origin": ["JFK", "LGA", "SFO", None],
    "tail": ["N1", "N2", "N9", None],
    "miles": [500.0, 80.5, 1200.0, 3.0],
    "leaves_at": [(NOW + timedelta(hours=2)).isoformat()] * 4,
}
FEATURES = ["miles", "origin", "temp_c", "wind", "seats", "hour", "chill", "age"]


def get(url):
    try:
        with urllib.request.urlopen(url) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_served_features_are_in_the_log_and_the_offline_join_gives_the_same_bits(served):
    """Over a day in which the store is materialized every hour, at times between; entities that are not known too."""
    for step in range(6):
        served.advance(0 if not step else 50 if step % 2 else 75)
        ids = [f"{step}-{row}" for row in range(4)]
        asked = {**KEYS, "miles": [one + step / 3 for one in KEYS["miles"]]}
        first = served.ask(asked, ids)
        assert served.ask(asked, ids) == first
    rows = served.logged()
    assert [row["prediction_id"] for row in rows] == [f"{step}-{row}" for step in range(6) for row in range(4)]
    assert all(sorted(row["inputs"]) == sorted(FEATURES) and sorted(row["asked"]) == sorted(KEYS) for row in rows)
    spine = pd.DataFrame([{**row["asked"], "at": row["at"]} for row in rows])
    spine["leaves_at"] = pd.to_datetime(spine["leaves_at"], utc=True)
    joined = features.join(spine, ["weather", "planes", "trip"], event_time="at", as_known="at")
    looked_up = [name for name in FEATURES if name not in KEYS]
    offline = [{name: joined.column(name)[row].as_py() for name in looked_up} for row in range(len(rows))]
    assert [{name: row["inputs"][name] for name in looked_up} for row in rows] == offline
    assert {row["temp_c"] is None for row in offline} == {True, False}
    package = served.workspace.stores.artifacts.load(served.workspace.champion("late").package).open()
    last = {name: [row["inputs"][name] for row in rows[:4]] for name in FEATURES}
    ready = served.ask(last)  # ready features are answered too, and alike
    assert ready["probability"] == package.predict(last)["probability"].tolist()


def test_a_replay_of_the_log_proves_what_views_gave_and_names_what_a_client_computed_otherwise(served):
    served.advance(60)
    since = served.now
    for _ in range(3):
        served.workspace.features.materialize()
        served.ask(KEYS)
        served.advance(20)
    served.workspace.features.materialize()
    clean = served.workspace.features.replay("late", since=since, until=served.now)
    assert (clean.row_count, clean.share, clean.different) == (12, 1.0, ())
    assert {one.feature: one.compared for one in clean.features} == dict.fromkeys(
        ["temp_c", "wind", "seats", "hour", "chill", "age"], 12
    )
    served.ask({**KEYS, "temp_c": [None, None, None, None]})
    served.ask({name: [1.0] * 4 for name in FEATURES} | {"origin": KEYS["origin"], "hour": [1] * 4, "age": [1] * 4})
    found = served.workspace.features.replay("late", since=since)
    assert (found.row_count, found.replayed_count) == (20, 16)  # the last request told no tail, no leaves_at
    different = {one.feature: one for one in found.different}
    assert sorted(different) == ["temp_c", "wind"]
    assert different["temp_c"].different == 2 + 4
    (execution,) = served.workspace.runs(pipeline="replay", limit=1)[0].executions
    inputs = ("predictions", "weather", "planes")
    assert {name: execution.inputs[name].digest for name in inputs} == {
        name: served.workspace.table(name).snapshot.digest for name in inputs
    }
    assert execution.outputs["report"].load() == found.to_dict()


def test_the_command_tells_a_replay_by_its_exit_code_and_names_feature_and_row(served):
    served.advance(1)
    served.workspace.features.materialize()
    served.ask(KEYS)
    asked, before = ["-C", str(served.folder), "features", "replay", "late"], served.now.isoformat()
    served.advance(1)
    alike = CliRunner().invoke(app, [*asked, "--since", before])
    assert (alike.exit_code, "4 of 4 rows replayed (100.0%)" in alike.output) == (0, True)
    assert "bit for bit" in alike.output
    served.ask({**KEYS, "wind": [7.5] * 4}, ["w0", "w1", "w2", "w3"])
    told = CliRunner().invoke(app, [*asked, "--since", served.now.isoformat()])
    assert (told.exit_code, "weather:wind of v1" in told.output) == (1, True)
    assert f"w0 at {served.now.isoformat()}: 7.5 instead of" in told.output
    empty = CliRunner().invoke(app, [*asked, "--until", "2020-01-01", "--json"])
    assert (empty.exit_code, json.loads(empty.output)["row_count"]) == (0, 0)
    assert CliRunner().invoke(app, [*asked[:-1], "lat"]).exit_code == 3


def test_a_repeated_id_gets_the_recorded_answer_although_the_store_has_moved_on(served):
    first = served.ask(KEYS, list("abcd"))
    served.advance(120)
    assert served.ask(KEYS, list("abcd")) == first
    served.ask(KEYS, list("efgh"))
    with pytest.raises(ConflictError, match="other inputs"):
        served.ask({**KEYS, "tail": ["N2"] * 4}, list("abcd"))
    rows = {row["prediction_id"]: row["inputs"] for row in served.logged()}
    assert rows["e"]["temp_c"] != rows["a"]["temp_c"]


def one_row(**columns):
    asked = {name: values[:1] for name, values in KEYS.items()}
    return {name: values for name, values in (asked | columns).items() if values is not None}


def test_a_feature_that_a_request_brings_itself_is_taken_also_where_others_are_computed_from_it(served):
    served.ask(one_row(temp_c=[-5.0]), ["own-1"])
    served.ask(one_row(temp_c=[None]), ["own-2"])
    served.ask(one_row(), ["own-3"])
    own, null, looked_up = (row["inputs"] for row in served.logged() if row["prediction_id"].startswith("own-"))
    assert own["temp_c"] == -5.0
    assert own["chill"] == -5.0 - looked_up["wind"] * 500.0 / 1000
    assert (null["temp_c"], null["chill"]) == (None, None)
    assert looked_up["temp_c"] not in (None, -5.0)


def test_what_is_wrong_with_a_request_is_told_with_the_view(served):
    with pytest.raises(SchemaMismatchError, match="'tail', with which view 'planes' gives seats"):
        served.ask(one_row(tail=None))
    with pytest.raises(SchemaMismatchError, match="missing input 'miles'"):
        served.ask(one_row(miles=None))
    with pytest.raises(SchemaMismatchError, match="'leaves_at' takes instant as text.*no time zone"):
        served.ask(one_row(leaves_at=["2026-03-09T13:00:00"]))
    with pytest.raises(SchemaMismatchError, match=r"'tail' takes BYTES \(texts\), not datatype 'INT64'"):
        served.ask(one_row(tail=[7]))
    with pytest.raises(SchemaMismatchError, match="unexpected input 'built'"):
        served.ask(one_row(built=[1999]))
    with pytest.raises(SchemaMismatchError, match="Tidewheel-At"), InferenceClient(served.url) as client:
        client.predict("late", one_row())


def test_a_request_of_the_past_is_refused_where_the_store_knows_more_by_now(served):
    with pytest.raises(ConflictError, match="'weather' holds values of after"):
        served.ask(one_row(), at=served.now - timedelta(hours=3))
    ready = {name: [1.0] for name in FEATURES} | {"origin": ["JFK"], "hour": [3], "age": [3], "seats": [100]}
    assert served.ask(ready, at=served.now - timedelta(hours=3))["probability"]


def test_the_metadata_tell_keys_and_what_comes_from_views(served):
    told = {one["name"]: one for one in get(f"{served.url}/v2/models/late")[1]["inputs"]}
    assert told["temp_c"]["parameters"] == {"feature_view": "weather"}
    assert told["tail"] == {"name": "tail", "datatype": "BYTES", "shape": [-1], "parameters": {"key_of": ["planes"]}}
    assert told["origin"]["parameters"] == {"key_of": ["weather"]}
    assert told["leaves_at"]["parameters"] == {"input_of": ["trip"], "kind": "instant"}
    assert told["miles"]["parameters"] == {"input_of": ["trip"]}
    assert "built" not in told


def test_without_the_store_the_endpoint_is_not_ready_and_answers_ready_features_only(served):
    path = served.workspace.features.online_path
    ready = {name: [1.0] for name in FEATURES} | {"origin": ["JFK"], "hour": [3], "age": [3], "seats": [100]}
    assert get(f"{served.url}/v2/health/ready") == (200, {"ready": True})
    served.workspace.features.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(StorageError, match="'online.db' does not exist"):
            served.ask(one_row())
        for address in ("v2/health/ready", "v2/models/late/ready"):
            status, told = get(f"{served.url}/{address}")
            assert (status, "online store" in told["error"]) == (503, True)
        assert served.ask(ready)["probability"]
        with pytest.raises(DeploymentError, match="late v1 looks features up: online store") as caught:
            served.workspace.deploy("late")
        assert "tidewheel features materialize" in caught.value.next_step
    finally:
        for leftover in path.parent.glob("online.db*"):
            if leftover.suffix != ".away":
                leftover.unlink()
        path.with_suffix(".away").rename(path)
    assert served.ask(one_row())["probability"]
    assert get(f"{served.url}/v2/models/late/ready")[0] == 200


def test_a_view_that_is_declared_anew_never_answers_for_a_model_that_was_trained_before(served):
    """Without the old definition online nothing is answered; `materialize` keeps it online as long as it is needed."""
    features_of = served.workspace.features
    served.ask(one_row(), ["before"])
    served.write(SOURCE.replace("(temp - 32) / 1.8", "temp"))
    tables = served.workspace.stores.tables
    changed = features_of.find("weather")
    reference = tables.reference(tables.snapshot("weather"))
    materialize(features_of.online_path, changed, reference, until=served.now)
    with pytest.raises(StorageError, match="'weather' is online by another definition than the one"):
        served.ask(one_row())
    with pytest.raises(DeploymentError, match="another definition") as caught:
        served.workspace.deploy("late")
    assert "--model late --version 1" in caught.value.next_step
    try:
        features_of.materialize()
        assert [name.split("@")[0] for name in features_of.online_views()] == ["planes", "weather", "weather"]
        assert served.workspace.deploy("late").version == 1
        served.ask(one_row(), ["beside"])
    finally:
        served.write(SOURCE)
        features_of.materialize()
    assert sorted(features_of.online_views()) == ["planes", "weather"]
    served.ask(one_row(), ["back"])
    rows = {row["prediction_id"]: row["inputs"] for row in served.logged()}
    assert rows["before"] == rows["beside"] == rows["back"]


def test_views_that_the_pipeline_does_not_join_are_told_before_anything_runs(served):
    try:
        served.write(SOURCE.replace("[weather, planes, trip], event", "[weather], event"))
        with pytest.raises(DefinitionError, match=r"does not join view 'planes' \(joined are weather\)"):
            served.workspace.plan("training")
        served.write(SOURCE.replace("features=(weather, planes, trip))", "features=(weather, trip))"))
        with pytest.raises(DefinitionError, match="'trip' uses 'built', which no view before it gives"):
            served.workspace.plan("training")
    finally:
        served.write(SOURCE)


def test_examples_show_keys_and_can_be_asked(served):
    command = [sys.executable, "-m", "tidewheel", "-C", str(served.folder), "predict", "late"]
    example = subprocess.run([*command, "--example"], capture_output=True, text=True, check=True).stdout
    assert [sorted(row) for row in json.loads(example)] == [["leaves_at", "miles", "origin", "tail"]] * 3
    asked = [*command, "-", "--json"]
    answer = subprocess.run(asked, input=example, capture_output=True, text=True, check=True).stdout
    assert len(json.loads(answer)["probability"]) == 3


def test_why_names_the_views_as_they_are_looked_up(served):
    links = [link for link in served.workspace.why("late").links if link.noun == "feature view"]
    assert [link.ref.split("@")[0] for link in links] == ["weather", "planes", "trip"]
    assert "temp_c, wind from weather" in links[0].text


def test_a_tick_brings_the_views_of_what_it_promotes_online_beside_those_of_before(served):
    """There is another champion after it."""
    features_of = served.workspace.features
    served.write(SOURCE.replace("(temp - 32) / 1.8", "temp"))
    served.train()
    served.workspace.models.set_state("late", 2, "approved", reason="looked at")
    served.write(SOURCE.replace("(temp - 32) / 1.8", "temp + 1"))  # and it is declared anew once more
    report = tick(served.workspace)
    assert (report.promoted, report.problems) == (("late/2",), ())
    assert sum("is brought online for late v2" in line for line in report.lines) == 3
    assert [state.version for state in served.workspace.endpoints()] == [2]
    kept = [name for name in features_of.online_views() if name.startswith("weather@")]
    assert len(kept) == 2
    served.ask(one_row(), ["after"])
    assert tick(served.workspace).lines == ("collected 1 prediction",)
    served.workspace.roll_back("late")
    served.ask(one_row(), ["rolled back"])
    rows = {row["prediction_id"]: row["inputs"] for row in served.logged()}
    assert rows["after"]["temp_c"] == pytest.approx(rows["rolled back"]["temp_c"] * 1.8 + 32)


def test_examples_are_whole_where_a_model_also_takes_what_no_view_gives(served):
    served.write(SOURCE.replace('FEATURES = ["miles"', 'FEATURES = ["late", "miles"'))
    served.train()
    newest = max(served.workspace.versions("late"), key=lambda one: one.version)
    for asked in (2, 3, 9):
        rows = example_rows(served.workspace.stores, newest, asked)
        assert [sorted(row) for row in rows] == [["late", "leaves_at", "miles", "origin", "tail"]] * min(asked, 5)
