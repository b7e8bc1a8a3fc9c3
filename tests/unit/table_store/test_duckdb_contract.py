"""Keys are counted as bits or as hashes, whichever is cheaper; a rule that cannot be evaluated is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import ParameterError, SchemaMismatchError
from tidewheel.core.records import ContractRule, TableContract
from tidewheel.table_store.duckdb_contract import open_audit

AT = datetime(2013, 6, 1, tzinfo=UTC)
KEY = ContractRule(name="key.unique", kind="unique", column="key", arguments={"columns": ["key"]})
CONTRACT = TableContract(table="t", rules=(KEY,))
LEAST, MOST = -(2**63), 2**63 - 1
dense = st.lists(st.none() | st.integers(-40, 40), max_size=60)
sparse = st.lists(st.none() | st.integers(LEAST, MOST) | st.sampled_from([LEAST, -1, 0, 1, MOST]), max_size=20)


def repeated(keys, type_=None):
    with open_audit(CONTRACT, pa.table({"key": pa.array(keys, type_ or pa.int64())}), at=AT, threads=1) as audit:
        return sum(finding.count for finding in audit.check()), "bitstring_agg" in audit.query(CONTRACT.rules)


@settings(max_examples=40, deadline=None)
@given(dense | sparse)
@example([])
@example([None, None])
@example([LEAST, MOST, MOST])
@example([-5, -5, -3])
def test_the_repeated_keys_are_those_that_python_counts(keys):
    known = [key for key in keys if key is not None]
    assert repeated(keys)[0] == len(known) - len(set(known))


@pytest.mark.parametrize("type_", [pa.int32(), pa.int64()])
def test_numbered_rows_are_counted_as_bits_and_scattered_or_other_keys_are_not(type_):
    assert repeated([1, 2, 3, 3], type_) == (1, True)
    assert repeated([1, 2_000_000, 2_000_000], type_) == (1, False)
    assert repeated([1.5, 2.5, 2.5], pa.float64()) == (1, False)
    assert repeated(["a", "b", "b"], pa.string()) == (1, False)


ROWS = pa.table({"code": ["1", "x2"], "flies": [1, 2], "day": ["2013-02-30", "2013-01-01"]})
RULES = (
    ContractRule(name="flies.range", kind="range", column="flies", arguments={"min": 0}),
    ContractRule(name="code.known", kind="sql", arguments={"sql": "cast(code as integer) > flies"}),
    ContractRule(name="flies.domain", kind="domain", column="flies", arguments={"values": [1, 2]}),
)


def refused(*rules):
    with (
        pytest.raises((ParameterError, SchemaMismatchError)) as caught,
        open_audit(TableContract(table="flights", rules=rules), ROWS, at=AT, threads=1) as audit,
    ):
        audit.check()
    return caught.value


def test_a_rule_that_fails_on_a_value_is_named_with_table_columns_and_the_next_step():
    error = refused(*RULES)
    assert error.what.startswith(
        "rule 'code.known' of table 'flights' cannot be checked on columns 'code', 'flies': Could not convert string"
    )
    assert error.where == "contract of table 'flights', rule 'code.known': cast(code as integer) > flies"
    assert "try_cast" in error.next_step
    unlike = ContractRule(name="code.range", kind="range", column="code", arguments={"min": 3})
    assert "rule 'code.range' of table 'flights' cannot be checked on column 'code'" in refused(unlike).what
    late = ContractRule(name="late", kind="sql", arguments={"sql": "day::date < date '2014-01-01'"})
    assert "rule 'late' of table 'flights' cannot be checked on column 'day'" in refused(RULES[0], late).what


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("freshness", {"max_age_s": 60.0}, "column of times"),
        ("range", {"max": {"now_plus_s": 0.0}}, "column of times"),
        ("range", {"min": 3}, "the type of the rule's values"),
    ],
)
def test_a_rule_that_is_no_condition_is_not_told_to_cast(kind, arguments, told):
    error = refused(ContractRule(name="code.kept", kind=kind, column="code", arguments=arguments))
    assert "rule 'code.kept' of table 'flights' cannot be checked on column 'code'" in error.what
    assert told in error.next_step
    assert "try_cast" not in error.next_step


def test_a_rule_about_a_column_that_is_not_there_is_named():
    error = refused(RULES[0], ContractRule(name="lands", kind="sql", arguments={"sql": "flys > 0"}))
    assert isinstance(error, SchemaMismatchError)
    assert error.what == "rule 'lands' needs column 'flys', which table 'flights' does not have"
    assert "flies" in error.next_step
