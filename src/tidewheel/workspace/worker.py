"""The worker's entry: `python -m tidewheel.workspace.worker`.

    fork-server [PACKAGE ...]   serve requests until standard input ends

A request is a folder: an attempt at a step, the question what a project declares, or which rows break slow rules. A
worker opens no metadata database: it loads inputs by digest, calls the function, stores the outputs and writes one
report. It holds no reference to the orchestrator but the folder of its attempt.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.clock import utc_now
from tidewheel.core.errors import StepError, StopRun, TidewheelError
from tidewheel.core.records import Artifact, Failure
from tidewheel.core.threads import thread_variables
from tidewheel.orchestrator.attempt import EXIT_STORAGE, REQUEST, WorkerReport, WorkerRequest
from tidewheel.workspace.codecs import codec_table
from tidewheel.workspace.failures import failure_of
from tidewheel.workspace.step_call import StepCall

_QUESTIONS = {
    "describe.json": "tidewheel.workspace.describe:describe",
    "slow-checks.json": "tidewheel.workspace.slow_checks:answer_slow_checks",
}
"""What is asked beside attempts, by the request's file. Who answers is imported on use: most workers run one step."""


def main(arguments: list[str]) -> int:
    """Dispatches on the first argument; returns the process's exit code."""
    match arguments:
        case ["fork-server", *packages]:
            from tidewheel.orchestrator.fork_loop import serve

            _warm_up()
            serve(run_request, packages)
            os._exit(0)  # nothing is left to do, and the orchestrator waits for the end
    sys.stderr.write(f"{__doc__}\n")
    return 2


def _warm_up() -> None:
    """Does once, before the first fork, what every worker would do again: it starts no thread and calls no library."""
    codec_table().for_value(None)
    for record in (WorkerRequest, WorkerReport):
        msgspec.json.Decoder(record)


def run_request(folder: Path, *, is_fresh: bool = True) -> int:
    """Carries out the request in `folder`; 0 when a report or an answer was written, whatever it says.

    Args:
        is_fresh: whether this process has carried out no other, so that what is loaded by now is not the project's.
    """
    for name, address in _QUESTIONS.items():
        if (folder / name).exists():
            module, _, answer = address.partition(":")
            return int(getattr(importlib.import_module(module), answer)(folder))
    request = WorkerRequest.from_json((folder / REQUEST).read_bytes())
    started_at = utc_now()
    preloaded = next(reversed(sys.modules)) if is_fresh else ""
    try:
        _carry_out(request, started_at, preloaded).write(folder)
    except OSError as error:
        _tell("".join(traceback.format_exception(error)))
        return EXIT_STORAGE
    return 0


def _carry_out(request: WorkerRequest, started_at: datetime, preloaded: str) -> WorkerReport:
    def report(status: Any, **facts: Any) -> WorkerReport:
        return WorkerReport(
            status=status,
            worker_pid=os.getpid(),
            host=os.uname().nodename,
            started_at=started_at,
            ended_at=utc_now(),
            **facts,
        )

    store = LocalArtifactStore(Path(request.artifact_root), codec_table())
    try:
        with _prepared_process(request):
            call = StepCall(request, store)
            _prepare_libraries(request)
            outputs, metrics = call.carry_out()
            missed = _missed_modules(request, preloaded)
    except StopRun as stop:
        return report("stopped", reason=stop.reason, outputs=_handed_out(stop, request, store))
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        message = f"step {request.node!r} called exit({error.code!r})"
        return report("failed", failure=_told(Failure(kind="exited", message=message)))
    except BaseException as error:
        return report("failed", failure=_told(failure_of(error)))
    reason = f"the package of {', '.join(call.unread)} could not be read" if call.unread else ""
    is_reusable = not (missed or call.unread)
    return report(
        "succeeded", outputs=outputs, metrics=metrics, missed_modules=missed, reason=reason, is_reusable=is_reusable
    )


def _handed_out(stop: StopRun, request: WorkerRequest, store: LocalArtifactStore) -> dict[str, Artifact]:
    """What a step that stopped its run gave all the same; what it did not declare, or has no codec, is left out."""
    outputs = {}
    for name, value in stop.outputs.items():
        try:
            if name not in request.outputs:
                raise StepError(f"step {request.node!r} stopped with output {name!r}, which it does not declare")
            outputs[name] = store.put(value)
        except TidewheelError as error:
            _tell(f"{error}\n")
    return outputs


def _told(failure: Failure) -> Failure:
    _tell(f"{(failure.traceback or failure.message).rstrip()}\n")
    return failure


def _tell(text: str) -> None:
    """Into the log, unless the step closed it or its disk is full."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


@contextmanager
def _prepared_process(request: WorkerRequest) -> Iterator[None]:
    """Imports come from the copy of the sources, which is also the working directory; undone for `--debug`."""
    before = (os.getcwd(), list(sys.path), dict(os.environ))
    os.chdir(request.sources)
    sys.path[:0] = request.import_roots
    os.environ.update(thread_variables(request.cpu))
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.path[:] = before[1]
        os.environ.clear()
        os.environ.update(before[2])


def _prepare_libraries(request: WorkerRequest) -> None:
    """Seeds and thread counts, for the libraries that the step's module has loaded by now."""
    random.seed(request.seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(request.seed)
        if request.cpu > 1:
            import threadpoolctl

            threadpoolctl.threadpool_limits(request.cpu)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(request.cpu)


def _missed_modules(request: WorkerRequest, preloaded: str) -> tuple[str, ...]:
    """Project modules that were really loaded, but that the closure did not foresee.

    Only those after `preloaded` are looked at: to touch the others would copy their pages into this process.
    """
    known = set(request.known_modules)
    prefix = os.path.join(os.path.realpath(request.sources), "")
    loaded = list(takewhile(lambda name: name != preloaded, reversed(sys.modules)))
    files = {name: getattr(sys.modules[name], "__file__", None) for name in loaded if name not in known}
    return tuple(sorted(name for name, file in files.items() if file and os.path.realpath(file).startswith(prefix)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
