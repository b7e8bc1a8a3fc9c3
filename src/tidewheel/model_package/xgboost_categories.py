"""The categories that XGBoost itself keeps of what it learned from."""

from __future__ import annotations

from typing import Any


def xgboost_categories(model: Any) -> dict[str, list[Any]]:
    """Categories by column of a fitted estimator of XGBoost; columns without any are not among them."""
    if model.booster == "gblinear":  # which knows none, and refuses to say so
        return {}
    found = model.get_booster().get_categories(export_to_arrow=True).to_arrow()
    return {str(name): values.to_pylist() for name, values in found if values is not None}
