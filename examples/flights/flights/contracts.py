"""What the tables are expected to look like: `ingest` holds every batch against it before anybody can read a row.

A batch with other columns or types, of an unknown airport or of an airline that nobody has heard of means something
else than the model was made for: it stops. Single rows that cannot be so go to quarantine, with the reason. Calendar
and flight numbers move with the months; nobody needs to hear of it.
"""

from __future__ import annotations

import pandera.pandas as pa

from tidewheel.pipeline import Contract, Freshness, RowRule

AIRPORTS = ("EWR", "JFK", "LGA")
"""The origins that the question is about."""

CARRIERS = tuple("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split())
"""The airlines that flew from New York in 2013."""

FLIGHT_KEY = ("year", "month", "day", "origin", "carrier", "flight", "sched_dep_time")
"""What no two flights share."""

STRONGEST_WIND_MPH = 253.0
"""The strongest gust ever measured on Earth (Barrow Island, 1996); a higher reading is a broken instrument."""


def _minutes(least: int) -> pa.Column:
    return pa.Column("Int64", pa.Check.in_range(least, 2_880), nullable=True)


def _number(low: float, high: float) -> pa.Column:
    return pa.Column(float, pa.Check.in_range(low, high), nullable=True)


flights = Contract(
    "flights",
    schema=pa.DataFrameSchema(
        {
            "year": pa.Column(int, pa.Check.ge(2013)),
            "month": pa.Column(int, pa.Check.in_range(1, 12)),
            "day": pa.Column(int, pa.Check.in_range(1, 31)),
            "dep_time": pa.Column("Int64", pa.Check.in_range(1, 2400), nullable=True),
            "sched_dep_time": pa.Column(int),
            "dep_delay": _minutes(-120),
            "arr_time": pa.Column("Int64", pa.Check.in_range(1, 2400), nullable=True),
            "sched_arr_time": pa.Column(int, pa.Check.in_range(0, 2400)),
            "arr_delay": _minutes(-240),
            "carrier": pa.Column(str, pa.Check.isin(CARRIERS)),
            "flight": pa.Column(int, pa.Check.ge(0)),
            "tailnum": pa.Column(str, nullable=True),
            "origin": pa.Column(str, pa.Check.isin(AIRPORTS)),
            "dest": pa.Column(str),
            "air_time": pa.Column("Int64", pa.Check.in_range(1, 1440), nullable=True),
            "distance": pa.Column(int, pa.Check.in_range(10, 6_000)),
            "hour": pa.Column(int, pa.Check.in_range(0, 23)),
            "minute": pa.Column(int, pa.Check.in_range(0, 59)),
            "time_hour": pa.Column("datetime64[us, UTC]"),
        }
    ),
    unique=[FLIGHT_KEY],
    freshness=Freshness("time_hour"),
    rules=[
        RowRule("leaves at a time of day", "sched_dep_time between 0 and 2359 and sched_dep_time % 100 < 60"),
        RowRule("goes somewhere else", "origin <> dest"),
        RowRule("arrived, so it left", "arr_time is null or dep_time is not null"),
        RowRule("knows its hour in UTC", "hour(timezone('America/New_York', time_hour)) = hour"),
    ],
    max_null_share={"dep_time": 0.25, "arr_delay": 0.25, "tailnum": 0.05},
    policies={"carrier": "stop", "origin": "stop"},
    profile=dict.fromkeys(("year", "month", "day", "minute", "flight", "tailnum")),
)

weather = Contract(
    "weather",
    schema=pa.DataFrameSchema(
        {
            "origin": pa.Column(str, pa.Check.isin(AIRPORTS)),
            "year": pa.Column(int, pa.Check.ge(2013)),
            "month": pa.Column(int, pa.Check.in_range(1, 12)),
            "day": pa.Column(int, pa.Check.in_range(1, 31)),
            "hour": pa.Column(int, pa.Check.in_range(0, 23)),
            "temp": _number(-60.0, 135.0),
            "dewp": _number(-80.0, 100.0),
            "humid": _number(0.0, 100.0),
            "wind_dir": pa.Column("Int64", pa.Check.in_range(0, 360), nullable=True),
            "wind_speed": _number(0.0, STRONGEST_WIND_MPH),
            "wind_gust": _number(0.0, STRONGEST_WIND_MPH),
            "precip": _number(0.0, 20.0),
            "pressure": _number(850.0, 1_100.0),
            "visib": _number(0.0, 10.0),
            "time_hour": pa.Column("datetime64[us, UTC]"),
        }
    ),
    unique=[("origin", "time_hour")],
    freshness=Freshness("time_hour"),
    policies={"origin": "stop"},
    profile=dict.fromkeys(("year", "month", "day", "hour")),
)

planes = Contract(
    "planes",
    schema=pa.DataFrameSchema(
        {
            "tailnum": pa.Column(str, pa.Check.str_matches(r"^[A-Z0-9]+$")),
            "year": pa.Column("Int64", pa.Check.ge(1903), nullable=True),
            "type": pa.Column(str),
            "manufacturer": pa.Column(str),
            "model": pa.Column(str),
            "engines": pa.Column(int, pa.Check.in_range(1, 8)),
            "seats": pa.Column(int, pa.Check.in_range(1, 900)),
            "speed": pa.Column("Int64", pa.Check.ge(1), nullable=True),
            "engine": pa.Column(str),
        }
    ),
    unique=["tailnum"],
)
