"""Keys are counted as bits or as hashes, whichever is cheaper: the number of repeated ones is the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
