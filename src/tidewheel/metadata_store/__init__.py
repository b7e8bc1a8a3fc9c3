"""Facts on SQLAlchemy Core, in SQLite or PostgreSQL: one store per noun, each a few short transactions.

What changes state often is an append-only history and a current row, changed in one transaction by compare-and-swap.
Nothing here interprets facts; their users record and read them.
"""

from __future__ import annotations

import gc

# SQLAlchemy makes many lasting objects when it is imported; the collector's rounds over them are a fifth of that time.
_was_collecting = gc.isenabled()
gc.disable()
try:
    import sqlalchemy as _sqlalchemy  # noqa: F401
finally:
    if _was_collecting:
        gc.enable()

from tidewheel.metadata_store.artifact import ArtifactStore  # noqa: E402
from tidewheel.metadata_store.closure_miss import ClosureMissStore  # noqa: E402
from tidewheel.metadata_store.database import Database  # noqa: E402
from tidewheel.metadata_store.event import EventStore  # noqa: E402
from tidewheel.metadata_store.execution import ExecutionStore  # noqa: E402
from tidewheel.metadata_store.plan import PlanStore, StoredPlan  # noqa: E402
from tidewheel.metadata_store.run import RunStore  # noqa: E402

__all__ = [
    "ArtifactStore",
    "ClosureMissStore",
    "Database",
    "EventStore",
    "ExecutionStore",
    "PlanStore",
    "RunStore",
    "StoredPlan",
]
