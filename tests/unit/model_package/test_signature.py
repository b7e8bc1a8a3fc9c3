"""Rows are checked before a model sees them: what does not fit is refused by its field's name, nothing is guessed."""

from __future__ import annotations

import datetime
import decimal
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.model_package import Field, Signature
from tidewheel.model_package.signature import columns_of, infer_signature

SIGNATURE = Signature(
    inputs=(
        Field(name="distance", kind="float", allows_null=True),
        Field(name="hour", kind="integer"),
        Field(name="carrier", kind="string", allows_null=True, domain=("UA",)),
        Field(name="is_late", kind="boolean"),
    ),
    outputs=(),
    task="regression",
)
GOOD = {"distance": [0.5, None], "hour": [1, 2.0], "carrier": ["UA", None], "is_late": [True, False]}


def test_rows_become_columns():
    bound = SIGNATURE.bind(GOOD)
    assert [bound[name].shape for name in GOOD] == [(2, 1)] * 4
    np.testing.assert_array_equal(bound["distance"], [[0.5], [math.nan]])
    assert bound["hour"].dtype == np.float64
    assert bound["carrier"].tolist() == [["UA"], [""]]
    assert bound["is_late"].tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("field", "values", "told"),
    [
        ("hour", ["5", 1], "'hour' takes integer, but row 0 has '5' (str)"),
        ("hour", [1, None], "'hour' takes integer, but row 1 has null"),
        ("hour", [1, math.nan], "row 1 has null"),
        ("hour", [1, 1.5], "row 1 has 1.5 (float)"),
        ("hour", [True, 1], "row 0 has True (bool)"),
        ("hour", [10**400, 1], "row 0 has 1000"),
        ("hour", [-(10**5000), 1], "row 0 has"),
        ("hour", np.array([1.0, math.nan]), "row 1 has nan"),
        ("hour", np.array([1.0, 1.5]), "row 1 has 1.5"),
        ("hour", np.array([True, False]), "takes integer"),
        ("hour", np.array(["2013-01-01", "2013-01-02"], "M8[ns]"), "row 0"),
        ("hour", pd.Series(pd.to_datetime(["2013-01-01", "2013-01-02"])), "row 0"),
        ("hour", np.array([[1, 2], [3, 4]]), "'hour' needs one value per row, but has shape (2, 2)"),
        ("distance", [math.inf, 1], "row 0 has inf"),
        ("distance", np.array([1.0, -math.inf]), "row 1 has -inf"),
        ("distance", [1j, 1], "takes float"),
        ("distance", [decimal.Decimal(1), 1], "Decimal"),
        ("distance", [[1.0], 1], "row 0 has [1.0] (list)"),
        ("carrier", ["UA", 5], "'carrier' takes string, but row 1 has 5 (int)"),
        ("carrier", [b"UA", "UA"], "(bytes)"),
        ("carrier", ["é", "\ud800"], "row 1 has '\\ud800' (str)"),
        ("carrier", "UA", "'carrier' needs one value per row, but has a str"),
        ("carrier", {"UA": 1, "DL": 2}, "has a dict"),
        ("carrier", None, "has a NoneType"),
        ("carrier", ["UA"], "'carrier' has 1 rows, 'distance' has 2"),
        ("is_late", [1, 0], "'is_late' takes boolean, but row 0 has 1 (int)"),
        ("is_late", ["true", True], "row 0 has 'true'"),
        ("is_late", np.array([1, 0]), "takes boolean"),
    ],
)
def test_a_misfit_names_its_field(field, values, told):
    with pytest.raises(SchemaMismatchError) as caught:
        SIGNATURE.bind({**GOOD, field: values})
    assert told in caught.value.what
    assert repr(field) in caught.value.what
    assert len(str(caught.value)) < 500


def test_columns_too_many_and_too_few_are_named():
    with pytest.raises(SchemaMismatchError, match="unexpected field 'hours'") as caught:
        SIGNATURE.bind({**GOOD, "hours": [1, 2]})
    assert "'hour'" in caught.value.next_step
    with pytest.raises(SchemaMismatchError, match="missing field 'hour', 'is_late'"):
        SIGNATURE.bind({name: GOOD[name] for name in ("distance", "carrier")})
    with pytest.raises(SchemaMismatchError, match="no rows"):
        SIGNATURE.bind({name: [] for name in GOOD})


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "float64"])
def test_arrays_are_taken_as_lists_are(dtype):
    values = np.array([3, 4], dtype)
    for given_values in (values, values.reshape(2, 1), values[::-1][::-1], pd.Series(values)):
        np.testing.assert_array_equal(SIGNATURE.bind({**GOOD, "hour": given_values})["hour"], [[3.0], [4.0]])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.complex_numbers()
    | st.dates()
    | st.decimals()
    | st.just(pd.NA)
    | st.just(pd.NaT)
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.int64, st.integers(-(2**63), 2**63 - 1))
    | st.just(10**400)
    | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
columns = (
    st.lists(anything, max_size=3)
    | anything
    | st.lists(st.integers(-9, 9), min_size=1, max_size=3).map(np.array)
    | st.lists(st.floats(), min_size=1, max_size=3).map(np.array)
    | st.lists(st.datetimes(), min_size=1, max_size=3).map(lambda one: np.array(one, "M8[us]"))
    | st.lists(st.text(max_size=3), max_size=3).map(np.array)
    | st.integers(0, 3).map(lambda one: np.zeros((one, one)))
    | st.just(np.float64(1.0))
    | st.lists(st.none() | st.booleans(), max_size=3).map(lambda one: pd.Series(one, dtype="boolean"))
)


@settings(max_examples=250)
@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), columns), st.data())
def test_any_input_fits_or_is_a_misfit(found, data):
    some = data.draw(st.sampled_from([{}, GOOD]))
    try:
        bound = SIGNATURE.bind({**some, **found})
    except SchemaMismatchError:
        return  # anything else fails the test
    rows = {len(one) for one in bound.values()}
    assert len(rows) == 1
    assert all(one.shape == (*rows, 1) for one in bound.values())
    assert not np.isinf(bound["distance"]).any()
    assert np.isfinite(bound["hour"]).all()


@given(st.lists(st.none() | st.floats(allow_infinity=False), min_size=1))
def test_lists_and_arrays_bind_alike(values):
    as_array = np.array([math.nan if one is None else one for one in values])
    rest = {"hour": [1] * len(values), "carrier": [None] * len(values), "is_late": [True] * len(values)}
    by_list, by_array = (SIGNATURE.bind({"distance": one, **rest})["distance"] for one in (values, as_array))
    np.testing.assert_array_equal(by_list, by_array)


def test_a_signature_is_inferred_from_every_kind_of_column():
    sample = pd.DataFrame(
        {
            "float": [0.5, None],
            "float32": np.array([1, 2], "float32"),
            "integer": [1, 2],
            "masked": pd.array([1, None], "Int64"),
            "boolean": [True, False],
            "masked boolean": pd.array([True, None], "boolean"),
            "object boolean": pd.Series([True, None], dtype=object),
            "text": ["x", "y"],
            "object text": pd.Series(["x", None], dtype=object),
            "category": pd.Categorical(["b", None], ["a", "b"]),
            "category of numbers": pd.Categorical([3, 7]),
            "missing": [math.nan, math.nan],
            "arrow": pd.array([1.5, None], "float64[pyarrow]"),
        }
    )
    found = infer_signature(sample, "binary", ("late", "punctual"))
    assert [(field.name, field.kind, field.allows_null, field.domain) for field in found.inputs] == [
        ("float", "float", True, ()),
        ("float32", "float", False, ()),
        ("integer", "integer", False, ()),
        ("masked", "integer", True, ()),
        ("boolean", "boolean", False, ()),
        ("masked boolean", "boolean", True, ()),
        ("object boolean", "boolean", True, ()),
        ("text", "string", False, ()),
        ("object text", "string", True, ()),
        ("category", "string", True, ("a", "b")),
        ("category of numbers", "integer", True, ("3", "7")),
        ("missing", "float", True, ()),
        ("arrow", "float", True, ()),
    ]
    assert [(one.name, one.kind, one.width) for one in found.outputs] == [
        ("label", "string", 1),
        ("probability", "float", 1),
    ]
    assert found.bind(columns_of(sample))
    assert Signature.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2013-01-01", None]),
        pd.to_timedelta([1, 2], unit="s"),
        pd.Series([datetime.date(2013, 1, 1), None], dtype=object),
        pd.Series([[1], [2]], dtype=object),
        pd.Series([1, "x"], dtype=object),
        pd.Series([None, None], dtype=object),
        pd.Series([b"x", b"y"], dtype=object),
        pd.Categorical([True, False]),
        pd.Series([1j, 2j]),
    ],
    ids=["times", "durations", "dates", "lists", "mixed", "nothing", "bytes", "categories of booleans", "complex"],
)
def test_what_is_no_feature_is_refused_by_name(values):
    with pytest.raises(SchemaMismatchError, match="column 'odd' has"):
        infer_signature(pd.DataFrame({"odd": values}), "regression", ())
