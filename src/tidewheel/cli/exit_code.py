"""What the exit code of every command means."""

from __future__ import annotations

from tidewheel.core import errors

SUCCEEDED = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
STOPPED = 4
REFUSED = 5
STORAGE = 6
CANCELLED = 130

MEANINGS = {
    SUCCEEDED: "done",
    FAILED: "a run, step, deployment or other engine failed",
    USAGE: "wrong arguments, configuration, definition or data; nothing was changed",
    NOT_FOUND: "a named thing does not exist",
    STOPPED: "a step stopped the run with a reason",
    REFUSED: "another writer was first, or something live needs what should go",
    STORAGE: "the disk is full or not writable, or stored bytes are missing or altered",
    CANCELLED: "cancelled",
}

_BY_ERROR: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int], ...] = (
    ((errors.ArtifactMissingError, errors.ArtifactCorruptError, errors.StorageError), STORAGE),
    (errors.NotFoundError, NOT_FOUND),
    ((errors.ConflictError, errors.ProtectedError), REFUSED),
    ((errors.RunError, errors.StepError, errors.DeploymentError, errors.EngineError), FAILED),
)

_BY_RUN_STATUS = {"succeeded": SUCCEEDED, "stopped": STOPPED, "cancelled": CANCELLED}


def of_error(error: errors.TidewheelError) -> int:
    """The exit code for an error that ended a command."""
    return next((code for kinds, code in _BY_ERROR if isinstance(error, kinds)), USAGE)


def of_run(status: str) -> int:
    """The exit code for how a run ended."""
    return _BY_RUN_STATUS.get(status, FAILED)
