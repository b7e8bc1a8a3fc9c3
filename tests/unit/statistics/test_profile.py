"""Profiles against exact counts; merged parts against one look at the whole; every kind of odd column."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError, UnreadableFileError
from tidewheel.statistics import Profile, distinct_values, frequent_values, merge_profiles
from tidewheel.statistics.profile_pass import profile_batches, profile_table
from tidewheel.workspace.codecs import codec_table

TYPES = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "double": (pa.float64(), st.floats() | st.sampled_from([0.0, -0.0, 1.5])),
    "float": (pa.float32(), st.floats(width=32)),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text(max_size=9) | st.sampled_from(["", "UA", "<b>&", "x" * 700])),
    "binary": (pa.binary(), st.binary(max_size=20)),
    "date": (pa.date32(), st.dates()),
    "time": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "nanoseconds": (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
    "day time": (pa.time64("us"), st.times()),
    "duration": (pa.duration("ms"), st.integers(-(2**40), 2**40)),
    "decimal": (pa.decimal128(9, 2), st.integers(-(10**6), 10**6).map(lambda n: decimal.Decimal(n) / 100)),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=3)),
    "null": (pa.null(), st.none()),
}
SCHEMA = pa.schema([pa.field(name, type_) for name, (type_, _) in TYPES.items()])


@st.composite
def tables(draw) -> pa.Table:
    rows = draw(st.integers(0, 12))
    columns = [
        pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), type_)
        for type_, values in TYPES.values()
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def without_moments(profile: Profile) -> bytes:
    """All that must be the same to the bit."""
    from dataclasses import replace

    from tidewheel.statistics.moments import Moments

    return Profile(
        tuple(replace(column, moments=Moments()) for column in profile.columns), profile.row_count
    ).to_bytes()


def assert_alike(one: Profile, other: Profile) -> None:
    assert without_moments(one) == without_moments(other)
    for a, b in zip(one.columns, other.columns, strict=True):
        scale = max(1.0, abs(a.minimum or 0), abs(a.maximum or 0))
        assert a.moments.count == b.moments.count
        assert math.isclose(a.moments.mean, b.moments.mean, abs_tol=1e-9 * scale)
        if math.isfinite(a.moments.squares) and scale < 1e150:
            assert math.isclose(
                a.moments.squares, b.moments.squares, rel_tol=1e-9, abs_tol=1e-9 * scale * scale * max(1, a.row_count)
            )


@settings(max_examples=25, deadline=None)
@given(tables(), tables())
def test_merged_profiles_are_the_profile_of_all_rows(a, b):
    assert_alike(merge_profiles([profile_table(a), profile_table(b)]), profile_table(pa.concat_tables([a, b])))


@settings(max_examples=25, deadline=None)
@given(tables())
def test_counts_are_exact(table):
    profile = profile_table(table)
    assert profile.row_count == table.num_rows
    for column in profile.columns:
        values = table[column.name].to_pylist() if column.name != "nanoseconds" else None
        if values is None:
            continue
        present = [value for value in values if value is not None]
        assert column.null_count == len(values) - len(present)
        if column.kind == "number" and column.name in ("double", "float"):
            finite = [value for value in present if math.isfinite(value)]
            assert column.nan_count == sum(map(math.isnan, present))
            assert column.infinite_counts == (present.count(-math.inf), present.count(math.inf))
            assert (column.minimum, column.maximum) == (min(finite, default=None), max(finite, default=None))
            assert column.distinct_count == len({"nan" if math.isnan(value) else value for value in present})
        elif column.name in ("int64", "uint64", "int8"):
            assert (column.minimum, column.maximum) == (min(present, default=None), max(present, default=None))
            assert column.distinct_count == len(set(present))
        elif column.kind == "text":
            exact = Counter(frequent_values.shortened(value) for value in present)
            assert dict(column.frequent.counts) == exact
            assert column.empty_count == present.count("")
            assert column.cells.total == len(present)
        elif column.kind in ("boolean", "binary", "time"):
            assert column.distinct_count == len(set(present))


@settings(max_examples=10, deadline=None)
@given(tables())
def test_bytes_survive_a_round_trip(table):
    profile = profile_table(table)
    assert Profile.from_bytes(profile.to_bytes()) == profile
    json.dumps(profile.summary(), allow_nan=False)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([10, 3_000, 60_000]))
def test_many_values_stay_within_the_stated_errors(seed, different):
    random = np.random.default_rng(seed)
    weights = random.pareto(1.0, different) + 1e-3
    texts = np.array([f"v{number}" for number in range(different)])
    drawn = texts[random.choice(different, 80_000, p=weights / weights.sum())]
    table = pa.table({"text": drawn, "number": random.normal(size=80_000)})
    whole = profile_table(table)
    parts = merge_profiles([profile_table(table.slice(at, 20_000)) for at in range(0, 80_000, 20_000)])
    exact = Counter(drawn.tolist())
    for profile in (whole, parts):
        frequent = profile.column("text").frequent
        assert frequent.error <= 80_000 / (frequent_values.LIMIT + 1)
        assert len(frequent.counts) <= frequent_values.LIMIT
        for value, count in exact.items():
            assert count - frequent.error <= frequent.counts.get(value, 0) <= count
        # Five standard errors: one false failure in a million.
        tolerance = 5 / math.sqrt(distinct_values.LIMIT - 2)
        assert abs(profile.column("text").distinct_count / len(exact) - 1) <= tolerance
        assert abs(profile.column("number").distinct_count / 80_000 - 1) <= tolerance
    assert whole.column("number").cells == parts.column("number").cells
    assert whole.column("text").distinct == parts.column("text").distinct


def test_the_same_batches_give_the_same_bytes_with_any_number_of_threads():
    random = np.random.default_rng(3)
    table = pa.table(
        {
            "number": random.normal(size=300_000),
            "identifier": np.arange(300_000),
            "text": random.choice(["UA", "AA"], 300_000),
        }
    )
    found = {
        profile_batches(table.to_batches(40_000), table.schema, threads=threads).to_bytes() for threads in (1, 2, 5)
    }
    assert len(found) == 1


def test_encodings_are_no_part_of_a_profile():
    texts = pa.array(["UA", None, "AA", "UA", ""])
    plain = profile_table(pa.table({"carrier": texts}))
    for column in (
        texts.dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 4]), texts),
        pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1, 2]), pa.array(["AA", "UA", "", "unused"])),
        texts.cast(pa.string_view()),
    ):
        named = pa.table({"carrier": column.cast(pa.string()) if column.type == pa.string_view() else column})
        assert profile_table(named).to_bytes() == plain.to_bytes()


def test_a_slice_is_looked_at_as_itself():
    table = pa.table(
        {"t": ["a", "bb", None, "cc", "a"], "n": [1.0, None, 3.0, 4.0, 5.0], "b": [True, None, False, True, True]}
    )
    alone = pa.Table.from_pylist(table.slice(1, 3).to_pylist(), schema=table.schema)
    assert profile_table(table.slice(1, 3)).to_bytes() == profile_table(alone).to_bytes()


def test_no_rows_have_a_profile():
    profile = profile_batches([], SCHEMA)
    assert profile.row_count == 0
    assert profile.schema == profile_table(SCHEMA.empty_table()).schema
    assert merge_profiles([profile, profile]) == profile
    assert profile.summary()["columns"][0]["missing_share"] == 0


def test_moments_of_numbers_near_the_limits_of_floats():
    column = profile_table(pa.table({"n": [1.7e308, -1.7e308, 1.0]})).columns[0]
    assert math.isfinite(column.moments.mean)
    assert column.moments.deviation is None
    json.dumps(profile_table(pa.table({"n": [1.7e308, -1.7e308]})).summary(), allow_nan=False)


def test_nested_columns_are_counted():
    table = pa.table(
        {
            "struct": pa.array([{"a": 1}, None]),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "list": pa.array([[], [1, 2]]),
        }
    )
    profile = profile_table(table)
    assert [column.null_count for column in profile.columns] == [1, 1, 0]
    assert profile.column("list").empty_count == 1
    assert profile.column("list").cells.values.tolist() == [0, 2]


def test_hours_of_the_week_begin_on_monday():
    monday = dt.datetime(2013, 1, 7, 1, 30, tzinfo=dt.UTC)
    hours = profile_table(pa.table({"t": [monday, dt.datetime(1969, 12, 31, 23, tzinfo=dt.UTC)]})).columns[0].hours
    assert (hours[1], hours[2 * 24 + 23], sum(hours)) == (1, 1, 2)


def test_problems_are_named():
    one, other = profile_table(pa.table({"a": [1]})), profile_table(pa.table({"a": ["x"]}))
    with pytest.raises(SchemaMismatchError, match="'a'"):
        merge_profiles([one, other])
    with pytest.raises(ParameterError):
        merge_profiles([])
    with pytest.raises(NotFoundError, match="'b'"):
        one.column("b")
    with pytest.raises(SchemaMismatchError, match="two columns"):
        profile_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    for damaged in (b"", b"\x93\x01", one.to_bytes()[:-3], b"{}"):
        with pytest.raises(UnreadableFileError):
            Profile.from_bytes(damaged)


def test_a_profile_is_an_artifact(tmp_path: Path):
    profile = profile_table(pa.table({"carrier": ["UA", "AA"], "delay": [1.5, None]}))
    codec = codec_table().for_value(profile)
    stream = io.BytesIO()
    assert codec.encode(profile, stream) == {"rows": 2, "columns": 2}
    (tmp_path / "profile").write_bytes(stream.getvalue())
    assert codec.decode(tmp_path / "profile", Profile) == profile


def test_bytes_do_not_depend_on_the_process():
    program = (
        "import pyarrow as pa; from tidewheel.statistics.profile_pass import profile_table;"
        "t = pa.table({'t': [f'v{n % 7}' for n in range(99)], 'n': [n / 7 for n in range(99)]});"
        "import sys; sys.stdout.write(profile_table(t).to_bytes().hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            timeout=200,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
