"""From rows and a package to labels and answers that metrics take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.model_package import Package, Signature
from tidewheel.model_package.signature import Field, columns_of
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.scored import Problem, Scored


def problem_of(signature: Signature, *, group: str = "", level: float | None = None) -> Problem:
    """What is asked of a model: what its signature says, of numbers a ranking or a quantile when so declared.

    Raises:
        SchemaMismatchError: a ranking or quantile of a classifier.
    """
    declared: Problem | None = "ranking" if group else "quantiles" if level is not None else None
    if declared is None:
        return signature.task
    if signature.task != "regression":
        raise SchemaMismatchError(f"it is a {signature.task} model, which gives no numbers for {declared}")
    return declared


def truth_of(rows: pd.DataFrame, label: str, problem: Problem, classes: tuple[int | str, ...]) -> Numbers:
    """Labels as metrics take them: the index of a class (of two, 1 is the second), or the number.

    Raises:
        SchemaMismatchError: a label is missing, or no class or number.
    """
    values = rows[label]
    if problem in ("binary", "multiclass"):
        missing = int(values.isna().sum())
        if missing:
            raise SchemaMismatchError(f"{missing:,} of {len(values):,} rows have no {label!r}")
        codes = pd.Index(list(classes)).get_indexer(_as_classes(values, classes))
        if (codes < 0).any():
            named = " and ".join(map(str, classes)) if len(classes) < 6 else f"the {len(classes)} classes"
            raise SchemaMismatchError(
                f"column {label!r} must hold {named} only, but has {values.iloc[int((codes < 0).argmax())]}"
            )
        return codes.astype(np.float64)
    return numbers_of(values, label)


def _as_classes(values: pd.Series, classes: tuple[int | str, ...]) -> pd.Index:
    """Labels as packages name classes: those of a model that learned False and True are 0 and 1."""
    if pd.api.types.infer_dtype(values, skipna=False) == "boolean" and bool not in map(type, classes):
        values = values.astype("int64")
    labels: pd.Index = pd.Index(values.astype(object))
    return labels


def numbers_of(values: pd.Series, name: str) -> Numbers:
    """A column as finite numbers.

    Raises:
        SchemaMismatchError: one is none.
    """
    try:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise SchemaMismatchError(f"column {name!r} holds no numbers") from None
    bad = int((~np.isfinite(numbers)).sum())
    if bad:
        raise SchemaMismatchError(f"{bad} of the numbers of column {name!r} are missing or infinite")
    return numbers


def times_of(values: pd.Series, name: str) -> pd.Series:
    """A column as times in UTC; those without a zone are taken as UTC, missing ones stay missing.

    Raises:
        SchemaMismatchError: it holds no times.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise SchemaMismatchError(f"column {name!r} of type {values.dtype} holds no times")
    try:
        return pd.to_datetime(values, utc=True)
    except (TypeError, ValueError):
        raise SchemaMismatchError(f"column {name!r} of type {values.dtype} holds no times") from None


def said_by(package: Package, rows: pd.DataFrame, problem: Problem, classes: tuple[int | str, ...] = ()) -> Numbers:
    """What a package answers to rows.

    Args:
        classes: in the order in which probabilities are wanted; by default the package's own.

    Raises:
        SchemaMismatchError: columns or values do not fit the signature, or it is a model of another problem.
        UnreadableFileError: the package cannot be loaded.
    """
    signature = package.signature
    expected = problem if problem in ("binary", "multiclass") else "regression"
    if signature.task != expected:
        raise SchemaMismatchError(f"it is a {signature.task} model, which answers no {problem} problem")
    answers = package.open().predict(columns_for(signature, rows))
    if expected == "regression":
        said = answers["prediction"].reshape(-1).astype(np.float64)
        return said.reshape(-1, 1) if problem == "quantiles" else said
    said = answers["probability"].astype(np.float64)
    own = signature.classes
    if classes and set(own) != set(classes):
        raise SchemaMismatchError(f"its classes are {', '.join(map(str, own))}, not {', '.join(map(str, classes))}")
    if problem == "binary":
        said = said.reshape(-1)
        return 1.0 - said if classes and own[1] != classes[1] else said
    return said[:, [own.index(one) for one in classes]] if classes else said


def columns_for(signature: Signature, rows: pd.DataFrame) -> dict[str, Any]:
    """The columns that a model takes.

    Raises:
        SchemaMismatchError: rows lack one.
    """
    names = [field.name for field in signature.inputs]
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise SchemaMismatchError(f"it needs the columns {', '.join(map(repr, missing))}, which the test rows lack")
    columns: dict[str, Any] = columns_of(rows[[name for name in names if not _is_plain(rows[name])]])
    return columns | {name: rows[name].to_numpy() for name in names if name not in columns}


def fitting_rows(signature: Signature, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows a model can answer, by the fields of its signature.

    Raises:
        SchemaMismatchError: rows lack a column.
    """
    columns_for(signature, rows.head(0))
    fits = np.ones(len(rows), dtype=bool)
    for field in signature.inputs:
        fits &= _fitting(field, rows[field.name])
    return fits


def scored_rows(
    problem: Problem,
    truth: Numbers,
    said: Numbers,
    *,
    classes: Any = (),
    level: float | None = None,
    groups: Any = None,
) -> Scored:
    """Labels and answers together; `groups` are any values that are equal within a query."""
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.intp)
    levels = () if level is None else (level,)
    return Scored(problem, truth, said, classes if problem == "multiclass" else (), levels, codes)


def _is_plain(values: pd.Series) -> bool:
    """Whether its array is taken as it is, which is far quicker than value by value."""
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb"


def _fitting(field: Field, values: pd.Series) -> NDArray[np.bool_]:
    is_missing = values.isna().to_numpy()
    if _is_plain(values):
        if (values.dtype.kind == "b") != (field.kind == "boolean") or field.kind == "string":
            return is_missing & field.allows_null
        numbers = values.to_numpy(dtype=np.float64)
        fits = np.isfinite(numbers)
        if field.kind == "integer":
            fits &= numbers == np.floor(numbers)
    else:
        kinds = {"string": str, "boolean": bool | np.bool_}.get(field.kind, int | float | np.integer | np.floating)
        objects = values.astype(object)
        fits = np.array(
            [isinstance(one, kinds) and (field.kind == "boolean" or not isinstance(one, bool)) for one in objects],
            dtype=bool,
        )
        if field.kind in ("integer", "float"):
            numbers = np.array([float(one) if fit else np.nan for one, fit in zip(objects, fits, strict=True)])
            fits &= np.isfinite(numbers) & ((numbers == np.floor(numbers)) | (field.kind == "float"))
    return np.where(is_missing, field.allows_null, fits).astype(bool)
