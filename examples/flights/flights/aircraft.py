"""What is known about the plane, by its tail number."""

from __future__ import annotations

import pandas as pd

COLUMNS = ("plane_age", "plane_seats")
_MISSING = ("", "NA")


def tail_numbers(rows: pd.DataFrame) -> pd.Series:
    """The column `tailnum`, null where the source wrote nothing or `NA`."""
    tails = rows["tailnum"].astype("object")
    return tails.where(tails.notna() & ~tails.isin(_MISSING), None)


def aircraft(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """For each flight `plane_age` (years, by the year of its making) and `plane_seats`; null where it is not known.

    Args:
        flights: rows of the table `flights`.
        planes: rows of the table `planes`, one per tail number.
    """
    known = planes.drop_duplicates("tailnum", keep="last").set_index("tailnum")
    tails = tail_numbers(flights)
    built = tails.map(known["year"].astype("float64")).astype("float64")
    age = flights["year"].astype("float64") - built.where(built > 1900)
    seats = tails.map(known["seats"].astype("float64")).astype("float64")
    return pd.DataFrame({"plane_age": age.clip(lower=0.0), "plane_seats": seats}, index=flights.index)
