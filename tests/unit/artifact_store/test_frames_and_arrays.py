"""pandas and numpy: what is refused, what is mapped, and what may be written to."""

from __future__ import annotations

import datetime
import decimal
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import CodecNotFoundError, ParameterError


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pd.Series(["x", 1], dtype=object), "holds a int, 1"),
        (pd.Series([decimal.Decimal(1)], dtype=object), "holds a Decimal"),
        (pd.Series([["a"]], dtype=object), "holds a list"),
        (pd.Series([datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)], dtype=object), "holds a datetime"),
        (pd.Series([datetime.date(2013, 1, 1), "x"], dtype=object), "both texts and dates"),
        (pd.Series(["x", None, math.nan], dtype=object), "both None and NaN"),
        (pd.Series([1j]), "complex128"),
        (pd.Series(pd.period_range("2013", periods=1, freq="D")), "period"),
        (pd.Series(pd.arrays.SparseArray([0, 1])), "Sparse"),
    ],
)
def test_columns_without_a_stored_form_are_named(store, column, reason):
    with pytest.raises(ParameterError, match="column 'odd' cannot be stored") as caught:
        store.put(pd.DataFrame({"fine": range(len(column)), "odd": column}))
    assert reason in caught.value.what
    assert "astype(str)" in caught.value.next_step
    assert store.list_digests() == []


def test_a_subclass_of_a_frame_is_refused(store):
    class Geo(pd.DataFrame):
        pass

    with pytest.raises(ParameterError, match="Geo"):
        store.put(Geo({"a": [1]}))


def test_labels_that_are_no_json_are_refused(store):
    with pytest.raises((ParameterError, CodecNotFoundError)):
        store.put(pd.DataFrame([[1]], columns=pd.DatetimeIndex(["2013-01-01"])))


def test_a_loaded_frame_may_be_changed_and_the_stored_one_stays(store):
    artifact = store.put(pd.DataFrame({"a": np.arange(5), "s": list("abcde")}))
    loaded = store.load(artifact)
    loaded.loc[loaded["a"] > 2, "a"] = 0
    loaded.loc[0, "s"] = "changed"
    assert store.load(artifact)["a"].tolist() == [0, 1, 2, 3, 4]
    assert store.load(artifact)["s"][0] == "a"


def test_how_a_frame_was_built_does_not_matter(store):
    one = pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6.0) + 1, "s": list("abcdef")})
    pieces = pd.concat([one.iloc[:2], one.iloc[2:]])
    blocks = pd.DataFrame(np.column_stack([np.arange(6.0), np.arange(6.0) + 1]), columns=["a", "b"])
    blocks["s"] = list("abcdef")
    sliced = pd.concat([one, one]).iloc[6:]
    for other in (pieces, blocks, sliced):
        pd.testing.assert_frame_equal(one, other.reset_index(drop=True))
        assert store.put(other.reset_index(drop=True)).digest == store.put(one).digest


def test_attrs_and_names_survive(store):
    frame = pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="key"))
    frame.columns.name = "field"
    frame.attrs = {"unit": "minutes"}
    loaded = store.load(store.put(frame))
    assert (loaded.attrs, loaded.columns.name, loaded.index.name) == ({"unit": "minutes"}, "field", "key")


def test_a_large_array_is_mapped_and_read_only(store):
    array = np.arange(1 << 18, dtype="f8")
    artifact = store.put(array)
    loaded = store.load(artifact)
    assert isinstance(loaded.base, np.memmap)
    assert type(loaded) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        loaded[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        store.load(store.put(np.arange(3)))[0] = 1


def test_the_order_in_memory_does_not_matter(store):
    array = np.arange(12).reshape(3, 4)
    assert store.put(np.asfortranarray(array)).digest == store.put(array).digest
    assert store.put(np.arange(24).reshape(3, 8)[:, ::2] // 2).digest == store.put(array).digest


def test_padding_of_records_does_not_matter(store):
    dtype = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    noise, zeros = np.full(32, 255, "u1").view(dtype), np.zeros(2, dtype)
    noise["a"], noise["b"] = 1, 2
    zeros["a"], zeros["b"] = 1, 2
    assert noise.tobytes() != zeros.tobytes()
    assert store.put(noise).digest == store.put(zeros).digest


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([object()]), "Python objects"),
        (np.zeros(2, np.dtype([("a", "O")])), "Python objects"),
        (np.zeros(2, np.longdouble), "undefined bytes"),
        (np.ma.masked_array([1, 2], [True, False]), "subclass MaskedArray"),
    ],
)
def test_arrays_without_exact_bytes_are_refused(store, array, reason):
    with pytest.raises(ParameterError, match=reason):
        store.put(array)
    assert store.list_digests() == []


def test_a_stored_array_is_a_file_that_numpy_opens(store):
    artifact = store.put(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(np.load(store.path_of(artifact)), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("value", [np.float64(0.1), np.int64(3), np.bool_(True)])
def test_a_number_of_numpy_is_stored_as_a_number_of_python(store, value):
    artifact = store.put(value)
    assert artifact.codec == "json/1"
    assert store.load(artifact) == value
