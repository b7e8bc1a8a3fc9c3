"""Rows of a ranking by query: those that are ordered among each other, and what rankers are told of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import NotFoundError, ParameterError

_RANKERS = {"LGBMRanker", "XGBRanker"}


def is_ranker(estimator: Any) -> bool:
    """Whether it learns an order within queries, and so must be told which rows belong together."""
    return any(one.__name__ in _RANKERS for one in type(estimator).__mro__)


def query_codes(rows: pd.DataFrame, group: str, where: str) -> np.ndarray:
    """The query of each row as a number, from 0 in the order of their first rows; [rows].

    Raises:
        NotFoundError: there is no column `group`.
        ParameterError: a row has no query.

    Example:
        >>> query_codes(pd.DataFrame({"query": ["b", "a", "b"]}), "query", "rows").tolist()
        [0, 1, 0]
    """
    if group not in rows.columns:
        raise NotFoundError("column", group, known=[str(name) for name in rows.columns], where=where)
    missing = int(rows[group].isna().sum())
    if missing:
        raise ParameterError(
            f"{missing} of {len(rows)} {where} have no {group!r}", next_step="leave them out: they are of no query"
        )
    return np.asarray(pd.factorize(rows[group])[0])


def by_query(rows: pd.DataFrame, group: str, where: str) -> pd.DataFrame:
    """The rows with those of a query one after the other, as rankers want them; see `query_codes` for errors.

    Example:
        >>> by_query(pd.DataFrame({"query": ["b", "a", "b"], "place": [1, 2, 3]}), "query", "rows")["place"].tolist()
        [1, 3, 2]
    """
    return rows.iloc[np.argsort(query_codes(rows, group, where), kind="stable")]


def told_queries(kind: str, train: pd.Series, validation: pd.Series | None) -> dict[str, Any]:
    """What `fit` of a ranker is told of the queries.

    Args:
        kind: `lightgbm`, which counts the rows of each query, or `xgboost`, which numbers the rows by query.
        train, validation: the query of each row, in the order of `by_query`.
    """
    parts = [pd.factorize(one)[0] for one in (train, validation) if one is not None]
    told = parts if kind == "xgboost" else [np.bincount(one) for one in parts]
    name = "qid" if kind == "xgboost" else "group"
    return {name: told[0]} | ({f"eval_{name}": told[1:]} if validation is not None else {})
