"""Data preparation: labels, and a split in the order of time."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from flights.baseline import BASELINE, late_share_by_carrier_and_hour
from flights.departures import NEW_YORK, start_of
from flights.features import FEATURES, as_categories
from tidewheel import StopRun
from tidewheel.pipeline import step


class Splits(NamedTuple):
    """Rows with labels, oldest first, none in two of the three parts.

    `train`, `validation` and `test` have `flight_id`, `scheduled_at` (UTC), `day` (local, `2013-04-01`), `label` (0 or
    1), the features, and `baseline`, the score of the simplest rule, learned from `train`. `sample` has the features of
    a few hundred rows for packaging.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame


@step
def data_preparation(
    joined: pa.Table,
    until: date,
    *,
    test_days: int = 14,
    validation_days: int = 3,
    window_days: int = 0,
    sample_rows: int = 300,
) -> Splits:
    """Makes rows for training, in the order of time, since the future is what the model will meet.

    Args:
        joined: the spine with the features of the views.
        until: the day before whose beginning all of that was known.
        test_days: the newest days, to judge by; newer than what a champion of the last run was trained on.
        validation_days: the days before those, to watch the training by.
        window_days: how far back training looks from there; 0 for as far as there are rows.
        sample_rows: how many rows, spread evenly over the training time, are the package's examples.

    Raises:
        StopRun: a part has no rows, or training has only one class.
    """
    rows = _labelled(joined.to_pandas())
    test_from = start_of(until) - pd.Timedelta(days=test_days)
    validation_from = test_from - pd.Timedelta(days=validation_days)
    train_from = (
        validation_from - pd.Timedelta(days=window_days) if window_days else pd.Timestamp.min.tz_localize("UTC")
    )
    at = rows["scheduled_at"]
    parts = {
        "train": rows[(at >= train_from) & (at < validation_from)],
        "validation": rows[(at >= validation_from) & (at < test_from)],
        "test": rows[at >= test_from],
    }
    empty = [name for name, part in parts.items() if part.empty]
    if empty:
        raise StopRun(f"no flights that arrived are left for {' and '.join(empty)} before {until}")
    if parts["train"]["label"].nunique() < 2:
        raise StopRun("the rows for training are all late or all on time; there is nothing to learn")
    scored = {
        name: part.assign(**{BASELINE: late_share_by_carrier_and_hour(parts["train"], part)})
        for name, part in parts.items()
    }
    return Splits(**scored, sample=as_categories(_sample(parts["train"], sample_rows)))


def _labelled(joined: pd.DataFrame) -> pd.DataFrame:
    rows = joined[joined["label"].notna()].sort_values(["scheduled_at", "flight_id"], kind="stable")
    day = rows["scheduled_at"].dt.tz_convert(NEW_YORK).dt.strftime("%Y-%m-%d")
    rows = rows.assign(label=rows["label"].astype("int64"), day=day)
    return rows[["flight_id", "scheduled_at", "day", "label", *FEATURES]].reset_index(drop=True)


def _sample(train: pd.DataFrame, rows: int) -> pd.DataFrame:
    stride = max(1, len(train) // max(1, rows))
    return train[list(FEATURES)].iloc[::stride].head(rows).reset_index(drop=True)
