"""The tables that tests share: made-up days, and the real year when it can be had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from airport_life import Tables, made_up
from flights.features import questions, with_features
from flights.steps.data_extraction import data_extraction
from get_data import DataError, get_data

import tidewheel
from tidewheel.workspace import Workspace

EXAMPLE = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tables() -> Tables:
    """Forty made-up days; not to be changed in place."""
    return made_up()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A copy of this project whose tables are the module's own."""
    with open_copy(tmp_path_factory.mktemp("copy") / "project") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def joined(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """What is known of the made-up days by 8 June, with the features of the views."""
    folder = tmp_path_factory.mktemp("made-up")
    with open_copy(folder / "project") as workspace:
        ingest(workspace, "weather", tables.weather, folder)
        ingest(workspace, "planes", tables.planes, folder)
        spine = data_extraction(pa.Table.from_pandas(tables.flights), until=date(2013, 6, 8)).spine
        return pa.Table.from_pandas(with_features(spine.to_pandas()))


@pytest.fixture(scope="session")
def real_features(real: Tables, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The whole year's questions with their features."""
    with open_copy(tmp_path_factory.mktemp("real") / "project") as workspace:
        workspace.ingest("weather", sorted(real.folder.glob("weather-*.csv")))
        workspace.ingest("planes", [real.folder / "planes.csv"])
        return with_features(questions(real.flights))


def open_copy(folder: Path) -> Workspace:
    shutil.copytree(EXAMPLE / "flights", folder / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE / "tidewheel.toml", folder)
    return tidewheel.open(folder)


def ingest(workspace: Workspace, table: str, rows: pd.DataFrame, folder: Path) -> None:
    rows.to_csv(folder / f"{table}.csv", index=False)
    workspace.ingest(table, [folder / f"{table}.csv"])


@pytest.fixture(scope="session")
def real() -> Tables:
    """The year 2013 as published, downloaded once into `FLIGHTS_CACHE` or the project's `.cache`."""
    cache = Path(os.environ.get("FLIGHTS_CACHE") or Path(__file__).parents[1] / ".cache")
    try:
        files = get_data(cache / "data", cache=cache)
    except DataError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    flights, weather = (
        pd.concat([pd.read_csv(file) for file in files if file.name.startswith(name)], ignore_index=True)
        for name in ("flights-", "weather-")
    )
    planes, airports = (pd.read_csv(cache / "data" / name) for name in ("planes.csv", "airports.csv"))
    return Tables(flights, weather, planes, airports, cache / "data")
