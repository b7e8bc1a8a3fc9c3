"""Tidewheel keeps machine-learning models fresh in production, and can prove how each one came to be.

Definitions come from `tidewheel.pipeline` (`from tidewheel.pipeline import Model, pipeline, step, table`), everything
else from here. Every name below is loaded on first use; importing the package loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.core.errors import StopRun as StopRun
    from tidewheel.core.errors import TidewheelError as TidewheelError
    from tidewheel.core.metrics import Metrics as Metrics
    from tidewheel.model_package import Champion as Champion
    from tidewheel.model_package import Package as Package
    from tidewheel.monitoring import PerformanceMonitor as PerformanceMonitor
    from tidewheel.table_store import TableReader as TableReader
    from tidewheel.triggers import PerformanceDrop as PerformanceDrop
    from tidewheel.triggers import ValueSkew as ValueSkew
    from tidewheel.workspace import Workspace as Workspace
    from tidewheel.workspace import open_workspace as open  # noqa: A004, F401 - part of the public names

_HOMES = {
    "Champion": "model_package",
    "Metrics": "core.metrics",
    "Package": "model_package",
    "PerformanceDrop": "triggers",
    "PerformanceMonitor": "monitoring",
    "StopRun": "core.errors",
    "TableReader": "table_store",
    "TidewheelError": "core.errors",
    "ValueSkew": "triggers",
    "Workspace": "workspace",
    "open": "workspace",
}

__all__ = list(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = home.open_workspace if name == "open" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What a notebook completes: names count before they are loaded."""
    return sorted({*globals(), *__all__})
