"""The tables that tests share: made-up days, and the real year when it can be had."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from airport_life import Tables, made_up
from get_data import DataError, get_data


@pytest.fixture(scope="session")
def tables() -> Tables:
    """Forty made-up days; not to be changed in place."""
    return made_up()


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
    flights = pd.concat([pd.read_csv(file) for file in files if file.name.startswith("flights-")], ignore_index=True)
    return Tables(
        flights, *(pd.read_csv(cache / "data" / name) for name in ("weather.csv", "planes.csv", "airports.csv"))
    )
