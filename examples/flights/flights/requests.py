"""Questions to the endpoint and, later, their answers in truth: rows as JSON of the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd

from flights.departures import start_of
from flights.features import CATEGORICAL, FEATURES

INTEGERS = ("month", "weekday", "hour")


def rows_between(questions: pd.DataFrame, first: date, end: date) -> pd.DataFrame:
    """The flights scheduled from the beginning of day `first` until that of day `end`, in the order of departure.

    Flights that were cancelled later are among them: two hours before, nobody knew.

    Args:
        questions: as `features.questions` gives them.
        first: a day in New York.
        end: the day after the last.
    """
    at = questions["scheduled_at"]
    chosen = questions[(at >= start_of(first)) & (at < start_of(end))]
    return chosen.sort_values(["scheduled_at", "flight_id"], kind="stable").reset_index(drop=True)


def payload(rows: pd.DataFrame) -> dict[str, Any]:
    """One request for some flights; the flight's id is the prediction's id. What is not known is null.

    Example of what goes over the wire:
        {"parameters": {"prediction_ids": ["2013-04-01-EWR-UA1545-0515"]},
         "inputs": [{"name": "month", "shape": [1, 1], "datatype": "INT64", "data": [4]}, ...]}
    """
    return {
        "parameters": {"prediction_ids": rows["flight_id"].tolist()},
        "inputs": [_tensor(name, rows[name]) for name in FEATURES],
    }


def payloads(rows: pd.DataFrame, *, size: int = 500) -> Iterator[dict[str, Any]]:
    """Requests of at most `size` flights each."""
    for start in range(0, len(rows), size):
        yield payload(rows.iloc[start : start + size])


def labels(rows: pd.DataFrame) -> pd.DataFrame:
    """What turned out to be true: `prediction_id`, `label` (1 late, 0 not) and `at`, when it was known, in that order.

    Flights that never arrived have no label.
    """
    arrived = rows[rows["label"].notna()]
    frame = pd.DataFrame(
        {
            "prediction_id": arrived["flight_id"],
            "label": arrived["label"].astype("int64"),
            "at": arrived["outcome_at"],
        }
    )
    return frame.sort_values(["at", "prediction_id"], kind="stable").reset_index(drop=True)


def _tensor(name: str, values: pd.Series) -> dict[str, Any]:
    if name in CATEGORICAL:
        datatype, data = "BYTES", values.astype("object").tolist()
    elif name in INTEGERS:
        datatype, data = "INT64", values.astype("int64").tolist()
    else:
        datatype, data = "FP64", [None if pd.isna(value) else float(value) for value in values]
    return {"name": name, "shape": [len(values), 1], "datatype": datatype, "data": data}
