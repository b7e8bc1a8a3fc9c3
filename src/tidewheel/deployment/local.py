"""Endpoints as detached servers of this machine, on the loopback address.

An endpoint's folder holds `desired.json` (what it shall serve), `state.json` (what it says it serves), `outliers.json`
(what it has counted), `server.lock` (held for as long as its process exists) and `server.log`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.config import ServingConfig
from tidewheel.core.errors import DeploymentError, NotFoundError
from tidewheel.core.records import Deployment, EndpointSpec, EndpointState, OutlierCounts
from tidewheel.core.records.endpoint import OUTLIERS, features_digest
from tidewheel.core.whole_file import write_whole
from tidewheel.feature_store import online_schema

START_TIMEOUT_S = 120.0
_POLL_S = 0.02


class LocalDeployment:
    """The servers in one folder.

    Args:
        folder: one folder per endpoint lies in it.
        artifacts: where packages are.
        serving: address, port and limits.
        server_module: the module that is run with `-m` for each endpoint, from a layer beside this one.
        is_clock_virtual: whether requests tell the time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        artifacts: LocalArtifactStore,
        serving: ServingConfig,
        server_module: str,
        is_clock_virtual: bool,
    ) -> None:
        self._folder = folder
        self._artifacts = artifacts
        self._serving = serving
        self._server_module = server_module
        self._is_clock_virtual = is_clock_virtual

    def reconcile(self, desired: Deployment) -> EndpointState:
        """Makes the endpoint serve what is desired; a living server swaps without dropping a request.

        Returns when the desired version answers. Several callers take turns.

        Raises:
            DeploymentError: it does not come up or refuses the package; what answered before still does.
        """
        folder = self._folder / desired.endpoint
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder):
            before = self.state(desired.endpoint)
            spec = self._spec(desired, before)
            told = _stamp(folder / "state.json")
            write_whole(folder / "desired.json", spec.to_json())
            is_new = self._start_if_dead(folder)
            return self._await(desired, folder, told, is_new=is_new)

    def take_down(self, endpoint: str) -> None:
        """Ends an endpoint's server after its requests, and forgets the endpoint; calling it again does nothing."""
        folder = self._folder / endpoint
        if not folder.is_dir():
            return
        with _turn(folder):
            pid = _living_pid(folder)
            if pid:
                _signal(pid, signal.SIGTERM)
                if not _wait(lambda: not _is_running(pid), 15.0):
                    _signal(pid, signal.SIGKILL)
                    _wait(lambda: not _is_running(pid), 5.0)
            for name in ("desired.json", "state.json", "failed", OUTLIERS):
                (folder / name).unlink(missing_ok=True)

    def close_segments(self, endpoint: str) -> None:
        """Asks a living server to close its segment of the prediction log, and waits until it has."""
        folder = self._folder / endpoint
        pid = _living_pid(folder)
        if not pid:
            return
        mark = folder / "segments-closed"
        mark.unlink(missing_ok=True)
        _signal(pid, signal.SIGUSR1)
        _wait(lambda: mark.exists() or not _is_locked(folder / "server.lock"), 10.0)

    def state(self, endpoint: str) -> EndpointState | None:
        """What is known of an endpoint now; None when there is none of this name."""
        folder = self._folder / endpoint
        try:
            desired = EndpointSpec.from_json((folder / "desired.json").read_bytes())
        except FileNotFoundError:
            return None
        told = _read_state(folder)
        if not _is_locked(folder / "server.lock"):
            return EndpointState(
                endpoint=desired.endpoint,
                place=desired.place,
                model=desired.model,
                version=desired.version,
                package_digest=desired.package_digest,
                status="dead",
                url="",
                message="its process has ended",
            )
        if told is not None:
            return _with_counts(told, folder)
        return EndpointState(
            endpoint=desired.endpoint,
            place=desired.place,
            model=desired.model,
            version=desired.version,
            package_digest=desired.package_digest,
            status="starting",
        )

    def list(self) -> list[EndpointState]:
        """All endpoints, by name."""
        if not self._folder.is_dir():
            return []
        states = (self.state(path.name) for path in sorted(self._folder.iterdir()) if path.is_dir())
        return [state for state in states if state is not None]

    def _spec(self, desired: Deployment, before: EndpointState | None) -> EndpointSpec:
        path = self._artifacts.path_of(desired.package_digest)
        if not path.exists():
            raise NotFoundError("package", desired.package_digest[:16], next_step="run the model's pipeline again")
        port = self._serving.port
        if not port and before is not None and before.url:
            port = int(before.url.rpartition(":")[2])
        elif not port:
            port = _last_port(self._folder / desired.endpoint)
        return EndpointSpec(
            endpoint=desired.endpoint,
            place=desired.place,
            model=desired.model,
            version=desired.version,
            package_path=str(path),
            package_digest=desired.package_digest,
            package_codec="package/1",
            log_folder=str(self._folder.parent / "prediction_log"),
            host=self._serving.host,
            port=port,
            segment_rows=self._serving.segment_rows,
            max_body_bytes=self._serving.max_body_bytes,
            is_clock_virtual=self._is_clock_virtual,
            features=desired.features,
            online_path=str(self._folder.parent / online_schema.FILE),
        )

    def _start_if_dead(self, folder: Path) -> bool:
        """Whether no server lives, so that a new one was started."""
        if _is_locked(folder / "server.lock"):
            return False
        for name in ("state.json", "failed", OUTLIERS):
            (folder / name).unlink(missing_ok=True)
        self._start(folder)
        return True

    def _start(self, folder: Path) -> None:
        with (folder / "server.log").open("ab") as log:
            # The shell ends at once, so that the server belongs to no process here and leaves no zombie behind.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", self._server_module, str(folder)],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=folder,
            )

    def _await(self, desired: Deployment, folder: Path, told: tuple[int, int], *, is_new: bool) -> EndpointState:
        """Waits for the server's word on what is desired.

        Args:
            told: the stamp of what it had said before.
            is_new: whether it was just started; an older one may end before it has looked at what is desired.
        """
        wanted = (desired.package_digest, features_digest(desired.features))

        def settled() -> EndpointState | None:
            state = _read_state(folder)
            if state is None or state.status not in ("ready", "refused"):
                return None
            if state.status == "ready":
                return state if (state.package_digest, state.features) == wanted else None
            is_refused = desired.package_digest in state.message and _stamp(folder / "state.json") != told
            return state if is_refused else None

        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            state = settled()
            if state is not None and state.status == "ready":
                return state
            if state is not None:
                raise DeploymentError(state.message, where=str(folder), next_step="see server.log there")
            if (folder / "failed").exists():
                message = (folder / "failed").read_text()
                (folder / "failed").unlink()
                raise DeploymentError(message, where=str(folder / "server.log"))
            is_new = is_new or self._start_if_dead(folder)
            time.sleep(_POLL_S)
        raise DeploymentError(
            f"endpoint {desired.endpoint!r} did not come up within {START_TIMEOUT_S:g} s",
            where=str(folder / "server.log"),
            next_step="read the log",
        )


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_mtime_ns, found.st_ino


def _last_port(folder: Path) -> int:
    state = _read_state(folder)
    return int(state.url.rpartition(":")[2]) if state is not None and state.url else 0


def _read_state(folder: Path) -> EndpointState | None:
    try:
        return EndpointState.from_json((folder / "state.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _with_counts(state: EndpointState, folder: Path) -> EndpointState:
    """With what its server has counted, unless that is about another version that answered before."""
    try:
        counts = OutlierCounts.from_json((folder / OUTLIERS).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return state
    if counts.package_digest != state.package_digest:
        return state
    return msgspec.structs.replace(state, judged_count=counts.row_count, outliers=counts.counts)


def _living_pid(folder: Path) -> int:
    """The process of an endpoint's server, 0 when there is none; one that is starting is waited for."""

    def told() -> int:
        state = _read_state(folder)
        return state.pid if state is not None else 0

    lock = folder / "server.lock"
    _wait(lambda: told() > 0 or not _is_locked(lock), START_TIMEOUT_S)
    return told() if _is_locked(lock) else 0


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_locked(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_running(pid: int) -> bool:
    """Whether the process does or holds anything any more: in a container nobody may reap those that have ended.

    Its locks are held until its last thread is gone, which may be later than its first one.
    """
    import psutil  # 10 ms that only taking down needs

    try:
        process = psutil.Process(pid)
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    with (folder / "reconcile.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _wait(is_met: Callable[[], bool], timeout_s: float) -> bool:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if is_met():
            return True
        time.sleep(_POLL_S)
    return is_met()
