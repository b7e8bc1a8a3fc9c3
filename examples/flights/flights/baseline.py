"""The rule that a model must beat: airlines and hours have their history."""

from __future__ import annotations

import pandas as pd

BASELINE = "baseline"
_KEYS = ["carrier", "hour"]
_PRIOR_FLIGHTS = 50
"""Flights of average lateness that each pair starts with, so that rare pairs do not score 0 or 1."""


def late_share_by_carrier_and_hour(train: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """The share late in `train` of each row's airline and scheduled hour, drawn to the mean where flights are few.

    Args:
        train: rows with `carrier`, `hour` and `label`.
        rows: rows with `carrier` and `hour`.

    Returns:
        Scores 0..1 with the index of `rows`.
    """
    mean = float(train["label"].mean())
    history = train.groupby(_KEYS)["label"].agg(["sum", "count"])
    share = (history["sum"] + mean * _PRIOR_FLIGHTS) / (history["count"] + _PRIOR_FLIGHTS)
    scores = share.reindex(pd.MultiIndex.from_frame(rows[_KEYS])).fillna(mean)
    return pd.Series(scores.to_numpy(), index=rows.index)
