"""Casting to a table's types changes no value, and tells where it would."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.table_store.arrow_types import conform, table_schema, table_type


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (pa.uint16(), pa.int32()),
        (pa.uint32(), pa.int64()),
        (pa.float16(), pa.float32()),
        (pa.large_string(), pa.string()),
        (pa.null(), pa.string()),
        (pa.date64(), pa.date32()),
        (pa.time32("s"), pa.time64("us")),
        (pa.timestamp("ns", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
        (pa.timestamp("s"), pa.timestamp("us")),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.decimal128(10, 2), pa.decimal128(10, 2)),
        (pa.list_(pa.uint8()), pa.list_(pa.field("element", pa.int32()))),
    ],
)
def test_each_type_has_one_form_in_a_table(given, held):
    assert table_type(given) == held
    assert table_type(held) == held


def test_repeated_names_are_refused():
    with pytest.raises(SchemaMismatchError, match="'a'"):
        table_schema(pa.schema([("a", pa.int64()), ("b", pa.int64()), ("a", pa.int64())]))


@pytest.mark.parametrize(
    ("values", "type_", "message"),
    [
        (pa.array([1, 2, 1 << 40, 3, 1 << 50]), pa.int32(), "row 3: 1099511627776"),
        (pa.array([1.0]), pa.int64(), "int64, the data has double"),
        (pa.array(["1"]), pa.int64(), "int64, the data has string"),
        (pa.array([1]), pa.string(), "string, the data has int64"),
        (pa.array([1.5]), pa.float32(), "float, the data has double"),
        (pa.array([1], pa.timestamp("us")), pa.timestamp("us", "UTC"), "the data has timestamp"),
        (pa.array([0, 1], pa.timestamp("ns")), pa.timestamp("us"), "row 2"),
        (pa.array([1 << 60]), pa.float64(), "row 1"),
    ],
)
def test_what_would_change_a_value_is_refused(values, type_, message):
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        conform(pa.table({"x": values}), pa.schema({"x": type_}), where="here")
    assert caught.value.where == "here"


def test_nulls_are_refused_where_none_are_allowed():
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    with pytest.raises(SchemaMismatchError, match="row 2"):
        conform(pa.table({"x": [1, None]}), schema)
    assert conform(pa.table({"x": [1, 2]}), schema).schema == schema


def test_an_instant_keeps_its_meaning_in_another_zone():
    data = pa.table({"t": pa.array([0], pa.timestamp("s", "Asia/Tokyo"))})
    schema = table_schema(data.schema)
    assert conform(data, schema)["t"].to_pylist()[0].isoformat() == "1970-01-01T00:00:00+00:00"


def test_every_wrong_name_is_told_at_once():
    schema = pa.schema({"carrier": pa.string(), "delay": pa.int64()})
    with pytest.raises(SchemaMismatchError, match=r"(?s)'delay' is missing.*'dealy' is unknown .*'delay'"):
        conform(pa.table({"carrier": ["UA"], "dealy": [1]}), schema)
