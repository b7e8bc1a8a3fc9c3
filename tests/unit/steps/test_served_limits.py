"""Limits for served rows are learned from rows of training, travel in the package, and are its content."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tidewheel.core.errors import (
    DefinitionError,
    NotFoundError,
    ParameterError,
    SchemaMismatchError,
    UnreadableFileError,
)
from tidewheel.core.records import ServedLimit
from tidewheel.model_package import Package, PackageCodec
from tidewheel.model_package.archive import read_archive, write_archive
from tidewheel.pipeline import ColumnLimit, RowDetector
from tidewheel.steps.model_packaging import model_packaging

_NOT_ITS = "its limits are not those of its model"


def served(column="x", **declared):
    return ColumnLimit(column, place="serving", **declared)


@cache
def training():
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"x": random.normal(size=1000), "n": random.integers(0, 100, 1000), "same": 1.0})
    frame["label"] = (frame["x"] > 0.5).astype(int)
    model = LogisticRegression().fit(frame[["x", "n", "same"]], frame["label"])
    return model, frame


def packaged(*limits, observed=None, **options):
    model, frame = training()
    sample = frame[["x", "n", "same"]].head(40)
    return model_packaging(model, sample, None, frame if observed is None else observed, limits=limits, **options)


def stored(package: Package, tmp_path):
    path = tmp_path / "package"
    with path.open("wb") as stream:
        package.write(stream)
    return path


def test_limits_are_those_that_the_observed_rows_give():
    _, frame = training()
    declared = (served(policy="clip", quantile=0.01), served(mads=5), served("n", policy="refuse", quantile=0.05))
    limits = packaged(*declared).limits
    assert limits.row_count == 1000
    first, second, third = limits.limits
    assert (first.policy, second.policy, third.policy) == ("clip", "flag", "refuse")
    np.testing.assert_allclose((first.low, first.high), np.quantile(frame["x"], [0.01, 0.99]), atol=0.1)
    middle = frame["x"].median()
    spread = 5 * (frame["x"] - middle).abs().median()
    np.testing.assert_allclose((second.low, second.high), (middle - spread, middle + spread), atol=0.02)
    assert (third.low, third.high) == tuple(np.quantile(frame["n"], [0.05, 0.95]).round())
    assert first.expected_share == pytest.approx(0.02, abs=0.002)


def test_a_column_of_one_value_has_a_limit_that_was_not_learned():
    assert packaged(served("same")).limits.limits == (ServedLimit(column="same", policy="flag"),)


def test_missing_and_infinite_numbers_are_not_learned_from():
    _, frame = training()
    odd = frame.assign(x=frame["x"].where(frame.index % 3 > 0).replace(frame["x"].max(), np.inf))
    (limit,) = packaged(served(quantile=0.01), observed=odd).limits.limits
    assert -4 < limit.low < limit.high < 4
    assert packaged(served(), observed=frame.assign(x=np.nan)).limits.limits[0].low is None


def test_limits_are_content_of_the_package_and_a_package_without_them_has_the_bytes_that_it_had(tmp_path):
    limited = packaged(served(policy="clip"))
    again = Package.read(stored(limited, tmp_path))
    assert again.limits == limited.limits
    assert again.digest == limited.digest == packaged(served(policy="clip")).digest
    plain = packaged()
    assert plain.limits is None
    assert "limits.json" not in read_archive(stored(plain, tmp_path))
    assert Package.read(stored(plain, tmp_path)).limits is None
    assert len({one.digest for one in (limited, plain, packaged(served(policy="flag")))}) == 3
    assert PackageCodec().encode(limited, io.BytesIO())["limits"] == 1
    assert "limits" not in PackageCodec().encode(plain, io.BytesIO())


def test_the_fallback_is_declared_or_the_mean_answer_to_the_sample():
    model, frame = training()
    mean = model.predict_proba(frame[["x", "n", "same"]].head(40))[:, 1].mean()
    assert packaged(served(policy="fall_back")).limits.fallback == (pytest.approx(mean, rel=1e-5),)
    assert packaged(served(policy="fall_back"), fallback=(0.25,)).limits.fallback == (0.25,)
    assert packaged(served(policy="clip")).limits.fallback == ()
    regression = LinearRegression().fit(frame[["x", "n"]], 3 * frame["x"])
    package = model_packaging(regression, frame[["x", "n"]], limits=(served(policy="fall_back"),))
    assert package.limits.fallback == (pytest.approx(3 * frame["x"].mean(), rel=1e-5),)
    assert package.limits.row_count == 1000


@pytest.mark.parametrize(
    ("limits", "options", "error", "told"),
    [
        ((ColumnLimit("x"),), {}, DefinitionError, "declared for training @ limits"),
        ((), {"fallback": (0.5,)}, DefinitionError, "no limit falls back @ fallback"),
        ((RowDetector(place="serving"),), {}, DefinitionError, "RowDetector is none @ limits"),
        ((served(policy="fall_back"),), {"fallback": (2.0,)}, SchemaMismatchError, "probability from 0 to 1"),
        ((served("y"),), {}, NotFoundError, "column 'y'"),
        ((served("label"),), {}, SchemaMismatchError, "no input of numbers"),
        ((served("word"),), {}, ParameterError, "has no limits"),
        ((served("kind"),), {}, ParameterError, "has no limits"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_told(limits, options, error, told):
    observed = training()[1].assign(word="a", kind=pd.Categorical([1, 2] * 500))
    with pytest.raises(error) as caught:
        packaged(*limits, observed=observed, **options)
    assert told in str(caught.value)


def test_where_a_model_answers_no_share_of_outliers_is_tolerated():
    with pytest.raises(DefinitionError, match="judged alone"):
        served(policy="refuse", tolerated=0.1)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"{", "documents"),
        (b'{"limits": [], "row_count": "many"}', "documents"),
        (b'{"limits": [{"column": "x", "policy": "burn"}], "row_count": 1}', "documents"),
        (b'{"limits": [{"column": "z", "policy": "flag"}], "row_count": 1}', _NOT_ITS),
        (
            b'{"limits": [{"column": "x", "policy": "fall_back"}], "row_count": 1}',
            _NOT_ITS,
        ),
    ],
)
def test_limits_that_are_none_make_a_package_unreadable(tmp_path, document, told):
    path = stored(packaged(served()), tmp_path)
    files = read_archive(path) | {"limits.json": document}
    with path.open("wb") as stream:
        write_archive(files, stream)
    with pytest.raises(UnreadableFileError, match=told):
        Package.read(path)
