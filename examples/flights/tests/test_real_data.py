"""The claims of the README on the real year."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from airport_life import Tables
from flights.contracts import AIRPORTS
from flights.departures import TAXI_TIME, departures, flight_id, start_of
from flights.features import as_categories, questions
from flights.leakage import find_leaks
from flights.scores import score
from flights.steps.model_training import model_training

from conftest import open_copy

pytestmark = pytest.mark.real_data


def test_the_dirt_is_what_the_readme_says(real: Tables) -> None:
    flights = real.flights
    assert len(flights) == 336_776
    assert flights["dep_time"].isna().sum() == 8_255
    assert flights["arr_delay"].isna().sum() == 9_430
    assert flights["tailnum"].isna().sum() == 2_512
    assert round(1 - flights["tailnum"].isin(real.planes["tailnum"]).mean(), 3) == 0.156
    assert set(flights["origin"]) == set(AIRPORTS)


def test_the_contracts_hold_for_the_year_but_for_one_wind(real: Tables, tmp_path: Path) -> None:
    with open_copy(tmp_path / "project") as workspace:
        for table, rows in (("flights", 336_776), ("weather", 26_114), ("planes", 3_322)):
            workspace.ingest(table, sorted(real.folder.glob(f"{table}[-.]*csv")))
            assert workspace.table(table).to_arrow().num_rows == rows
        held = workspace.sql("select wind_speed, time_hour from quarantine.weather").to_pandas()
    assert held["wind_speed"].round().tolist() == [1048]
    assert held["time_hour"].dt.strftime("%Y-%m-%dT%H").tolist() == ["2013-02-12T08"]


def test_every_flight_has_a_row_and_every_arrival_a_label(real: Tables, real_features: pd.DataFrame) -> None:
    assert len(real_features) == 336_776
    assert real_features["label"].notna().sum() == 336_776 - 9_430
    assert flight_id(real.flights).is_unique
    assert (departures(real.flights)["scheduled_at"].dt.floor("h") == pd.to_datetime(real.flights["time_hour"])).all()


def test_the_late_share_moves_with_the_season(real_features: pd.DataFrame) -> None:
    shares = real_features.groupby("month")["label"].mean()
    published = [0.23, 0.23, 0.23, 0.28, 0.22, 0.31, 0.32, 0.24, 0.13, 0.17, 0.17, 0.33]
    assert shares.tolist() == pytest.approx(published, abs=0.006)


def test_no_feature_knows_the_future_of_the_real_year(real: Tables) -> None:
    june = real.flights[real.flights["month"] == 6]
    assert find_leaks(questions, june, instants=15) == []


def test_no_flight_taxied_longer_than_is_allowed_for(real: Tables) -> None:
    flights = real.flights[real.flights["air_time"].notna() & real.flights["arr_time"].notna()]
    zones = flights["dest"].map(real.airports.set_index("faa")["tzone"])
    for zone, rows in flights.groupby(zones):
        left = departures(rows)["known_at"].dt.tz_convert(zone)
        clock = rows["arr_time"].astype(int)
        gate_to_gate = ((clock // 100) * 60 + clock % 100 - left.dt.hour * 60 - left.dt.minute) % (24 * 60)
        assert (gate_to_gate - rows["air_time"]).max() < TAXI_TIME.total_seconds() / 60


def test_a_year_of_questions_takes_seconds(real: Tables) -> None:
    began = time.process_time()
    questions(real.flights)
    assert time.process_time() - began < 8


def test_trained_on_the_first_quarter_it_ranks_april_and_may(real_features: pd.DataFrame) -> None:
    rows = real_features[real_features["label"].notna()]
    is_before = rows["scheduled_at"] < start_of(date(2013, 4, 1))
    began = time.process_time()
    model = model_training(rows[is_before], rows[is_before].tail(2_000)).model
    assert time.process_time() - began < 20
    auc = {}
    for month in (4, 5):
        asked = rows[rows["month"] == month]
        answers = model.predict_proba(as_categories(asked))[:, 1]
        auc[month] = score(asked["label"].to_numpy(), answers)["roc_auc"]
    assert auc[4] > 0.68
    assert auc[5] > 0.74
