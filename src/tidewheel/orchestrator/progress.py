"""What an orchestrator tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from tidewheel.core.records import Execution, Run


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Something changed.

    Attributes:
        kind: the run started or ended, or an execution has a new status.
        run: the run as it is now.
        execution: the execution as it is now; None for the run itself.
        done, total: executions that have ended, and all of them.
        message: a remark, such as why an attempt is repeated.
    """

    kind: Literal["run", "execution", "retry"]
    run: Run
    execution: Execution | None = None
    done: int = 0
    total: int = 0
    message: str = ""


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A listener that ignores everything."""
