from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from airport_life import Tables, cancelled, flight, made_up
from flights.congestion import COLUMNS, WAITING_AFTER, WINDOW, congestion
from flights.departures import departures


def of_last(*rows: dict[str, object]) -> dict[str, float]:
    """The congestion of the flight given last."""
    return congestion(departures(pd.DataFrame(rows))).iloc[-1].to_dict()


ASKED = flight(flight=99, sched_dep_time=1400)  # its answer is due at 12:00


def test_delays_and_cancellations_of_the_last_three_hours_count() -> None:
    left = flight(sched_dep_time=1000, dep_delay=30)
    also_left = flight(flight=2, sched_dep_time=1100, dep_delay=10)
    called_off = cancelled(flight=3, sched_dep_time=1110)
    too_old = flight(flight=4, sched_dep_time=800, dep_delay=59)
    assert of_last(left, also_left, called_off, too_old, ASKED) == {
        "congestion_delay": 20.0,
        "congestion_cancelled": pytest.approx(1 / 3),
        "congestion_waiting": 0.0,
    }


def test_what_had_not_happened_by_then_does_not_count() -> None:
    leaves_at_noon = flight(sched_dep_time=1130, dep_delay=30)
    called_off_later = cancelled(flight=2, sched_dep_time=1140)
    seen = of_last(leaves_at_noon, called_off_later, ASKED)
    assert np.isnan(seen["congestion_delay"])
    assert np.isnan(seen["congestion_cancelled"])


def test_a_flight_that_is_overdue_and_still_there_is_waiting() -> None:
    overdue = flight(sched_dep_time=1100, dep_delay=200)
    not_yet = flight(flight=2, sched_dep_time=1150, dep_delay=200)
    gone = flight(flight=3, sched_dep_time=1100, dep_delay=40)
    pending = cancelled(flight=4, sched_dep_time=1100, is_pending=True)
    assert of_last(overdue, not_yet, gone, pending, {**ASKED, "is_pending": False})["congestion_waiting"] == 2.0


def test_other_airports_do_not_count() -> None:
    seen = of_last(flight(origin="JFK", sched_dep_time=1000, dep_delay=90), ASKED)
    assert np.isnan(seen["congestion_delay"])


@pytest.mark.parametrize("seed", range(3))
def test_running_totals_agree_with_counting_each_window(seed: int) -> None:
    fate = departures(made_up(days=2, seed=seed).flights.sample(frac=1, random_state=seed))
    expected = pd.DataFrame([slowly(fate, row) for _, row in fate.iterrows()], index=fate.index, columns=list(COLUMNS))
    pd.testing.assert_frame_equal(congestion(fate), expected)


def slowly(fate: pd.DataFrame, asked: pd.Series) -> tuple[float, float, float]:
    here = fate[fate["origin"] == asked["origin"]]
    now = asked["predict_at"]
    recent = here[(here["known_at"] >= now - WINDOW) & (here["known_at"] < now)]
    waiting = here[(here["scheduled_at"] + WAITING_AFTER < now) & ~(here["known_at"] < now)]
    left = recent[~recent["is_cancelled"]]
    delay = left["delay"].mean() if len(left) else np.nan
    share = recent["is_cancelled"].mean() if len(recent) else np.nan
    return delay, share, float(len(waiting))


def test_the_order_of_rows_does_not_matter(tables: Tables) -> None:
    fate = departures(tables.flights)
    shuffled = congestion(fate.sample(frac=1, random_state=5)).sort_index()
    pd.testing.assert_frame_equal(shuffled, congestion(fate))
