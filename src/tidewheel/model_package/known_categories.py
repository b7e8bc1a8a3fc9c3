"""The categories that a booster itself knows: a sample of its rows may hold fewer, and what is left out is missing."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from tidewheel.model_package.lightgbm_forest import booster_of, is_lightgbm
from tidewheel.model_package.signature import Field, Signature
from tidewheel.model_package.xgboost_categories import xgboost_categories
from tidewheel.model_package.xgboost_forest import is_xgboost


def with_known_categories(signature: Signature, model: Any, rows: pd.DataFrame) -> Signature:
    """The signature with the model's categories in the place of the sample's, where the model tells them.

    Args:
        signature: of the sample.
        model: whose native form is to answer.
        rows: the sample, in the model's column order.
    """
    known = _known(model, rows)
    inputs = tuple(
        msgspec.structs.replace(field, domain=tuple(_text(field, one) for one in known[field.name]))
        if known.get(field.name) and field.domain
        else field
        for field in signature.inputs
    )
    return msgspec.structs.replace(signature, inputs=inputs)


def _known(model: Any, rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Categories by column."""
    if is_lightgbm(model):  # keeps them without names, in the order of the frame's category columns
        names = [str(name) for name, kind in rows.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
        kept = booster_of(model).pandas_categorical or []
        return dict(zip(names, kept, strict=True)) if len(names) == len(kept) else {}
    return xgboost_categories(model) if is_xgboost(model) else {}


def _text(field: Field, category: Any) -> str:
    return str(int(category)) if field.kind == "integer" else str(category)
