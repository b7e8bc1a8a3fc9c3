"""Runs a plan: local worker processes, the fingerprint cache, progress and interruption.

Names are loaded on first use: a worker imports only the records that it exchanges with the orchestrator.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.orchestrator.fingerprint import explain_difference
    from tidewheel.orchestrator.fork_server import ForkServer
    from tidewheel.orchestrator.in_process import InProcessWorkers
    from tidewheel.orchestrator.interrupted import collect_reports
    from tidewheel.orchestrator.local import LocalOrchestrator
    from tidewheel.orchestrator.prepared_run import PreparedRun, ResolvedNode, StepCode
    from tidewheel.orchestrator.progress import Listener, Progress
    from tidewheel.orchestrator.run_lock import is_alive

_HOMES = {
    "explain_difference": "fingerprint",
    "ForkServer": "fork_server",
    "InProcessWorkers": "in_process",
    "collect_reports": "interrupted",
    "LocalOrchestrator": "local",
    "PreparedRun": "prepared_run",
    "ResolvedNode": "prepared_run",
    "StepCode": "prepared_run",
    "Listener": "progress",
    "Progress": "progress",
    "is_alive": "run_lock",
}

__all__ = [
    "ForkServer",
    "InProcessWorkers",
    "Listener",
    "LocalOrchestrator",
    "PreparedRun",
    "Progress",
    "ResolvedNode",
    "StepCode",
    "collect_reports",
    "explain_difference",
    "is_alive",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
