"""Features of entities: joined to a spine as they were known at a time, and looked up online.

Importing this folder loads nothing heavy; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.feature_store.catalog import near_duplicates as near_duplicates
    from tidewheel.feature_store.catalog import search as search
    from tidewheel.feature_store.materialization import MaterializeResult as MaterializeResult
    from tidewheel.feature_store.materialization import materialize as materialize
    from tidewheel.feature_store.online_store import OnlineStore as OnlineStore
    from tidewheel.feature_store.online_store import put_on_demand as put_on_demand
    from tidewheel.feature_store.point_in_time import join as join
    from tidewheel.feature_store.report import JoinReport as JoinReport
    from tidewheel.feature_store.report import ViewReport as ViewReport

_HOMES = {
    "JoinReport": "report",
    "MaterializeResult": "materialization",
    "OnlineStore": "online_store",
    "ViewReport": "report",
    "join": "point_in_time",
    "materialize": "materialization",
    "near_duplicates": "catalog",
    "put_on_demand": "online_store",
    "search": "catalog",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
