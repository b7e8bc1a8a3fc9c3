"""Data analysis: what the rows look like, for a person to look at."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from flights.departures import NEW_YORK, departures
from tidewheel.pipeline import step


class Analysis(NamedTuple):
    """Numbers and a picture."""

    summary: dict[str, Any]
    figure: Figure


@step
def data_analysis(flights: pd.DataFrame, weather: pd.DataFrame) -> Analysis:
    """Counts, and how the share of late flights moves with month, hour, airline and airport.

    Returns:
        `summary`: row counts, first and last day, late share overall and by group (0..1, of the flights that arrived).
        `figure`: the late share by month and by hour.
    """
    fate = departures(flights)
    local = fate["scheduled_at"].dt.tz_convert(NEW_YORK)
    arrived = fate["label"].notna()
    groups = {
        "month": local.dt.month,
        "hour": local.dt.hour,
        "carrier": flights["carrier"],
        "origin": flights["origin"],
    }
    shares = {name: _late_share(fate["label"][arrived], keys[arrived]) for name, keys in groups.items()}
    summary = {
        "flights": len(flights),
        "arrived": int(arrived.sum()),
        "weather_observations": len(weather),
        "first_day": str(local.min().date()) if len(local) else "",
        "last_day": str(local.max().date()) if len(local) else "",
        "late_share": float(fate["label"].mean()) if arrived.any() else None,
        "late_share_by": shares,
    }
    return Analysis(summary=summary, figure=_draw(shares))


def _late_share(labels: pd.Series, keys: pd.Series) -> dict[str, float]:
    shares = labels.groupby(keys.to_numpy()).mean().sort_index()
    return {str(key): round(float(share), 4) for key, share in shares.items()}


def _draw(shares: dict[str, dict[str, float]]) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("month", "hour"), strict=True):
        axes.bar(list(shares[name]), list(shares[name].values()), color="#3b6ea5")
        axes.set_xlabel(name)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share late by more than 15 minutes")
    return figure
