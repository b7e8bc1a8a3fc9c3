"""Answers to Arrow batches are those to plain values, whatever form Arrow gives the columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.model_package import package_model
from tidewheel.model_package.arrow_model import ArrowModel, check_columns


def make_rows(count=300):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "x": random.normal(size=count),
            "n": random.integers(0, 9, count),
            "flag": random.integers(0, 2, count).astype(bool),
            "kind": pd.Categorical(random.choice(["a", "b", "ü"], count)),
        }
    )
    frame.loc[::17, "x"] = np.nan
    return frame, frame["x"].fillna(0) + (frame["kind"] == "a") + random.normal(size=count)


@pytest.fixture(scope="module")
def packages():
    frame, value = make_rows()
    options = {"n_estimators": 5, "verbose": -1, "n_jobs": 1}
    text = frame.assign(kind=frame["kind"].astype("str"))[["kind"]]
    native = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(text, value > 0.5)
    names = np.array(["early", "late", "late twice"])[np.digitize(value, [0.0, 1.0])]
    return {
        "binary": package_model(LGBMClassifier(**options).fit(frame, value > 0.5), frame.head(50)),
        "named": package_model(LGBMClassifier(**options).fit(frame, names), frame.head(50)),
        "regression": package_model(LGBMRegressor(**options).fit(frame, value), frame.head(50)),
        "native": package_model(native, text.head(50)),
    }


@pytest.fixture(scope="module")
def models(packages):
    return {name: ArrowModel(package) for name, package in packages.items()}


VALUES = st.fixed_dictionaries(
    {
        "x": st.one_of(st.none(), st.floats(allow_infinity=False)),
        "n": st.integers(-(2**53), 2**53),
        "flag": st.booleans(),
        "kind": st.one_of(st.none(), st.sampled_from(["a", "b", "ü", "new", ""])),
    }
)
TYPES = {
    "plain": {"x": pa.float64(), "n": pa.int64(), "kind": pa.string()},
    "others": {"x": pa.float64(), "n": pa.float64(), "kind": pa.large_string()},
    "encoded": {"x": pa.float64(), "n": pa.int64(), "kind": pa.dictionary(pa.int8(), pa.string())},
}


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("name", ["binary", "named", "regression", "native"])
@settings(max_examples=25)
@given(rows=st.lists(VALUES, min_size=1, max_size=8))
def test_a_batch_is_answered_as_its_values_are(packages, models, form, name, rows):
    fields = [one.name for one in packages[name].signature.inputs]
    plain = {field: [row[field] for row in rows] for field in fields}
    if not packages[name].signature.inputs[-1].allows_null:
        plain["kind"] = ["" if one is None else one for one in plain["kind"]]
    types = TYPES[form] | {"flag": pa.bool_()}
    batch = pa.record_batch({field: pa.array(plain[field], types[field]) for field in fields})
    padded = pa.concat_batches([batch, batch]).slice(len(rows))  # with an offset, as slices have
    given_values = {field: [None if one != one else one for one in values] for field, values in plain.items()}
    expected = packages[name].open().predict(given_values)
    for one in (batch, padded):
        answers = models[name].predict(one)
        for field in answers.schema.names:
            assert answers.column(field).to_pylist() == expected[field].tolist()


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("n", pa.array([1, None]), "'n' takes integer, but row 101 has null"),
        ("n", pa.array([1.0, 2.5]), "'n' takes integer, but row 101 has 2.5"),
        ("n", pa.array([float("nan"), 2.0]), "'n' takes integer, but row 100 has nan"),
        ("x", pa.array([0.0, float("inf")]), "'x' takes float, but row 101 has inf"),
        ("flag", pa.array([None, True]), "'flag' takes boolean, but row 100 has null"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_row(models, column, values, told):
    columns = {"x": pa.array([0.0, 1.0]), "n": pa.array([1, 2]), "flag": pa.array([True, False])}
    batch = pa.record_batch(columns | {"kind": pa.array(["a", "b"])} | {column: values})
    with pytest.raises(SchemaMismatchError, match=told):
        models["binary"].predict(batch, 100)


def test_all_columns_that_do_not_fit_are_told_before_a_row_is_read(models):
    schema = pa.schema({"x": pa.string(), "flag": pa.int8(), "kind": pa.float64()})
    with pytest.raises(SchemaMismatchError) as told:
        check_columns(models["binary"].signature, schema, where="table 't'")
    assert told.value.what == (
        "column 'n' is missing; column 'x' is string, the model takes float; "
        "column 'flag' is int8, the model takes boolean; column 'kind' is double, the model takes string"
    )
    assert told.value.where == "table 't'"
