"""The claims of the README on the real year."""

from __future__ import annotations

import time
from datetime import date

import pandas as pd
import pyarrow as pa
import pytest
from airport_life import Tables
from flights.departures import TAXI_TIME, departures, flight_id, start_of
from flights.features import as_categories, build_features
from flights.leakage import find_leaks
from flights.scores import score
from flights.steps.data_validation import data_validation
from flights.steps.model_training import model_training

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def features(real: Tables) -> pd.DataFrame:
    return build_features(*real[:3])


def test_the_dirt_is_what_the_readme_says(real: Tables) -> None:
    report = data_validation(*real[:3], pa.Table.from_pandas(real.airports))
    assert (report.flights, report.repeated_flights, report.pending) == (336_776, 0, 0)
    assert report.cancelled == 8_255
    assert report.without_arrival_delay == 9_430
    assert report.without_tail_number == 2_512
    assert round(report.without_plane_share, 3) == 0.156
    assert report.destinations_without_airport == ["BQN", "PSE", "SJU", "STT"]
    assert report.clock_disagreements == 0
    assert (report.impossible_winds, round(report.strongest_impossible_wind_mph)) == (1, 1048)


def test_every_flight_has_a_row_and_every_arrival_a_label(real: Tables, features: pd.DataFrame) -> None:
    assert len(features) == 336_776
    assert features["label"].notna().sum() == 336_776 - 9_430
    assert flight_id(real.flights).is_unique


def test_the_late_share_moves_with_the_season(real: Tables, features: pd.DataFrame) -> None:
    shares = features.groupby("month")["label"].mean()
    published = [0.23, 0.23, 0.23, 0.28, 0.22, 0.31, 0.32, 0.24, 0.13, 0.17, 0.17, 0.33]
    assert shares.tolist() == pytest.approx(published, abs=0.006)


def test_no_feature_knows_the_future_of_the_real_year(real: Tables) -> None:
    june = real.flights[real.flights["month"] == 6]
    assert find_leaks(build_features, june, real.weather, real.planes, instants=15) == []


def test_no_flight_taxied_longer_than_is_allowed_for(real: Tables) -> None:
    flights = real.flights[real.flights["air_time"].notna() & real.flights["arr_time"].notna()]
    zones = flights["dest"].map(real.airports.set_index("faa")["tzone"])
    for zone, rows in flights.groupby(zones):
        left = departures(rows)["known_at"].dt.tz_convert(zone)
        clock = rows["arr_time"].astype(int)
        gate_to_gate = ((clock // 100) * 60 + clock % 100 - left.dt.hour * 60 - left.dt.minute) % (24 * 60)
        assert (gate_to_gate - rows["air_time"]).max() < TAXI_TIME.total_seconds() / 60


def test_a_year_of_features_takes_seconds(real: Tables) -> None:
    began = time.process_time()
    build_features(*real[:3])
    assert time.process_time() - began < 8


def test_trained_on_the_first_quarter_it_ranks_april_and_may(features: pd.DataFrame) -> None:
    rows = features[features["label"].notna()]
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
