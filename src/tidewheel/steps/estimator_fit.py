"""Fits an estimator as production needs it: seeded, with the step's threads, the same rows giving the same model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.model_package.xgboost_categories import xgboost_categories
from tidewheel.pipeline.surroundings import surroundings
from tidewheel.steps.query_rows import by_query, is_ranker, told_queries

# What libraries refuse in the name of a column, without saying which one it was.
_NOT_IN_NAMES = {"lightgbm": '",:[]{}', "xgboost": "[]<"}
_ROUNDS = {"lightgbm": "n_estimators", "xgboost": "n_estimators", "hist": "max_iter"}
# Where a library needs more than a seed to give the same model again, and where it would print.
_STEADY: dict[str, dict[str, Any]] = {
    "lightgbm": {"deterministic": True, "force_row_wise": True, "verbosity": -1},
    "xgboost": {"enable_categorical": True},
}


def fit_estimator(
    estimator: Any,
    train: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    label: str = "label",
    features: Sequence[str] = (),
    weight: str = "",
    group: str = "",
    patience: int = 50,
    rounds: int | None = None,
    seed: int | None = None,
    cpu: int | None = None,
) -> Any:
    """A fitted copy of an estimator of scikit-learn, LightGBM, XGBoost, or any other with `fit` and `predict`.

    What it does beside calling `fit`: text becomes categories where the estimator takes those as they are (LightGBM,
    XGBoost, HistGradientBoosting); what takes a seed gets one, also inside of a pipeline; threads are the step's;
    LightGBM's deterministic mode is switched on; boosting stops early on the validation rows, and never on a random
    part of the training rows, which is what HistGradientBoosting does by default on more than 10,000.

    Args:
        estimator: not changed; arguments that it was given win over what is set here, but for threads.
        train: rows to learn from.
        validation: later rows on which boosting stops early; other estimators do not see them.
        label: the column to learn.
        features: columns to learn from; by default all but label, weight and group.
        weight: a column with the weight of each row; empty for none.
        group: the column that names the query of each row, for LGBMRanker and XGBRanker; the rows may stand in any
            order. Others learn each row by itself.
        patience: rounds without a better score on the validation rows after which boosting stops; 0 for never.
        rounds: boosting rounds, in place of the estimator's own number: those that a search had found, for example.
        seed: by default the step's, 0 in a notebook.
        cpu: threads; by default the step's, 1 in a notebook.

    Raises:
        NotFoundError: a column is missing.
        ParameterError: there are no rows, labels or queries are missing, a column is of a type that no model learns
            from, or the estimator takes no such labels.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> rows = pd.DataFrame({"rain": [0.0, 0.1, 2.0, 3.0], "late": [0, 0, 1, 1]})
        >>> fit_estimator(LogisticRegression(), rows, label="late").predict(rows[["rain"]]).tolist()
        [0, 0, 1, 1]
    """
    from joblib import parallel_config
    from sklearn.base import clone

    around = surroundings()
    seed = (seed if seed is not None else around.seed if around else 0) % 2**31  # more is too much for LightGBM
    cpu = cpu if cpu is not None else around.cpu if around else 1
    names = list(features) or [str(name) for name in train.columns if name not in (label, weight, group)]
    columns = [*names, label, *filter(None, (weight, group))]
    for part, rows in {"training": train, "validation": validation}.items():
        if rows is not None:
            _check(rows, part, columns, label)
    kind = library_of(estimator)
    _check_names(names, kind)
    _check_kind(estimator, kind, train[label], group=group, weight=weight)
    if group:
        train = by_query(train, group, "training rows")
        validation = None if validation is None else by_query(validation, group, "validation rows")
    copy = clone(estimator, safe=False)
    _settle(copy, kind, seed=seed, cpu=cpu)
    if rounds is not None and kind in _ROUNDS:
        copy.set_params(**{_ROUNDS[kind]: rounds})
    stops = validation is not None and patience > 0 and rounds is None
    inputs = model_rows(copy, train[names])
    options = _stopping(copy, kind, inputs, train[label], validation if stops else None, patience)
    if weight:
        options["sample_weight"] = train[weight]
    if is_ranker(copy):
        judged = validation[group] if validation is not None and stops else None
        options |= told_queries(kind, train[group], judged)
    with parallel_config(n_jobs=cpu):
        fitted = copy.fit(inputs, train[label], **options)
    return copy if fitted is None else fitted


def library_of(estimator: Any) -> str:
    """`lightgbm`, `xgboost`, `hist` for scikit-learn's histogram boosting, empty for all others."""
    root = type(estimator).__module__.partition(".")[0]
    if root in ("lightgbm", "xgboost"):
        return root
    return "hist" if root == "sklearn" and type(estimator).__name__.startswith("HistGradientBoosting") else ""


def model_rows(model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as the model takes them: those columns that it was fitted on, text as categories where it knows such."""
    names = getattr(model, "feature_names_in_", None)
    rows = rows if names is None else rows[columns_of_names(names, rows)]
    kind = library_of(model)
    if not kind:
        return rows
    rows = rows.astype({name: "category" for name in rows.columns if _is_text(rows[name])})
    return _within(rows, xgboost_categories(model)) if kind == "xgboost" and names is not None else rows


def columns_of_names(names: Iterable[Any], rows: pd.DataFrame) -> list[str]:
    """The columns that a model means by its names: LightGBM writes a space as an underscore.

    Example:
        >>> columns_of_names(["air_time", "size"], pd.DataFrame(columns=["size", "air time"]))
        ['air time', 'size']
    """
    known = {str(name).replace(" ", "_"): str(name) for name in rows.columns}
    return [name if name in rows.columns else known.get(name, name) for name in map(str, names)]


def as_categories(model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with their text as categories, where the model learned from such because `fit_estimator` made them."""
    kind = library_of(model)
    if not kind or (kind == "hist" and model.categorical_features != "from_dtype"):
        return rows
    return rows.astype({name: "category" for name in rows.columns if _is_text(rows[name])})


def _within(rows: pd.DataFrame, categories: dict[str, list[Any]]) -> pd.DataFrame:
    """What was not seen in training is missing: XGBoost refuses it, where the other two take it for missing."""
    known = {name: rows[name].astype(object).where(rows[name].isin(values)) for name, values in categories.items()}
    return rows.assign(**{name: one.astype(pd.CategoricalDtype(categories[name])) for name, one in known.items()})


def chosen_rounds(model: Any) -> int | None:
    """Boosting rounds that a fitted model answers with; None for a model that does not boost."""
    match library_of(model):
        case "lightgbm":
            return int(model.best_iteration_ or model.n_estimators_)
        case "xgboost":
            best = getattr(model, "best_iteration", None) if model.early_stopping_rounds else None
            return int(model.get_booster().num_boosted_rounds() if best is None else best + 1)
        case "hist":
            return int(model.n_iter_)
    return None


def _settle(estimator: Any, kind: str, *, seed: int, cpu: int) -> None:
    if not hasattr(estimator, "get_params"):
        return
    given = estimator.get_params()
    wanted = {name: cpu for name, one in given.items() if _is_threads(name, one, estimator, given)}
    wanted |= {name: seed for name, one in given.items() if name.rpartition("__")[2] == "random_state" and one is None}
    wanted |= {name: one for name, one in _STEADY.get(kind, {}).items() if given.get(name) is None}
    if kind == "xgboost":
        wanted["enable_categorical"] = True  # its default is False, which only refuses
    estimator.set_params(**wanted)


def _is_threads(name: str, given: Any, estimator: Any, parameters: dict[str, Any]) -> bool:
    """Whether this argument is to be the step's `cpu`. scikit-learn's None is what joblib is told around the fit."""
    owner, _, last = name.rpartition("__")
    return last == "n_jobs" and (given is not None or library_of(parameters.get(owner, estimator)) not in ("", "hist"))


def _stopping(
    estimator: Any,
    kind: str,
    train: pd.DataFrame,
    learned: pd.Series,
    validation: pd.DataFrame | None,
    patience: int,
) -> dict[str, Any]:
    """What `fit` is to be told about the validation rows."""
    if kind == "hist" and (validation is not None or estimator.early_stopping == "auto"):
        estimator.set_params(early_stopping=validation is not None, n_iter_no_change=max(patience, 1))
    if not kind or validation is None:
        return {}
    rows, labels = model_rows(estimator, validation[list(train.columns)]), validation[learned.name]
    if kind == "hist":
        return {"X_val": rows, "y_val": labels}
    is_classifier = hasattr(estimator, "predict_proba")
    if is_classifier:  # nothing was learned about a class that is new
        rows, labels = _of_known_classes(rows, labels, learned)
    if kind == "xgboost":
        estimator.set_params(early_stopping_rounds=patience)
        named = [str(name) for name in train.columns if train[name].dtype == "category"]
        rows = _within(rows, {name: list(train[name].cat.categories) for name in named})
        return {"eval_set": [(rows, labels)], "verbose": False}
    from lightgbm import early_stopping

    if is_classifier:  # it numbers the classes of `y`, but takes `eval_y` as it is
        labels = pd.Series(pd.Index(sorted(learned.unique())).get_indexer(labels), index=labels.index)
    return {"eval_X": (rows,), "eval_y": (labels,), "callbacks": [early_stopping(patience, verbose=False)]}


def _of_known_classes(rows: pd.DataFrame, labels: pd.Series, learned: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    is_known = labels.isin(learned.unique())
    if not is_known.any():
        raise ParameterError(
            f"no class of the validation rows' {str(learned.name)!r} is among those of the training rows",
            next_step="look at how the rows were split, or leave the validation rows out",
        )
    return rows[is_known], labels[is_known]


def _check_kind(estimator: Any, kind: str, labels: pd.Series, *, group: str, weight: str) -> None:
    """What this kind of estimator cannot be told, or must be."""
    name = type(estimator).__name__
    if is_ranker(estimator) and not group:
        raise ParameterError(
            f"{name} learns an order within queries, and no column says which rows are of one",
            next_step='name it: group="query"',
        )
    if is_ranker(estimator) and kind == "xgboost" and weight:
        raise ParameterError(
            f"{name} takes a weight for each query, and {weight!r} has one for each row",
            next_step="leave it out, or take LGBMRanker",
        )
    if kind == "xgboost" and hasattr(estimator, "predict_proba"):
        found = sorted(labels.unique().tolist(), key=str)
        if set(found) != set(range(len(found))):
            told = ", ".join(repr(one) for one in found[:5])
            raise ParameterError(
                f"{name} takes classes that are numbered from 0, and {str(labels.name)!r} has {told}",
                next_step="number them in the step that makes the label, or take LGBMClassifier, which learns any",
            )


def _check(rows: pd.DataFrame, part: str, columns: list[str], label: str) -> None:
    for name in columns:
        if name not in rows.columns:
            raise NotFoundError("column", name, known=[str(one) for one in rows.columns], where=f"{part} rows")
    if rows.empty:
        raise ParameterError(f"there are no {part} rows", next_step="look at what the step before it gave")
    missing = int(rows[label].isna().sum())
    if missing:
        raise ParameterError(
            f"{missing} of {len(rows)} {part} rows have no {label!r}", next_step="leave them out before training"
        )
    for name in columns:
        if name != label and rows[name].dtype.kind in "mM":
            raise ParameterError(
                f"column {name!r} of type {rows[name].dtype} is a time, and no model learns from it as it is",
                next_step="name the `features`, or make numbers of it, such as the hour",
            )


def _check_names(names: Sequence[str], kind: str) -> None:
    for name in names:
        found = [one for one in _NOT_IN_NAMES.get(kind, "") if one in name]
        if found:
            raise ParameterError(
                f"column {name!r} has {found[0]!r} in its name, which {kind} refuses",
                next_step="rename it in the step that makes the features",
            )


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.StringDtype) or values.dtype == object
