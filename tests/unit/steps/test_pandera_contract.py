"""A schema of pandera as rules: pandera itself is the oracle for which rows break them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline import Contract, Freshness, RowRule
from tidewheel.steps.pandera_contract import slow_checks, translate
from tidewheel.table_store.duckdb_contract import open_audit

AT = datetime(2026, 1, 1, tzinfo=UTC)

texts = st.sampled_from(["", "a", "ab", "12", "1", "a1\n", "ü", "ß9", "x y", "NA", "٣"])
numbers = st.integers(-5, 5)
floats = st.sampled_from([-1.5, 0.0, 0.5, 2.0, float("inf"), 1e300])
patterns = st.sampled_from([r"a", r"^\d+$", r"\w+$", r"[a-z]?\d", r"\s", r"a|12", r"(ab)+", r".", r"[^a]", r"a(?=1)"])

number_checks = st.one_of(
    st.tuples(numbers, numbers, st.booleans(), st.booleans()).map(
        lambda t: pa.Check.in_range(min(t[:2]), max(t[:2]) + 1, include_min=t[2], include_max=t[3])
    ),
    numbers.map(pa.Check.gt),
    numbers.map(pa.Check.ge),
    numbers.map(pa.Check.lt),
    numbers.map(pa.Check.le),
    numbers.map(pa.Check.eq),
    numbers.map(pa.Check.ne),
    st.lists(numbers, min_size=1).map(pa.Check.isin),
    st.lists(numbers, min_size=1).map(pa.Check.notin),
)
text_checks = st.one_of(
    patterns.map(pa.Check.str_matches),
    patterns.map(pa.Check.str_contains),
    texts.map(pa.Check.str_startswith),
    texts.map(pa.Check.str_endswith),
    st.tuples(st.integers(0, 2), st.integers(2, 3)).map(lambda t: pa.Check.str_length(*t)),
    st.lists(texts, min_size=1).map(pa.Check.isin),
    st.lists(texts, min_size=1).map(pa.Check.notin),
)


def broken_by_pandera(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> set[int]:
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return {int(row) for row in errors.failure_cases["index"].dropna()}
    return set()


def broken_by_tidewheel(contract: Contract, rows: arrow.Table) -> set[int]:
    found = translate(contract)
    assert not any(rule.is_slow for rule in found.rules)
    with open_audit(found, rows, at=AT, threads=1) as audit:
        findings = audit.check()
        audit.separate()
        bad = set(audit.bad()["tidewheel_row"].to_pylist())
        good = audit.good().read_all()
    assert bool(findings) == bool(bad)
    assert good.num_rows + len(bad) == rows.num_rows
    return bad


def cases(check, value, type_):
    return st.tuples(check, st.booleans(), st.lists(st.none() | value, min_size=1, max_size=12), st.just(type_))


@pytest.mark.filterwarnings("ignore:This pattern is interpreted:UserWarning")  # raised, it would be pandera's answer
@settings(max_examples=40)
@given(
    st.one_of(
        cases(number_checks, floats | numbers.map(float), arrow.float64()),
        cases(text_checks, texts, arrow.string()),
    )
)
def test_the_query_finds_the_rows_that_pandera_finds(case):
    check, nullable, values, type_ = case
    contract = Contract("t", pa.DataFrameSchema({"v": pa.Column(checks=check, nullable=nullable)}))
    if slow_checks(contract):
        return
    rows = arrow.table({"v": arrow.array(values, type_)})
    assert broken_by_tidewheel(contract, rows) == broken_by_pandera(contract.schema, rows.to_pandas())


@settings(max_examples=30)
@given(st.lists(st.tuples(st.none() | numbers, st.none() | texts), min_size=1, max_size=12))
def test_unique_keys_are_those_of_pandera_and_the_first_stays(values):
    rows = arrow.table({"n": [n for n, _ in values], "t": arrow.array([t for _, t in values], arrow.string())})
    columns = {
        "n": pa.Column(nullable=True, unique=True, report_duplicates="exclude_first"),
        "t": pa.Column(nullable=True),
    }
    alone = Contract("t", pa.DataFrameSchema(columns))
    assert broken_by_tidewheel(alone, rows) == broken_by_pandera(alone.schema, rows.to_pandas())
    both = pa.DataFrameSchema({"n": pa.Column(nullable=True), "t": pa.Column(nullable=True)}, unique=["n", "t"])
    keys = rows.to_pandas().dropna()  # pandera holds missing values for equal here; in a key of SQL they are not
    expected = set(keys.index[keys.duplicated()])
    assert broken_by_tidewheel(Contract("t", both), rows) == expected


@pytest.mark.parametrize(
    "check",
    [
        pa.Check(lambda series: series > 0, name="own"),
        pa.Check(lambda value: value > 0, element_wise=True),
        pa.Check.str_matches(r"a(?=b)"),
        pa.Check.gt(0, ignore_na=False),
        pa.Check.unique_values_eq([1, 2]),
    ],
)
def test_what_only_python_can_check_is_marked_slow(check):
    (rule,) = translate(Contract("t", pa.DataFrameSchema({"v": pa.Column(checks=check, nullable=True)}))).rules
    assert rule.is_slow


def test_a_changed_function_is_another_contract():
    def contract(function):
        return translate(Contract("t", pa.DataFrameSchema({"v": pa.Column(checks=pa.Check(function, name="own"))})))

    assert contract(lambda series: series > 0).digest != contract(lambda series: series > 1).digest


def test_a_model_and_a_schema_of_equal_content_are_one_contract():
    class Rows(pa.DataFrameModel):
        n: int = pa.Field(ge=0)

    schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0))})
    assert translate(Contract("t", Rows)).digest == translate(Contract("t", schema)).digest


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (int, "int64"),
        ("Int64", "int64"),
        ("uint8", "int32"),
        (float, "double"),
        ("float32", "float"),
        (bool, "bool"),
        (str, "string"),
        (pa.Category, ""),
        (pa.Date, "date32[day]"),
        (pa.Timestamp, "timestamp[us]"),
        ("datetime64[ns, UTC]", "timestamp[us, tz=UTC]"),
        (None, ""),
    ],
)
def test_types_are_those_of_tables(dtype, expected):
    (column,) = translate(Contract("t", pa.DataFrameSchema({"v": pa.Column(dtype)}))).columns
    assert column.type == expected


def test_the_most_exact_policy_decides():
    schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.in_range(0, 1)), "b": pa.Column(int, pa.Check.gt(0))})
    policies = {"*": "flag", "range": "stop", "b": "quarantine", "a.range": "clip"}
    found = {rule.name: rule.policy for rule in translate(Contract("t", schema, policies=policies)).rules}
    assert found == {"a.not_null": "flag", "a.range": "clip", "b.not_null": "quarantine", "b.range": "quarantine"}


ONE = pa.DataFrameSchema({"a": pa.Column(int)})


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (lambda: Contract("t", policies={"c.range": "stop"}), "no rule is meant by 'c.range'"),
        (lambda: Contract("t", policies={"x": "ignore"}), "'ignore' is none of stop, quarantine, flag, clip"),
        (lambda: Contract("t", rules=[RowRule("r", "a <")]), "rule 'r' is no condition"),
        (lambda: Contract("t", rules=[RowRule("r", "(select true from other)")]), "rule 'r' is no condition"),
        (lambda: Contract("t", rules=[RowRule("r", "a"), RowRule("r", "b")]), "two rules are called 'r'"),
        (lambda: Contract("t", ONE, rules=[RowRule("r", "a + 1")]), r"rule 'r' is no condition: 'a \+ 1' is BIGINT"),
        (lambda: Contract("t", ONE, unique=["aa"]), "there is no column 'aa' in the schema: did you mean 'a'"),
        (lambda: Contract("t", ONE, unique=[("a", "c")]), "there is no column 'c' in the schema: known: a"),
        (lambda: Contract("t", pa.DataFrameSchema({"a": pa.Column(int)}, unique=["b"])), "there is no column 'b'"),
        (lambda: Contract("t", ONE, freshness=Freshness("at")), "no column 'at' in the schema.* @ Contract.freshness"),
        (lambda: Contract("t", ONE, max_null_share={"A": 0.1}), "no column 'A' in the schema.*max_null_share"),
        (lambda: Contract("t", schema={"a": int}), "a dict for a schema"),
        (lambda: Contract("t", unique="id"), "unique is the text 'id'"),
        (lambda: Contract("t", max_null_share={"a": 2}), "2 is no share"),
        (lambda: Contract("t", max_quarantine_share=1.5), "1.5 is no share.*Contract.max_quarantine_share"),
        (
            lambda: Contract("t", max_quarantine_share=0.5, policies={"quarantine_share": "quarantine"}),
            "'quarantine_share' is about a whole batch",
        ),
        (
            lambda: Contract("t", pa.DataFrameSchema({"a": pa.Column(pa.Complex128)})),
            "no table holds the type complex128 of column 'a'",
        ),
        (
            lambda: Contract(
                "t", pa.DataFrameSchema({"a": pa.Column(int, pa.Check.gt(0))}), policies={"a.range": "clip"}
            ),
            "'a.range' has no nearest allowed value",
        ),
        (
            lambda: Contract("t", max_null_share={"a": 0.5}, policies={"a": "quarantine"}),
            "'a.null_share' is about a whole batch",
        ),
    ],
)
def test_a_wrong_declaration_is_told(contract, told):
    with pytest.raises(DefinitionError, match=told):
        translate(contract())


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_the_future_and_staleness_are_measured_by_the_given_clock(zone):
    contract = translate(Contract("t", freshness=Freshness("at", timedelta(days=2), timedelta(hours=1))))
    times = [AT + timedelta(minutes=60), AT + timedelta(minutes=61), None]
    rows = arrow.table({"at": arrow.array([t and t.replace(tzinfo=None) for t in times], arrow.timestamp("us", zone))})
    with open_audit(contract, rows, at=AT) as audit:
        (finding,) = audit.check()
        assert (finding.rule, finding.count) == ("at.future", 1)
    with open_audit(contract, rows, at=AT + timedelta(days=2, minutes=62)) as audit:
        (finding,) = audit.check()
        assert (finding.rule, finding.policy) == ("at.freshness", "stop")
