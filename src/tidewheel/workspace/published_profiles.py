"""The profiles of published batches: each is kept with its ingest's execution, and found by the table's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.core.errors import TidewheelError
from tidewheel.core.records import Artifact
from tidewheel.steps.ingest_properties import INGEST_ID, RUN
from tidewheel.workspace.operation import Operation
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    from tidewheel.statistics import Profile

PROFILE = "profile"
"""The output of an ingest's execution."""

_LOOKS_PER_BATCH = 4
"""Snapshots without a profile, such as those of compactions, are passed over, but not without an end."""


class PublishedProfiles:
    """What an ingest is compared with; the profiles that were read become inputs of its execution.

    Args:
        stores: the workspace's stores.
        operation: the ingest.
    """

    def __init__(self, stores: Stores, operation: Operation) -> None:
        self._stores = stores
        self._operation = operation

    def before(self, table: str) -> list[Profile]:
        """The profiles of the newest batches. A batch whose ingest was killed after its commit has none, and one whose
        profile was lost is passed over: the reference is then of fewer rows."""
        from tidewheel.statistics import Profile
        from tidewheel.steps.profile_audit import WINDOW

        found: list[Profile] = []
        for artifact in self._artifacts(table, WINDOW * _LOOKS_PER_BATCH):
            try:
                found.append(self._stores.artifacts.load(artifact, Profile))
            except TidewheelError:
                continue
            self._operation.inputs[f"{PROFILE}-{len(found)}"] = artifact
            if len(found) == WINDOW:
                break
        return found

    def _artifacts(self, table: str, looks: int) -> Iterator[Artifact]:
        runs = [one[RUN] for one in self._stores.tables.lineage(table) if INGEST_ID in one and RUN in one]
        for run_id in list(dict.fromkeys(runs))[:looks]:
            for execution in self._stores.executions.list(run_id):
                if PROFILE in execution.outputs:
                    yield execution.outputs[PROFILE]
