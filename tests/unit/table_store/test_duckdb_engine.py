"""SQL over snapshots: right rows, and nothing but the tables within reach."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tidewheel.core.errors import NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.table_store import run_sql, tables_in


@pytest.fixture
def references(store, flights):
    weather = pa.table({"origin": ["JFK", "LGA"], "wind": [10.0, 20.0]})
    flights = flights.append_column("origin", [["JFK", "LGA", "JFK"]])
    return {
        name: store.reference(store.create(name, data)) for name, data in (("flights", flights), ("weather", weather))
    }


def test_tables_are_joined_and_parameters_bound(references):
    query = "select f.carrier, w.wind from flights f join weather w using (origin) where delay > $least order by delay"
    assert run_sql(query, references, parameters={"least": 0}).to_pylist() == [
        {"carrier": "UA", "wind": 10.0},
        {"carrier": None, "wind": 10.0},
    ]
    assert run_sql("select count(*) n from flights where delay > ?", references, parameters=[10])["n"].to_pylist() == [
        1
    ]


def test_names_are_matched_without_case(references):
    assert run_sql("select count(*) n from FLIGHTS", references)["n"].to_pylist() == [3]


def test_a_table_of_another_namespace_is_named_with_a_dot(references):
    renamed = {"lake.flights": references["flights"]}
    for spelled in ("lake.flights", '"lake"."flights"', '"lake.flights"', '"Lake.Flights"'):
        assert run_sql(f"select count(*) n from {spelled}", renamed)["n"].to_pylist() == [3]
    joined = 'select count(*) n from lake.flights a join "lake.flights" b using (delay)'
    assert run_sql(joined, renamed)["n"].to_pylist() == [3]


def test_names_that_sql_takes_for_something_else_go_in_quotes_and_the_error_says_so(references):
    odd = {"late-flights": references["flights"], "lake.eu.flights": references["flights"]}
    for name in odd:
        assert run_sql(f'select count(*) n from "{name}"', odd)["n"].to_pylist() == [3]
    with pytest.raises(ParameterError, match='syntax error at or near "-"') as caught:
        run_sql("select * from late-flights", odd)
    assert "goes in double quotes" in str(caught.value)
    with pytest.raises(ParameterError) as caught:
        run_sql("select * from lake.eu.flights", odd)
    assert caught.value.next_step == 'write "lake.eu.flights" in double quotes'


def test_times_are_utc_whatever_the_machine_says(references, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    result = run_sql("select current_setting('TimeZone') z, timestamptz '2013-01-01 00:00' t", references)
    assert result["z"].to_pylist() == ["UTC"]
    assert result["t"].to_pylist()[0].isoformat() == "2013-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select 1", set()),
        ("from flights", {"flights"}),
        ("with f as (select * from f) select * from f", {"f"}),
        ("with a as (select 1 x), b as (select * from a) select * from b, c", {"c"}),
        ("with recursive r as (select 1 a union all select a + 1 from r, k where a < 3) select * from r", {"k"}),
        ("select * from a where x in (select x from b) and exists (select 1 from c) order by (select 1 from d)",
         {"a", "b", "c", "d"}),
        ("select * from (with a as (select 1) select * from a), a", {"a"}),
        ("select * from a union all select * from b where n > $n", {"a", "b"}),
        ("select * from lake.flights join \"w x\" using (n)", {"lake.flights", "w x"}),
        ("select * from range(3)", set()),
    ],
)  # fmt: skip
def test_the_tables_of_a_query_are_those_it_does_not_define(query, names):
    assert tables_in(query) == names


@pytest.mark.parametrize(
    "query",
    ["", "selec", "select 1; select 2", "drop table flights", "copy flights to 'x.csv'", "pragma version",
     "attach 'x.db'", "install httpfs", "set threads = 3", "insert into flights values (1)",
     "create table x as select 1"],
)  # fmt: skip
def test_only_a_single_select_is_run(references, query):
    with pytest.raises(ParameterError):
        run_sql(query, references)


@pytest.mark.parametrize(
    "query",
    ["select * from read_csv('{0}')", "select * from read_text('{0}')", "select * from '{0}'",
     "select * from glob('/etc/*')", "select * from read_parquet('http://localhost/x.parquet')"],
)  # fmt: skip
def test_nothing_outside_the_tables_is_within_reach(references, tmp_path, query):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises((ParameterError, NotFoundError)):
        run_sql(query.format(tmp_path / "secret.csv"), references)


def test_files_of_tables_that_the_query_does_not_name_are_out_of_reach(references):
    path = references["weather"].files[0].path
    with pytest.raises(ParameterError, match="outside"):
        run_sql(f"select * from flights, read_parquet('{path}')", references)


def test_python_variables_are_no_tables(references):
    secret = pa.table({"n": [1]})
    with pytest.raises(NotFoundError, match="'secret'"):
        run_sql("select * from secret", references)
    assert secret.num_rows == 1


def test_mistyped_names_are_answered_with_the_nearest(references):
    with pytest.raises(NotFoundError, match="did you mean 'flights'"):
        run_sql("select * from flihgts", references)
    with pytest.raises(SchemaMismatchError, match="did you mean 'delay'"):
        run_sql("select dealy from flights", references)
    with pytest.raises(SchemaMismatchError, match="did you mean 'delay'"):
        run_sql("select f.dealy from flights f", references)


@pytest.mark.parametrize(
    "query",
    ["select $missing from flights", "select carrier::int from flights", "select no_such_function(delay) from flights",
     "select sum(carrier) from flights"],
)  # fmt: skip
def test_a_query_that_fails_is_a_parameter_error(references, query):
    with pytest.raises(ParameterError):
        run_sql(query, references)


def test_results_with_one_thread_are_equal_to_the_bit(store):
    data = pa.table({"k": [n % 7 for n in range(5000)], "x": [1 / (n + 1) for n in range(5000)]})
    store.create("t", data)
    references = {"t": store.reference(store.append("t", data))}
    query = "select k, sum(x) s from t group by k"
    first, second = (run_sql(query, references, threads=1) for _ in range(2))
    assert first.equals(second)


@pytest.mark.parametrize(
    "query",
    ["select n from t", "select * from t", "select t from t", "select count(*) c from t",
     "select a.N from t a, t b where a.n = b.n",
     "select sum(n) s from t group by all", "select n, m from t where s = 'x'", "select columns('n') from t",
     "with x as (select n k from t) select k from x", "select * from t natural join (select 1 n)"],
)  # fmt: skip
def test_scanned_tables_answer_as_direct_ones(store, query):
    data = pa.table({"n": [1, 2], "s": ["x", "y"]})
    full = data.append_column("m", pa.nulls(2, pa.int64()))
    direct = {"t": store.reference(store.create("direct", full))}
    store.create("evolved", data)
    scanned = {"t": store.reference(store.evolve("evolved", full.schema))}
    assert (direct["t"].is_direct, scanned["t"].is_direct) == (True, False)
    assert run_sql(query, scanned, threads=1).to_pylist() == run_sql(query, direct, threads=1).to_pylist()


def test_a_nan_is_found_though_the_statistics_of_its_file_leave_it_out(store):
    snapshot = store.create("t", pa.table({"v": [0.5, float("nan"), 1.0]}))
    references = {"t": store.reference(snapshot)}
    assert references["t"].is_direct
    for condition in ("isnan(v)", "v = 'nan'", "v > 5"):  # DuckDB's NaN is greater than every number
        assert run_sql(f"select count(*) n from t where {condition}", references).to_pylist() == [{"n": 1}]
    assert run_sql("select count(nullif(v, 'nan')) n from t", references).to_pylist() == [{"n": 2}]
