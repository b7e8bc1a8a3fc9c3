"""Catches a feature that knows the future.

The check asks for no opinion about which column is safe. It takes an instant, replaces everything that became known
after it by something else, computes the features again, and demands that those of the flights whose answer was due at
that instant stay the same. What comes from feature views needs no such check: their join looks at times itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from flights.departures import departures
from flights.features import QUESTION

Compute = Callable[[pd.DataFrame], pd.DataFrame]
_NEARBY = pd.Timedelta(days=1)


def find_leaks(
    compute: Compute,
    flights: pd.DataFrame,
    *,
    instants: int = 12,
    seed: int = 0,
    features: tuple[str, ...] = QUESTION,
) -> list[str]:
    """The features that change when only the future does.

    Args:
        compute: what makes features of the table, such as `features.questions`.
        flights: rows of at least a day; the rows within a day of each instant are used.
        instants: how many answers' instants are tried; each costs two computations on two days of rows.
        seed: of the choice of instants and of the replacement.
        features: the columns to compare.

    Returns:
        Names of leaking features, in the order of `features`; empty when none was seen to leak.
    """
    random = np.random.default_rng(seed)
    due = departures(flights)["predict_at"]
    found: set[str] = set()
    for instant in pd.Series(due.unique()).sample(min(instants, due.nunique()), random_state=seed):
        rows = flights[(due - instant).abs() <= _NEARBY]
        asked = due[rows.index] == instant
        before = compute(rows)[asked]
        after = compute(other_flights(rows, instant, random))[asked]
        found |= {name for name in features if not before[name].equals(after[name])}
    return [name for name in features if name in found]


def other_flights(flights: pd.DataFrame, instant: pd.Timestamp, random: np.random.Generator) -> pd.DataFrame:
    """The same flights, with another fate wherever it was not known at the instant."""
    known = departures(flights)
    rows = flights.copy()
    has_departed = (known["known_at"] < instant).to_numpy()
    has_arrived = (known["outcome_at"] < instant).to_numpy()
    count = len(rows)
    # Whatever the new departure is, it lies after the instant, as the true one did.
    soonest = np.ceil((instant - known["scheduled_at"]).dt.total_seconds().to_numpy() / 60)
    delay = np.maximum(soonest, -20) + random.integers(1, 240, count)
    # A cancellation may take a flight's place only where it, too, would not have been known yet.
    may_cancel = soonest <= 25
    is_cancelled = (random.random(count) < 0.3) & may_cancel
    fate = {
        "dep_time": np.where(is_cancelled, np.nan, random.integers(1, 2400, count)),
        "dep_delay": np.where(is_cancelled, np.nan, delay),
    }
    arrival = {
        "arr_time": np.where(is_cancelled, np.nan, random.integers(1, 2400, count)),
        "arr_delay": np.where(is_cancelled, np.nan, delay + random.integers(-60, 60, count)),
        "air_time": np.where(is_cancelled, np.nan, random.integers(30, 600, count)),
    }
    for name, values in fate.items():
        rows[name] = np.where(has_departed, rows[name].astype("float64"), values)
    for name, values in arrival.items():
        # A flight in the air keeps its departure, so it cannot be cancelled any more.
        values = np.where(has_departed & np.isnan(values), 0.0, values)
        rows[name] = np.where(has_arrived, rows[name].astype("float64"), values)
    return rows
