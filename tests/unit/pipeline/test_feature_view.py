"""A declared view as data."""

from __future__ import annotations

import pytest

from tidewheel.pipeline import FeatureView


@pytest.mark.parametrize(
    ("declared", "sql"),
    [
        ("at", '"at"'),
        ("Observed_At", '"Observed_At"'),
        ("timezone('UTC', seen)", "timezone('UTC', seen)"),
        ('"when seen"', '"when seen"'),
    ],
)
def test_a_time_columns_name_may_be_a_word_of_sql(declared, sql):
    view = FeatureView(
        "weather", table="t", keys=["k"], event_time=declared, created_time=declared, ttl=None, features=["x"]
    )
    assert (view.definition.event_time, view.definition.created_time) == (sql, sql)
