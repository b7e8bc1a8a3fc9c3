"""The questions that the model is asked, and the features that it answers from."""

from __future__ import annotations

import pandas as pd

from flights import congestion
from flights.departures import departures
from flights.views import VIEWS
from tidewheel.pipeline.features import join

CATEGORICAL = ("carrier", "origin", "dest")
FEATURES = (
    *("month", "weekday", "hour", *CATEGORICAL, "distance"),
    *("temp", "wind_speed", "precip", "pressure", "visib"),
    *congestion.COLUMNS,
    *("plane_age", "plane_seats"),
)
"""What the model sees, which is also the endpoint's signature."""

OUTCOME = ("outcome_at", "label")
QUESTION = ("flight_id", "predict_at", "scheduled_at", *CATEGORICAL, "tailnum", "distance", *congestion.COLUMNS)
"""What whoever asks knows by himself; the rest comes from the feature views."""


def questions(flights: pd.DataFrame) -> pd.DataFrame:
    """One row per flight: what is asked two hours before its departure, and, for training, what became of it.

    Args:
        flights: rows of the table `flights`; all of an airport's rows, since the others make its congestion.

    Returns:
        `QUESTION` and `OUTCOME`, in the order and with the index of `flights`; `label` is null for a flight that did
        not arrive.
    """
    known = departures(flights)
    names = {name: flights[name].astype("object").astype("str") for name in CATEGORICAL}
    tails = flights["tailnum"].astype("object")
    asked = pd.DataFrame(
        {
            **names,
            "tailnum": tails.where(tails.notna(), None).astype("str"),
            "distance": flights["distance"].astype("float64"),
        }
    )
    parts = [known[["flight_id", "predict_at", "scheduled_at", *OUTCOME]], asked, congestion.congestion(known)]
    return pd.concat(parts, axis=1)[[*QUESTION, *OUTCOME]]


def with_features(asked: pd.DataFrame) -> pd.DataFrame:
    """Questions with the features of the views as they were when each answer was due, from the workspace that is open.

    It is the join that training uses.
    """
    rows: pd.DataFrame = join(asked, VIEWS, event_time="predict_at").to_pandas()
    return rows


def as_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """The features alone, text columns as pandas categories, which LightGBM takes as they are.

    The model remembers the categories that it was trained on; one that it never saw counts as missing.
    """
    return rows[list(FEATURES)].astype(dict.fromkeys(CATEGORICAL, "category"))
