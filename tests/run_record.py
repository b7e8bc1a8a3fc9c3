"""The record of a run, for tests that need one and care for few of its fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidewheel.core.records import Run

AT = datetime(2013, 4, 1, tzinfo=UTC)


def run_record(**changes: Any) -> Run:
    """A run at `AT` that is being carried out, with what a test names changed."""
    fields: dict[str, Any] = {
        "id": "run",
        "pipeline": "training",
        "status": "running",
        "plan_digest": "p",
        "event_id": "e",
        "parameters": {},
        "sources_digest": "s",
        "commit": "",
        "branch": "",
        "is_dirty": False,
        "author": "",
        "runtime_digest": "r",
        "lock_digest": "",
        "executor": "local",
        "host": "h",
        "user": "u",
        "orchestrator_pid": 1,
        "at": AT,
        "started_at": AT,
    }
    return Run(**fields | changes)
