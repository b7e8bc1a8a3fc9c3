"""What the tables are expected to look like; a table that does not is a reason to stop, not to guess."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pandas.api import types

EXPECTED = {
    "flights": {
        **dict.fromkeys(("year", "month", "day", "sched_dep_time", "sched_arr_time"), "whole"),
        **dict.fromkeys(("flight", "distance", "hour", "minute"), "whole"),
        **dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), "number"),
        **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "text"),
        "time_hour": "instant",
    },
    "weather": {
        "origin": "text",
        **dict.fromkeys(("year", "month", "day", "hour"), "whole"),
        **dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"), "number"),
        **dict.fromkeys(("precip", "pressure", "visib"), "number"),
        "time_hour": "instant",
    },
    "planes": {
        **dict.fromkeys(("tailnum", "type", "manufacturer", "model", "engine"), "text"),
        **dict.fromkeys(("year", "speed"), "number"),
        **dict.fromkeys(("engines", "seats"), "whole"),
    },
}
"""Columns and kinds by table; `whole` and `instant` allow no nulls."""

AIRPORTS = frozenset({"EWR", "JFK", "LGA"})
"""The origins that the question is about."""

CARRIERS = frozenset("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split())
"""The airlines that flew from New York in 2013."""


def skew_findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Sentences about missing and unexpected columns and other kinds of values, all tables at once."""
    return [finding for name, rows in tables.items() for finding in _table_findings(name, rows)]


def domain_findings(flights: pd.DataFrame, weather: pd.DataFrame) -> list[str]:
    """Sentences about values that mean something unheard of: another airport, another airline, no such hour."""
    findings = [
        f"{name} has unknown origin {', '.join(unknown)}; known are EWR, JFK, LGA"
        for name, rows in (("flights", flights), ("weather", weather))
        if (unknown := _strangers(rows["origin"], AIRPORTS))
    ]
    if unknown := _strangers(flights["carrier"], CARRIERS):
        findings.append(f"flights has unknown carrier {', '.join(unknown)}")
    clock = flights["sched_dep_time"]
    if wrong := int(((clock < 0) | (clock // 100 > 23) | (clock % 100 > 59)).sum()):
        findings.append(f"flights has {wrong:,} rows whose sched_dep_time is no time of day (hhmm)")
    return findings


def _strangers(values: pd.Series, known: frozenset[str]) -> list[str]:
    return sorted(repr(value) for value in values.dropna().unique() if value not in known)


def _table_findings(name: str, rows: pd.DataFrame) -> list[str]:
    expected = EXPECTED[name]
    missing = [f"{name} lacks column {column!r}" for column in expected if column not in rows]
    unexpected = [f"{name} has unexpected column {column!r}" for column in rows if column not in expected]
    kinds = [
        f"{name}.{column} should hold {kind}s, but {problem}"
        for column, kind in expected.items()
        if column in rows and (problem := _kind_problem(rows[column], kind))
    ]
    return missing + unexpected + kinds


def _kind_problem(values: pd.Series, kind: str) -> str:
    filled = values.dropna()
    if kind in ("whole", "instant") and len(filled) < len(values):
        return f"{len(values) - len(filled):,} of {len(values):,} are null"
    if filled.empty:
        return ""
    if kind == "text":
        is_right = types.is_string_dtype(filled) or isinstance(filled.dtype, pd.CategoricalDtype)
    elif kind == "instant":
        is_right = types.is_datetime64_any_dtype(filled) or _is_instant_text(filled)
    else:
        is_right = types.is_numeric_dtype(filled) and not types.is_bool_dtype(filled)
    if not is_right:
        return f"its type is {filled.dtype}, such as {filled.iloc[0]!r}"
    if kind == "whole" and not (filled == filled // 1).all():
        return "some have a fraction"
    return ""


def _is_instant_text(values: pd.Series) -> bool:
    return types.is_string_dtype(values) and bool(pd.to_datetime(values, utc=True, errors="coerce").notna().all())
