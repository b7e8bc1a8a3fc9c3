"""What every codec promises, tried on values of every kind it stores.

Another process, with another hash seed and time zone, calls `main`, which stores all samples and prints their digests.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from matplotlib.figure import Figure
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from tidewheel.artifact_store import LocalArtifactStore, codec_table, identity_of
from tidewheel.core.errors import ArtifactCorruptError, TidewheelError
from tidewheel.core.metrics import Metrics
from tidewheel.model_package import Package, package_model
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.workspace.codecs import codec_table as every_codec

Samples = dict[str, Callable[[], Any]]


@dataclasses.dataclass(frozen=True)
class Report:
    title: str
    metrics: Metrics
    tags: frozenset[str]


class CodecContract:
    """The suite. A codec's tests inherit it, name their codec and list samples."""

    identity: str
    samples: Samples
    refuses_foreign_bytes = True

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        assert found == expected

    @classmethod
    @cache
    def each(cls) -> list[tuple[str, Any]]:
        return [(name, make()) for name, make in cls.samples.items()]

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalArtifactStore:
        return LocalArtifactStore(tmp_path / "artifacts", every_codec())

    def test_its_identity_is_declared(self):
        assert identity_of(every_codec().for_identity(self.identity)) == self.identity

    def test_its_types_are_found_by_name_as_by_value(self):
        table = every_codec()
        for name, value in self.each():
            assert table.find_for_type_names(codec_table._type_names(type(value))) == self.identity, name
            assert identity_of(table.for_value(value)) == self.identity, name

    def test_values_survive(self, store):
        for name, value in self.each():
            artifact = store.put(value)
            assert artifact.codec == self.identity, name
            self.assert_equal(store.load(artifact), value)

    def test_equal_values_give_equal_bytes_here(self, store):
        for name, make in self.samples.items():
            assert store.put(make()) == store.put(make()), name

    def test_equal_values_give_equal_bytes_in_another_process(self, store, digests_of_another_process):
        with threadpool_limits(1):  # as there: a boosting of scikit-learn knows how many threads fitted it
            here = {name: store.put(make()).digest for name, make in self.samples.items()}
        assert here == digests_of_another_process[self.identity]

    def test_what_was_loaded_is_stored_under_the_same_digest(self, store):
        for name, value in self.each():
            artifact = store.put(value)
            loaded = store.load(artifact)
            if every_codec().for_value(loaded).name == artifact.codec.partition("/")[0]:
                assert store.put(loaded).digest == artifact.digest, name

    def test_the_summary_is_json(self, store):
        for _, value in self.each():
            artifact = store.put(value)
            assert type(artifact).from_json(artifact.to_json()) == artifact

    @pytest.mark.parametrize("damage", ["truncated", "altered", "emptied"])
    def test_damaged_bytes_are_refused(self, store, damage):
        for name, value in self.each():
            artifact = store.put(value)
            path = store.path_of(artifact)
            data = path.read_bytes()
            if not data:
                continue
            middle = len(data) // 2
            changed = {
                "truncated": data[:-1],
                "altered": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
                "emptied": b"",
            }[damage]
            path.unlink()
            path.write_bytes(changed)
            with pytest.raises(ArtifactCorruptError):
                store.load(artifact)
                pytest.fail(name)

    @pytest.mark.parametrize("foreign", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY no array", b"ARROW1 no table"])
    def test_bytes_of_another_kind_are_told(self, tmp_path, foreign):
        path = tmp_path / "foreign"
        path.write_bytes(foreign)
        codec = every_codec().for_identity(self.identity)
        if not self.refuses_foreign_bytes:
            codec.decode(path)
            return
        with pytest.raises(TidewheelError):
            codec.decode(path)


class TestJson(CodecContract):
    identity = "json/1"
    samples: Samples = {
        "none": lambda: None,
        "numbers": lambda: [True, 1, -(10**40), 0.1, -0.0, math.inf, -math.inf],
        "dict": lambda: {"b": 1, "a": {"$tuple": [1]}, "": (1, "x", ())},
        "sets": lambda: {"s": {"a", "b", "c", "d"}, "f": frozenset({1, "x", None, (2, "y")})},
        "times": lambda: [
            datetime.datetime(2013, 11, 3, 1, 30, tzinfo=datetime.UTC),
            datetime.date(2013, 1, 1),
            datetime.timedelta(microseconds=-1),
            decimal.Decimal("1.10"),
        ],
        "class": lambda: Report("April", Metrics(auc=0.7, ap=0.4), frozenset({"x", "y", "z"})),
        "metrics": lambda: Metrics(auc=0.7),
    }


class TestBytes(CodecContract):
    identity = "bytes/1"
    refuses_foreign_bytes = False
    samples: Samples = {"bytes": lambda: b"\x00tide\xff", "empty": lambda: b""}


def written(content: bytes) -> Path:
    """A new file in a folder that the test process keeps until its end."""
    folder = tempfile.mkdtemp(dir=_FOLDER.name)
    path = Path(folder, "file.bin")
    path.write_bytes(content)
    return path


_FOLDER = tempfile.TemporaryDirectory(prefix="tw-codec-")


class TestFile(CodecContract):
    identity = "file/1"
    refuses_foreign_bytes = False
    samples: Samples = {"small": lambda: written(b"abc"), "large": lambda: written(b"abcd" * (3 << 20))}

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert found.read_bytes() == expected.read_bytes()
        assert not found.stat().st_mode & 0o222


def flights() -> pa.Table:
    return pa.table(
        {
            "n": [1, None, 3, 4],
            "x": [0.5, -0.0, None, math.inf],
            "s": ["x", None, "yy", ""],
            "b": [True, None, False, True],
            "l": [[1, 2], None, [], [None]],
            "st": [{"p": 1, "q": "z"}, None, {"p": None, "q": "k"}, {"p": 4, "q": None}],
            "m": pa.array([[("k", 1)], None, [], [("z", None)]], pa.map_(pa.string(), pa.int32())),
            "f": pa.array([[1, 2], None, [3, None], [5, 6]], pa.list_(pa.int16(), 2)),
            "d": pa.array(["u", "v", None, "u"]).dictionary_encode(),
            "z": pa.nulls(4),
            "dec": pa.array([None, 1, 2, 3], pa.decimal128(10, 2)),
            "ts": pa.array([0, 1, None, 3], pa.timestamp("us", "America/New_York")),
            "ll": pa.array([["a"], None, [], ["b", None]], pa.large_list(pa.large_string())),
        }
    )


class TestArrow(CodecContract):
    identity = "arrow/1"
    samples: Samples = {
        "all types": flights,
        "no rows": lambda: flights().slice(2, 0),
        "no columns": lambda: pa.table({}),
        "metadata": lambda: pa.table({"a": [1]}).replace_schema_metadata({"z": "1", "a": "2"}),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        found.validate(full=True)
        assert found.equals(expected, check_metadata=True)


DATES = [datetime.date(2013, 3, 10), datetime.date.min, None, datetime.date.max]


def frame() -> pd.DataFrame:
    hours = pd.date_range("2013-03-10", periods=3, freq="h", tz="America/New_York")
    return pd.DataFrame(
        {
            "i": np.array([1, 2, 3], "int8"),
            "f": [0.5, math.nan, -0.0],
            "b": [True, False, True],
            "s": ["x", None, ""],
            "string": pd.array(["x", None, "y"], "string[python]"),
            "o": pd.Series(["x", None, "y"], dtype=object),
            "c": pd.Categorical(["lo", None, "hi"], ["lo", "mid", "hi"], ordered=True),
            "ci": pd.Categorical([3, 1, 3]),
            "t": pd.to_datetime(["2013-01-01", None, "2013-01-03"]),
            "tz": hours,
            "td": pd.to_timedelta([1, None, 3], unit="s"),
            "I": pd.array([1, None, 3], "Int64"),
            "B": pd.array([True, None, False], "boolean"),
            "F": pd.array([0.5, None, 1.5], "Float32"),
            "pa": pd.array([1, None, 3], "int32[pyarrow]"),
        }
    )


class TestPandas(CodecContract):
    identity = "pandas/1"
    samples: Samples = {
        "all dtypes": frame,
        "no rows": lambda: frame().iloc[:0],
        "no columns": lambda: pd.DataFrame(index=pd.RangeIndex(3)),
        "times as index": lambda: frame().set_index(pd.date_range("2013-01-01", periods=3, freq="D", name="day")),
        "zoned index": lambda: frame()[["i", "tz"]].set_index("tz"),
        "levels": lambda: frame().set_index(["s", "c"])[["i", "t"]],
        "labels of numbers": lambda: pd.DataFrame(np.arange(6.0).reshape(2, 3), index=["a", "b"]),
        "labels twice": lambda: pd.DataFrame([[1, "x"]], columns=["a", "a"]),
        "labels in levels": lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        "dates of a table": lambda: pa.table({"d": DATES}).to_pandas(),
        "dates and NaN": lambda: pd.Series([DATES[0], math.nan], dtype=object),
        "dates as categories and labels": lambda: pd.Series(pd.Categorical(DATES[:2]), index=DATES[:2]),
        "series": lambda: pd.Series([1.5, None], index=[7, 9], name="delay"),
        "series of categories": lambda: pd.Series(["a", "b"], dtype="category", name=("x", 1)),
        "no name": lambda: pd.Series([], dtype="int64"),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        check = pd.testing.assert_frame_equal if isinstance(expected, pd.DataFrame) else pd.testing.assert_series_equal
        check(found, expected, check_exact=True, check_freq=True)
        if isinstance(expected, pd.DataFrame) and "d" in expected:
            assert [type(item) for item in found["d"]] == [type(item) for item in expected["d"]]


class TestNumpy(CodecContract):
    identity = "numpy/1"
    samples: Samples = {
        "line": lambda: np.arange(5),
        "transposed": lambda: np.arange(12.0).reshape(3, 4).T,
        "strided": lambda: np.arange(20)[::3],
        "large": lambda: np.arange(400_000, dtype="float64"),
        "none": lambda: np.zeros((0, 3)),
        "no dimensions": lambda: np.array(3.5),
        "text": lambda: np.array(["a", "bb"]),
        "times": lambda: np.array(["2013-01-01", "NaT"], "M8[s]"),
        "records": lambda: np.array([(1, 2.0), (3, 4.0)], np.dtype([("a", "u1"), ("b", "f8")], align=True)),
        "complex scalar": lambda: np.complex128(1j),
        "time scalar": lambda: np.datetime64("2013-01-01"),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def figure() -> Figure:
    result = Figure(figsize=(3, 2))
    axes = result.subplots()
    axes.plot([1, 2, 3], label="delay")
    axes.legend()
    axes.set_title("April")
    return result


class TestFigure(CodecContract):
    identity = "figure/1"
    refuses_foreign_bytes = False
    samples: Samples = {"lines": figure}

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert found.startswith(b"\x89PNG")
        assert b"Matplotlib" not in found


def rows() -> tuple[pd.DataFrame, np.ndarray]:
    source = np.random.default_rng(7)
    x = pd.DataFrame(
        {
            "distance": source.normal(size=200),
            "hour": source.integers(0, 24, 200).astype(float),
            "carrier": pd.Categorical(source.choice(["UA", "DL", "B6"], 200)),
        }
    )
    return x, ((x["distance"] + (x["carrier"] == "UA")) > 0.3).to_numpy().astype(int)


def prepared(model: Any) -> Pipeline:
    encode = ColumnTransformer(
        [("numbers", StandardScaler(), ["distance", "hour"]), ("names", OneHotEncoder(), ["carrier"])]
    )
    return Pipeline([("encode", encode), ("model", model)]).fit(*rows())


def native(kind: Any, **options: Any) -> Any:
    return kind(max_iter=5, random_state=1, categorical_features=["carrier"], early_stopping=True, **options).fit(
        *rows()
    )


def texts() -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        ["late again", "on time", "late"] * 3, [1, 0, 1] * 3
    )


def predictions(model: Any, at: Any) -> Any:
    return model.predict_proba(at) if hasattr(model, "predict_proba") else model.predict(at)


class TestSklearn(CodecContract):
    identity = "sklearn/1"
    samples: Samples = {
        "logistic": lambda: prepared(LogisticRegression()),
        "forest": lambda: prepared(RandomForestClassifier(5, random_state=np.random.RandomState(3))),
        "boosting": lambda: native(HistGradientBoostingClassifier),
        "boosting, sampled": lambda: native(HistGradientBoostingRegressor, max_features=0.5, loss="absolute_error"),
        "boosting within": lambda: prepared(HistGradientBoostingClassifier(max_iter=5, random_state=1)),
        "lightgbm within": lambda: prepared(lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)),
        "xgboost within": lambda: prepared(xgboost.XGBClassifier(n_estimators=5, n_jobs=1)),
        "texts": texts,
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        at = ["late again", "never"] if "tfidfvectorizer" in getattr(expected, "named_steps", ()) else rows()[0]
        np.testing.assert_array_equal(predictions(found, at), predictions(expected, at))


def booster() -> Any:
    x, y = rows()
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1}
    return lightgbm.train(parameters, lightgbm.Dataset(x, y), 5)


def boosted(kind: Any) -> Any:
    return kind(n_estimators=5, n_jobs=1, verbose=-1).fit(*rows())


class TestLightgbm(CodecContract):
    identity = "lightgbm/1"
    samples: Samples = {
        "booster": booster,
        "classifier": lambda: boosted(lightgbm.LGBMClassifier),
        "regressor": lambda: boosted(lightgbm.LGBMRegressor),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        at = rows()[0]
        np.testing.assert_array_equal(predictions(found, at), predictions(expected, at))


def boosted_by_rows(kind: Any, **options: Any) -> Any:
    settings = {"n_estimators": 5, "n_jobs": 1, "enable_categorical": True, "random_state": 1}
    return kind(**settings, **options).fit(*rows(), eval_set=[rows()], verbose=False)


def plain_booster() -> Any:
    x, y = rows()
    data = xgboost.DMatrix(x, y, enable_categorical=True, nthread=1)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)


class TestXgboost(CodecContract):
    identity = "xgboost/1"
    samples: Samples = {
        "booster": plain_booster,
        "classifier": lambda: boosted_by_rows(xgboost.XGBClassifier, early_stopping_rounds=2),
        "regressor": lambda: boosted_by_rows(xgboost.XGBRegressor, monotone_constraints={"distance": 1}),
        "forest": lambda: boosted_by_rows(xgboost.XGBRFRegressor),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        at = rows()[0]
        if isinstance(expected, xgboost.Booster):
            matrix = xgboost.DMatrix(at, enable_categorical=True)
            np.testing.assert_array_equal(found.predict(matrix), expected.predict(matrix))
            return
        assert repr(found.get_params()) == repr(expected.get_params())
        np.testing.assert_array_equal(predictions(found, at), predictions(expected, at))


class TestPackage(CodecContract):
    identity = "package/1"
    samples: Samples = {
        "onnx": lambda: package_model(native(HistGradientBoostingClassifier), rows()[0]),
        "onnx of a booster": lambda: package_model(booster(), rows()[0]),
        "native": lambda: model_packaging(prepared(LogisticRegression()), rows()[0]),
        "native forest": lambda: model_packaging(prepared(RandomForestClassifier(5, random_state=3)), rows()[0]),
    }

    @staticmethod
    def assert_equal(found: Any, expected: Any) -> None:
        assert type(found) is type(expected) is Package
        assert (found.manifest, found.examples, found.parity) == (expected.manifest, expected.examples, expected.parity)
        assert found.files == expected.files
        assert found.digest == expected.digest
        found.check_examples()

    def test_a_package_knows_the_digest_of_its_artifact(self, store):
        for name, value in self.each():
            assert store.put(value).digest == value.digest, name


SUITES = [
    TestJson, TestBytes, TestFile, TestArrow, TestPandas, TestNumpy, TestFigure, TestSklearn, TestLightgbm, TestXgboost,
    TestPackage
]  # fmt: skip


def test_every_codec_has_a_suite():
    assert {suite.identity for suite in SUITES} == {*codec_table._IDENTITIES.values(), "package/1"}


OTHER = """
import importlib.util, sys
_, name, file, folder = sys.argv
spec = importlib.util.spec_from_file_location(name, file)  # by the name that it has here, as classes are stored by it
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.main(folder)
"""


@pytest.fixture(scope="session")
def digests_of_another_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """With another hash seed and another time zone than here."""
    zone = "Asia/Tokyo" if time.localtime().tm_gmtoff != 9 * 3600 else "UTC"
    environment = {**os.environ, "PYTHONHASHSEED": "2", "TZ": zone, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", OTHER, __name__, __file__, str(tmp_path_factory.mktemp("other"))],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, dict[str, str]] = json.loads(done.stdout)
    return answer


def main(folder: str) -> None:
    """Stores every sample, and prints the digests by codec and sample."""
    store = LocalArtifactStore(Path(folder), every_codec())
    digests = {suite.identity: {name: store.put(value).digest for name, value in suite.each()} for suite in SUITES}
    print(json.dumps(digests))
