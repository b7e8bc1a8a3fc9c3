"""The process that a run forks its workers from, brought up early by commands that will surely need it."""

from __future__ import annotations

from tidewheel.orchestrator import ForkServer

WORKER_MODULE = "tidewheel.workspace.worker"


def warm_server() -> ForkServer:
    """A fork server whose process imports from now on; whoever asks reads the sources meanwhile. Close it.

    This module loads little, so that a command can begin here, before it opens its workspace.
    """
    server = ForkServer(WORKER_MODULE)
    server.warm()
    return server
