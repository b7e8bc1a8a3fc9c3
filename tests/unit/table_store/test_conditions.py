"""Which conditions a contract takes: those that say the same of a row at any time."""

from __future__ import annotations

import pytest

from tidewheel.core.errors import ParameterError
from tidewheel.table_store.duckdb_syntax import parse_condition


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seen < now()", "now(), which is not the same at every call"),
        ("seen < current_timestamp", "not the same at every call"),
        ("random() < x", "random(), which is not the same at every call"),
        ("x > max(x)", "max(), which is an aggregate"),
        ("x > lag(x) over (order by seen)", "a window"),
    ],
)
def test_a_condition_on_more_than_the_row_is_refused(text, told):
    with pytest.raises(ParameterError) as refused:
        parse_condition(text)
    assert told in refused.value.what


def test_a_condition_may_call_what_depends_on_the_row_alone():
    parse_condition("hour(timezone('America/New_York', seen)) = hour and length(trim(name)) > 0")
