"""What the orchestrator hands to a worker, and what the worker hands back: two files beside each other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from tidewheel.core.records import Artifact, Failure
from tidewheel.core.records.record import Record
from tidewheel.core.whole_file import write_whole

REQUEST = "request.json"
REPORT = "report.json"
EXIT_STORAGE = 74
"""Exit code of a worker that could not even write its report (`EX_IOERR` of sysexits.h)."""


class BoundInput(Record, frozen=True, kw_only=True):
    """An argument of a step with its value's address; exactly one of the first six is set.

    Attributes:
        artifact: a stored value.
        table: a table reference that a worker can read without the catalog.
        champion: a registered package: `model`, `version` and its artifact's fields.
        reference: what a table's rows are held against: its facts, and `rows` as a table reference.
        items, entries: a list or dict of such arguments.
        value: a JSON literal, when nothing else is set.
    """

    artifact: Artifact | None = None
    table: dict[str, Any] | None = None
    champion: dict[str, Any] | None = None
    reference: dict[str, Any] | None = None
    items: tuple[BoundInput, ...] | None = None
    entries: dict[str, BoundInput] | None = None
    value: Any = None


class WorkerRequest(Record, frozen=True, kw_only=True):
    """One attempt at one node.

    Attributes:
        kind: `step` calls a function; `sql` runs a query over `inputs`; `features` joins views to the input `spine`.
        step: `module:function`.
        import_roots: folders of the sources copy that go to the front of `sys.path`.
        outputs: names of the declared outputs.
        known_modules: project modules of the closure; others that get loaded are reported as missed.
        seed: for the random generators, derived from the declared seed and the node.
        scratch: a folder for unfinished work, see `Surroundings`; made by who needs it.
    """

    run_id: str
    node: str
    kind: Literal["step", "sql", "features"]
    step: str
    attempt: int
    sources: str
    import_roots: tuple[str, ...]
    inputs: dict[str, BoundInput]
    parameters: dict[str, Any]
    arguments: dict[str, Any]
    outputs: tuple[str, ...]
    known_modules: tuple[str, ...]
    artifact_root: str
    cpu: int
    seed: int
    scratch: str = ""


class WorkerReport(Record, frozen=True, kw_only=True):
    """How the attempt went; written whole or not at all.

    Attributes:
        outputs, metrics: what the step made; of one that stopped its run, what it handed out.
        missed_modules: project modules that were loaded, but that its key does not cover.
        reason: why it stopped its run, or why an equal execution could give something else.
        is_reusable: whether its outputs follow from its key.
    """

    status: Literal["succeeded", "failed", "stopped"]
    outputs: dict[str, Artifact] = {}
    metrics: dict[str, float | None] = {}
    missed_modules: tuple[str, ...] = ()
    reason: str = ""
    is_reusable: bool = True
    failure: Failure | None = None
    worker_pid: int
    host: str
    started_at: datetime
    ended_at: datetime

    def write(self, folder: Path) -> None:
        """Writes the report beside the request, whole or not at all.

        Raises:
            OSError: the disk is full or read-only.
        """
        write_whole(folder / REPORT, self.to_json())

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The report of an attempt's folder; None while there is none, or when a power cut left none that is whole."""
        try:
            return cls.from_json((folder / REPORT).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
