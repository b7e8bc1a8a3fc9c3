"""The server's process: `python -m tidewheel.prediction_service.server FOLDER`, an endpoint's folder.

It watches `desired.json` and swaps the model in between two requests, after the new one was verified and has answered
its examples. SIGUSR1 closes the log's segment; SIGTERM ends it after the requests that are under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import uvicorn

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import DeploymentError, TidewheelError
from tidewheel.core.records import EndpointSpec, EndpointState, OutlierCounts
from tidewheel.core.records.endpoint import OUTLIERS, features_digest
from tidewheel.core.whole_file import write_whole
from tidewheel.prediction_log.segment_writer import SegmentWriter
from tidewheel.prediction_log.segments import enter_segments
from tidewheel.prediction_service.app import App
from tidewheel.prediction_service.served_model import ServedModel

WATCH_S = 0.1


class EndpointServer:
    """One endpoint in one process.

    Args:
        folder: the endpoint's folder.
        spec: what it shall serve at first.
        seen: the stamp that `desired.json` had before it was read: it may be another one since.
        listening: the socket that requests come to.
    """

    def __init__(self, folder: Path, spec: EndpointSpec, seen: tuple[int, int], listening: socket.socket) -> None:
        self._folder = folder
        self._log = SegmentWriter(Path(spec.log_folder), maximum_rows=spec.segment_rows)
        enter_segments(Path(spec.log_folder))
        self._served = ServedModel(spec)
        self._app = App(self._served, self._log)
        self._socket = listening
        self._url = "http://{}:{}".format(*listening.getsockname()[:2])
        self._seen = seen
        self._told_counts: OutlierCounts | None = None

    async def serve(self) -> None:
        """Answers until SIGTERM."""
        config = uvicorn.Config(
            self._app, log_level="warning", access_log=False, lifespan="off", loop="uvloop", http="httptools"
        )
        server = uvicorn.Server(config)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._close_segment)
        watcher = asyncio.create_task(self._watch())
        self._tell_counts()
        self._tell("ready")
        try:
            await server.serve(sockets=[self._socket])
        finally:
            watcher.cancel()
            self._log.close_segment()
            self._tell_counts()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            self._tell_counts()
            stamp = _stamp(self._folder)
            if stamp == self._seen:
                continue
            self._seen = stamp
            with contextlib.suppress(FileNotFoundError):
                await self._follow()

    async def _follow(self) -> None:
        spec = EndpointSpec.from_json((self._folder / "desired.json").read_bytes())
        if _served_by(spec) != _served_by(self._served.spec):
            try:
                served = await asyncio.to_thread(ServedModel, spec)
            except Exception as error:  # of whatever kind: a package that cannot be opened must not end the watch
                told = error.what if isinstance(error, TidewheelError) else str(error) or type(error).__name__
                self._tell("refused", f"package {spec.package_digest} was refused: {told}")
                return
            self._served = served
            self._app.swap(served)
            self._tell_counts()
        self._tell("ready")

    def _close_segment(self) -> None:
        self._log.close_segment()
        (self._folder / "segments-closed").touch()

    def _tell_counts(self) -> None:
        """Outside of the state, which is written only when what is served changes; a full disk costs a moment's look.

        What was answered is in the log, whatever becomes of this.
        """
        counts = self._served.outlier_counts()
        if counts is None or counts == self._told_counts:
            return
        with contextlib.suppress(OSError):
            write_whole(self._folder / OUTLIERS, counts.to_json())
            self._told_counts = counts

    def _tell(self, status: Literal["ready", "refused"], message: str = "") -> None:
        spec = self._served.spec
        state = EndpointState(
            endpoint=spec.endpoint,
            place=spec.place,
            model=spec.model,
            version=spec.version,
            package_digest=spec.package_digest,
            status=status,
            pid=os.getpid(),
            url=self._url,
            message=message,
            started_at=utc_now(),
            features=features_digest(spec.features),
        )
        write_whole(self._folder / "state.json", state.to_json())


def _served_by(spec: EndpointSpec) -> tuple[str, int, object, str]:
    return spec.package_digest, spec.version, spec.features, spec.online_path


def _stamp(folder: Path) -> tuple[int, int]:
    try:
        found = os.stat(folder / "desired.json")
    except FileNotFoundError:
        return (0, 0)
    return found.st_mtime_ns, found.st_ino


def _listen(spec: EndpointSpec) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Head and body of an answer are two writes: without it the second waits for the client's
    # delayed acknowledgement of the first, 40 ms on Linux.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((spec.host, spec.port))
        listening.listen(2048)  # before the state says ready: a request that comes now waits until it is accepted
    except OSError as error:
        listening.close()
        raise DeploymentError(
            f"{spec.host}:{spec.port} cannot be listened on: {error.strerror}",
            next_step="set serving.port to a free port, or 0 for any",
        ) from error
    return listening


def _is_taken(lock: BinaryIO) -> bool:
    """Takes the lock, unless a server has it; those who only look whether one does hold it for a moment too."""
    for _ in range(50):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def main(folder: Path) -> int:
    """Runs the server of an endpoint's folder; 1 when it could not start, with the reason in the file `failed`."""
    with (folder / "server.lock").open("ab") as lock:
        if not _is_taken(lock):
            return 0  # another server was first, and serves what is desired
        try:
            seen = _stamp(folder)
            spec = EndpointSpec.from_json((folder / "desired.json").read_bytes())
            server = EndpointServer(folder, spec, seen, _listen(spec))
        except (TidewheelError, OSError, msgspec.DecodeError) as error:
            sys.stderr.write(f"{error}\n")
            write_whole(folder / "failed", str(error).encode())  # whoever waits reads it as soon as it is there
            return 1
        asyncio.run(server.serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
