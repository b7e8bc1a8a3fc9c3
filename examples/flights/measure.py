"""Measures on the real year whether keeping the model fresh pays, and from how far back it should learn.

    python measure.py data

Each month is answered by a model that was frozen at the end of March and by models trained anew before that month.
The steps are called as the plain functions that they are; a copy of the project in a temporary folder holds what the
views read.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from flights.features import as_categories, questions, with_features
from flights.requests import rows_between
from flights.scores import score
from flights.steps.data_extraction import data_extraction
from flights.steps.data_preparation import data_preparation
from flights.steps.model_training import model_training
from get_data import get_data

import tidewheel

HERE = Path(__file__).resolve().parent
MONTHS = tuple(range(4, 10))
POLICIES: Mapping[str, int | None] = {"frozen": None, "all rows": 0, "last 90 days": 90, "last 60 days": 60}
"""Days that training looks back, by the column's name; None is trained for April and never again."""


def read(folder: Path) -> pd.DataFrame:
    """The flights of all months."""
    return pd.concat([pd.read_csv(path) for path in sorted(folder.glob("flights-*.csv"))], ignore_index=True)


def measure(folder: Path) -> pd.DataFrame:
    """ROC AUC and log loss by month and policy; a workspace with weather and planes is open."""
    flights = read(folder)
    features = with_features(questions(flights))
    table = pa.Table.from_pandas(flights, preserve_index=False)
    results = []
    models = {}
    for month in MONTHS:
        until = date(2013, month, 1)
        spine = data_extraction(table, until=until).spine.to_pandas()
        joined = pa.Table.from_pandas(with_features(spine), preserve_index=False)
        asked = rows_between(features, until, date(2013, month + 1, 1))
        asked = asked[asked["label"].notna()]
        for policy, days in POLICIES.items():
            if policy not in models or days is not None:
                splits = data_preparation(joined, until, window_days=days or 0)
                models[policy] = model_training(splits.train, splits.validation).model
            answers = np.asarray(models[policy].predict_proba(as_categories(asked)))[:, 1]
            scores = score(asked["label"].to_numpy(), answers)
            results.append({"month": month, "policy": policy, **scores})
    return pd.DataFrame(results)


def main() -> None:
    """Prints one table of ROC AUC and one of log loss, and their means from May on, where the policies differ."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
    get_data(folder)
    with tempfile.TemporaryDirectory() as temporary:
        project = shutil.copytree(
            HERE, Path(temporary, "project"), ignore=shutil.ignore_patterns(".*", "data", "tests")
        )
        with tidewheel.open(project) as workspace:
            workspace.ingest("weather", sorted(folder.glob("weather-*.csv")))
            workspace.ingest("planes", [folder / "planes.csv"])
            results = measure(folder)
    for name in ("roc_auc", "log_loss", "calibration_error"):
        by_month = results.pivot(index="month", columns="policy", values=name)[list(POLICIES)]
        by_month.loc["May to September"] = by_month.loc[5:].mean()
        print(f"\n{name}\n{by_month.round(4)}")


if __name__ == "__main__":
    main()
