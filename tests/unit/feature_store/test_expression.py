"""On-demand expressions: one evaluator, the same bits for a column and a single value, and SQL's meaning."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import ParameterError, SchemaMismatchError
from tidewheel.feature_store.expression import Expression, OnDemand
from tidewheel.pipeline import OnDemandView

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False) | st.none()
INTEGERS = st.integers(-50, 50) | st.none()
TEXTS = st.sampled_from(["", "JFK", "jfk ", "ä", None])
LEAVES = st.sampled_from(["x", "y", "n", "m", "3", "0.25", "(-2)", "null"])


def combined(inner):
    pairs = st.tuples(inner, inner)
    return (
        st.tuples(pairs, st.sampled_from(["+", "-", "*"])).map(lambda p: f"({p[0][0]} {p[1]} {p[0][1]})")
        | pairs.map(lambda p: f"({p[0]} / {p[1]})")
        | pairs.map(lambda p: f"coalesce({p[0]}, {p[1]})")
        | pairs.map(lambda p: f"greatest({p[0]}, {p[1]})")
        | pairs.map(lambda p: f"nullif({p[0]}, {p[1]})")
        | st.tuples(inner, pairs).map(lambda p: f"case when {p[0]} > 1 or t = 'JFK' then {p[1][0]} else {p[1][1]} end")
        | pairs.map(lambda p: f"case when {p[0]} is not null and not b then {p[1]} end")
        | inner.map(lambda one: f"abs({one})")
        | inner.map(lambda one: f"(- {one})")
        | inner.map(lambda one: f"case when {one} between -1 and n then 1 when t in ('ä', '') then 2 end")
    )


EXPRESSIONS = st.recursive(LEAVES, combined, max_leaves=8)
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, INTEGERS, INTEGERS, TEXTS, st.booleans() | st.none()), min_size=1, max_size=5
)
TYPES = {
    "x": pa.float64(), "y": pa.float64(), "n": pa.int64(), "m": pa.int64(), "t": pa.string(), "b": pa.bool_(),
}  # fmt: skip


def columns(rows):
    return {name: pa.array([row[index] for row in rows], type_) for index, (name, type_) in enumerate(TYPES.items())}


def bits(values):
    return [
        None if value is None else (type(value), value.hex() if isinstance(value, float) else value) for value in values
    ]


def by_duckdb(text, rows):
    with duckdb.connect() as connection:
        connection.register("given", pa.table(columns(rows)))
        return connection.sql(f"select {text} as v from given").to_arrow_table().column("v").to_pylist()


@settings(max_examples=40)
@given(text=EXPRESSIONS, rows=ROWS)
def test_a_column_and_single_values_give_the_same_bits_and_sql_the_same_values(text, rows):
    whole = Expression(text).evaluate(columns(rows), len(rows)).to_pylist()
    singles = [Expression(text).evaluate(columns([row]), 1).to_pylist()[0] for row in rows]
    assert bits(whole) == bits(singles)
    for ours, theirs in zip(whole, by_duckdb(text, rows), strict=True):
        if theirs is None or ours is None or not math.isfinite(theirs):
            assert ours is theirs or (ours is None and not math.isfinite(theirs))
        else:
            assert float(ours) == pytest.approx(float(theirs), rel=1e-12, abs=1e-12)


@given(values=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40))
def test_what_a_library_computes_has_the_same_bits_in_any_company(values):
    for name in ("ln", "exp", "sin", "cos", "tan", "sqrt", "log10", "log2"):
        expression = Expression(f"{name}(x / 10) + power(x, 0.3)")
        whole = expression.evaluate({"x": pa.array(values)}, len(values)).to_pylist()
        assert bits(whole) == bits([expression.evaluate({"x": pa.array([one])}, 1).to_pylist()[0] for one in values])


@pytest.mark.parametrize("divisor", [2.5, 0.0, -0.0, math.nan, math.inf, None])
def test_a_divisor_that_stands_in_the_expression_gives_the_bits_of_one_in_a_column(divisor):
    values = pa.array([1.0, 0.0, -3.0, math.nan, None])
    text = "null" if divisor is None else f"cast('{divisor}' as double)"
    column = pa.array([divisor] * len(values), pa.float64())
    found = [
        Expression(one).evaluate({"x": values, "y": column}, len(values)).to_pylist()
        for one in (f"x / {text}", "x / y")
    ]
    assert bits(found[0]) == bits(found[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("7 / 2", 3.5),
        ("7 % 3", 1),
        ("-7 % 3", -1),
        ("1 / 0", None),
        ("not true and false", False),
        ("null or true", True),
        ("1 = 1 and 2 <> 3", True),
        ("case 3 when 1 then 'a' when 3 then 'b' end", "b"),
        ("'it''s' || ' ' || upper('ok')", "it's OK"),
        ("cast('12' as bigint) + 1", 13),
        ("2.5::bigint + 3.5::bigint", 6),
        ("length('äö')", 2),
        ("round(2.5) + round(-2.5)", None),
        ('"a b" + 1', 6),
        ("3 not in (1, 2)", True),
        ("3 not between 1 and 2 is null", False),
        ("hour('America/New_York', at)", 3),
        ("hour(at)", 7),
        ("isodow('America/New_York', at)", 7),
        ("epoch(at)", 1772953200.5),
    ],
)
def test_expressions_mean_what_sql_says(text, value):
    given_columns = {"a b": pa.array([5]), "at": pa.array([datetime(2026, 3, 8, 7, 0, 0, 500000, UTC)])}
    found = Expression(text).evaluate(given_columns, 1).to_pylist()[0]
    if value is not None:
        assert (found, type(found)) == (value, type(value))
    else:
        assert found is None or text.startswith("round")


def test_the_hour_that_daylight_saving_leaves_out_does_not_exist():
    before, after = datetime(2026, 3, 8, 6, 59, tzinfo=UTC), datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    hours = Expression("hour('America/New_York', at)").evaluate({"at": pa.array([before, after])}, 2)
    assert hours.to_pylist() == [1, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 +", "a value is expected, not 'the end'"),
        ("(1", "')' is expected"),
        ("a ? b", "no meaning at position 2"),
        ("sqroot(1)", "no function 'sqroot'"),
        ("'a' + 1", "cannot be computed"),
        ("z + 1", "'z' is no input or feature"),
        ("1 2", "the end is expected"),
        ("case end", "a value is expected"),
        ("1 --2", "no meaning at position 2"),
        ("cast(1 as pony)", "'pony' is no type"),
        ("9223372036854775807 + 1", "overflow"),
        ("cast('x' as double)", "x"),
    ],
)
def test_a_wrong_expression_is_told_with_its_place(text, told):
    with pytest.raises(ParameterError, match=told.replace("(", r"\(").replace(")", r"\)")):
        Expression(text).evaluate({"x": pa.array([1])}, 1)


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        ("double", ["a"], "declared as double, but is string"),
        ("bigint", [1.5], "declared as bigint, but is double"),
        ("timestamptz", [datetime(2026, 1, 1)], "declared as timestamptz, but is timestamp"),  # noqa: DTZ001
        ("boolean", [1], "declared as boolean"),
    ],
)
def test_an_input_of_another_type_is_refused(kind, values, told):
    view = OnDemand(OnDemandView("v", inputs={"x": kind}, features={"f": "x"}).definition)
    with pytest.raises(SchemaMismatchError, match=told):
        view.compute({"x": pa.array(values)}, {}, 1)


def test_an_integer_and_a_null_stand_for_a_double():
    view = OnDemand(OnDemandView("v", inputs={"x": "double"}, features={"f": "coalesce(x, 0) * 2"}).definition)
    assert view.compute({"x": pa.array([3])}, {}, 1)["f"].to_pylist() == [6.0]
    assert bits(view.compute({"x": pa.array([None])}, {}, 1)["f"].to_pylist()) == bits([0.0])
    assert view.compute({"x": pa.array([0.5], pa.float32())}, {}, 1)["f"].type == pa.float64()
