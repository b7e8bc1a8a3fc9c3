"""Features of entities: joined to a spine as they were known at a time, and looked up online.

Importing this folder loads nothing heavy; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.feature_store.point_in_time import join as join
    from tidewheel.feature_store.report import JoinReport as JoinReport
    from tidewheel.feature_store.report import ViewReport as ViewReport

_HOMES = {
    "JoinReport": "report",
    "ViewReport": "report",
    "join": "point_in_time",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
