"""A table whose columns changed and of which another engine deleted rows: whatever reads it sees the same rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandera.pandas as pa
import pyarrow as arrow
import pytest

from iceberg_deletes import add_position_deletes
from tidewheel.feature_store import OnlineStore, join, materialize
from tidewheel.pipeline import Contract, FeatureView
from tidewheel.statistics.profile_pass import profile_batches
from tidewheel.steps.pandera_contract import translate
from tidewheel.table_store import PyIcebergTableStore, run_sql
from tidewheel.table_store.duckdb_contract import open_audit

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT = arrow.timestamp("us", tz="UTC")


def rows(first, type_, **columns):
    numbers = list(range(first, first + 4))
    times = arrow.array([START + timedelta(hours=number) for number in numbers], INSTANT)
    return arrow.table({"n": arrow.array(numbers, type_), "seen_at": times, **columns})


@pytest.fixture
def table(tmp_path):
    """Rows 0 to 7 of which two are deleted, then a wider type and a new column, then rows 8 to 11."""
    store = PyIcebergTableStore.open(tmp_path / "tables")
    store.create("t", rows(0, arrow.int32()))
    store.append("t", rows(4, arrow.int32()))
    add_position_deletes(store, "t", [0, 2])
    later = rows(8, arrow.int64(), m=["x", "y", "x", None])
    store.evolve("t", later.schema)
    store.append("t", later)
    return store


@pytest.fixture
def left(table):
    """The rows by PyIceberg's own reader, the oracle."""
    found = table._load("t").scan().to_arrow().sort_by("n")
    assert (found.num_rows, found.schema.field("n").type) == (10, arrow.int64())
    return found


def test_sql_and_readers_give_the_rows_that_are_left_with_the_columns_of_today(table, left):
    snapshot = table.snapshot("t")
    reader, reference = table.read(snapshot), table.reference(snapshot)
    assert (snapshot.row_count, reference.is_direct) == (10, False)
    assert run_sql("select n, m from t order by n", {"t": reference}).to_pylist() == left.select(["n", "m"]).to_pylist()
    assert reader.to_arrow(["n"], filter="m is null").sort_by("n")["n"].to_pylist() == [*left["n"].to_pylist()[:6], 11]
    assert (
        sorted(number for batch in reader.batches(["n"]) for number in batch["n"].to_pylist()) == left["n"].to_pylist()
    )


def test_a_profile_and_a_contract_look_at_these_rows_only(table, left):
    reader = table.read(table.snapshot("t"))
    profile = profile_batches(reader.encoded_batches(), reader.schema)
    assert (profile.row_count, profile.column("m").null_count) == (10, 7)
    assert profile.column("n").minimum == left["n"][0].as_py()
    gone = min(set(range(8)) - set(left["n"].to_pylist()))
    columns = {"n": pa.Column("int64", pa.Check.notin([gone, 8])), "m": pa.Column(str, nullable=True)}
    contract = translate(Contract("t", pa.DataFrameSchema(columns), unique=["n"]))
    with open_audit(contract, reader.reference, at=START) as audit:
        assert [(finding.rule, finding.count) for finding in audit.check()] == [("n.excluded", 1)]
        assert audit.row_count == 10


def test_joins_and_the_online_store_know_nothing_of_deleted_rows(table, left, tmp_path):
    view = FeatureView("v", "t", {"one": "1"}, "seen_at", None, {"n": "n", "m": "m"}).definition
    reference = table.reference(table.snapshot("t"))
    moments = [START + timedelta(hours=number) for number in range(12)]
    spine = arrow.table({"one": [1] * 12, "asked": arrow.array(moments, INSTANT)})
    joined = join(spine, [view], {"t": reference}, event_time="asked")[0]
    known = left["n"].to_pylist()
    expected = [max((number for number in known if number <= hour), default=None) for hour in range(12)]
    assert joined["n"].to_pylist() == expected
    materialize(tmp_path / "online.db", view, reference)
    with OnlineStore(tmp_path / "online.db") as online:
        assert online.get_online(["v"], {"one": [1]}, at=moments[-1]) == {"n": [11], "m": [None]}
