"""How the origin airport was doing, by what had already happened there."""

from __future__ import annotations

import numpy as np
import pandas as pd

WINDOW = pd.Timedelta(hours=3)
WAITING_AFTER = pd.Timedelta(minutes=15)
"""A flight that has not left this long after its schedule is seen to be waiting."""

COLUMNS = ("congestion_delay", "congestion_cancelled", "congestion_waiting")


def congestion(departures: pd.DataFrame) -> pd.DataFrame:
    """Delays and cancellations at each flight's origin, as they were known when its answer was due.

    A flight counts from the instant its delay or cancellation was there to be seen, so none counts itself: its own
    answer is due two hours before.

    Args:
        departures: as `departures.departures` gives them.

    Returns:
        Of the flights that left in the three hours before, `congestion_delay`, the mean delay in minutes; of those and
        the flights called off in that time, `congestion_cancelled`, the share 0..1 called off; both null when there
        were none. `congestion_waiting`: how many flights were overdue and still there. Index as given.
    """
    columns = {name: np.full(len(departures), np.nan) for name in COLUMNS}
    origin = departures["origin"].to_numpy()
    for airport in pd.unique(origin):
        here = np.flatnonzero(origin == airport)
        flights = departures.iloc[here]
        asked = _microseconds(flights["predict_at"])
        columns["congestion_delay"][here], columns["congestion_cancelled"][here] = _recent(flights, asked)
        columns["congestion_waiting"][here] = _waiting(flights, asked)
    return pd.DataFrame(columns, index=departures.index)


def _recent(flights: pd.DataFrame, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean delay and share cancelled of one airport's events in the window before each instant asked for.

    Running totals over the events in time order make any window the difference of two look-ups. They are sums of whole
    minutes, so a window's sum does not depend on what came before it, as it would by rounding.
    """
    past = flights[flights["known_at"].notna()].sort_values("known_at", kind="stable")
    at = _microseconds(past["known_at"])
    until = np.searchsorted(at, asked, side="left")
    since = np.searchsorted(at, asked - _width(WINDOW), side="left")
    is_cancelled = past["is_cancelled"].to_numpy(bool)
    minutes = _running(past["delay"].fillna(0.0).to_numpy().astype("int64"))
    cancelled = _running(is_cancelled.astype("int64"))
    events = (until - since).astype("float64")
    called_off = (cancelled[until] - cancelled[since]).astype("float64")
    return _ratio(minutes[until] - minutes[since], events - called_off), _ratio(called_off, events)


def _waiting(flights: pd.DataFrame, asked: np.ndarray) -> np.ndarray:
    """How many flights of one airport were overdue at each instant: those that had become it less those released."""
    overdue_at = flights["scheduled_at"] + WAITING_AFTER
    is_overdue = ~(flights["known_at"] <= overdue_at)
    began = np.sort(_microseconds(overdue_at[is_overdue]))
    ended = np.sort(_microseconds(flights["known_at"][is_overdue].dropna()))
    waiting = np.searchsorted(began, asked, side="left") - np.searchsorted(ended, asked, side="left")
    return np.asarray(waiting, dtype="float64")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio


def _running(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(values)])


def _microseconds(instants: pd.Series) -> np.ndarray:
    return instants.astype("datetime64[us, UTC]").astype("int64").to_numpy()


def _width(duration: pd.Timedelta) -> int:
    return int(duration // pd.Timedelta(microseconds=1))
