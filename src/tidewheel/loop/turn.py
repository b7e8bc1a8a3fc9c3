"""One controller at a time, and never a dead one's turn."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidewheel.core.errors import ConflictError, StorageError
from tidewheel.metadata_store import LeaseStore

LEASE = "controller"
LEASE_S = 30.0
WAIT_S = 60.0
_POLL_S = 0.05


class Turn:
    """Being the controller, as long as `check` does not raise."""

    def __init__(self) -> None:
        self.is_lost = threading.Event()

    def check(self) -> None:
        """Asked before each decision.

        Raises:
            ConflictError: this process slept so long that another machine's controller has taken over.
        """
        if self.is_lost.is_set():
            raise ConflictError(
                "another controller has taken over", next_step="nothing is lost: the next tick goes on from here"
            )


@contextmanager
def take_turn(folder: Path, leases: LeaseStore, *, wait_s: float = WAIT_S, lease_s: float = LEASE_S) -> Iterator[Turn]:
    """Waits for other controllers of the workspace, and is the only one for the length of the block.

    Processes of this machine meet at a lock of the workspace's folder, which the kernel frees when its holder dies, so
    a killed controller holds up nobody. Machines that share the facts meet at a lease, which is short, renewed while
    the block lasts, and belongs to whoever has the folder's lock.

    Args:
        folder: the workspace's.
        leases: of the shared facts.
        wait_s: how long to wait.
        lease_s: after how long the controller of a machine that died may be replaced.

    Raises:
        ConflictError: another controller was at work all the time.
    """
    until = time.monotonic() + wait_s
    owner = f"{socket.gethostname()}:{folder}"
    descriptor = os.open(folder / "controller.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not (_is_taken(descriptor) and leases.acquire(LEASE, owner, lease_s)):
            if time.monotonic() >= until:
                raise ConflictError(
                    f"another controller is ticking, and did not end within {wait_s:g} s",
                    next_step="wait until it has ended",
                )
            time.sleep(_POLL_S)
        with _kept(leases, owner, lease_s) as turn:
            yield turn
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _kept(leases: LeaseStore, owner: str, lease_s: float) -> Iterator[Turn]:
    turn, is_over = Turn(), threading.Event()

    def keep() -> None:
        while not is_over.wait(lease_s / 3):
            try:
                if not leases.renew(LEASE, owner, lease_s):
                    turn.is_lost.set()
                    return
            except StorageError:  # the facts cannot be written for a moment, so nobody takes the lease either
                continue

    heartbeat = threading.Thread(target=keep, name="controller's lease", daemon=True)
    heartbeat.start()
    try:
        yield turn
    finally:
        is_over.set()
        heartbeat.join()
        leases.release(LEASE, owner)
