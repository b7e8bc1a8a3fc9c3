"""A fork server whose workers run any code: the real processes, without a project around them."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes import wait_until
from tidewheel.orchestrator import ForkServer
from tidewheel.orchestrator.fork_server import Exit

PROBE = """
import sys
from pathlib import Path

import msgspec

from tidewheel.orchestrator.fork_loop import serve


def run_request(folder: Path) -> int:
    request = msgspec.json.decode((folder / "request.json").read_bytes())
    names = {"folder": folder, "tell": lambda text: (folder / "told").write_text(str(text))}
    exec(request["parameters"]["code"], names)
    return names.get("code", 0)


if __name__ == "__main__":
    serve(run_request, sys.argv[2:])
"""


class Probe:
    """Runs pieces of code in workers of one fork server.

    Attributes:
        server: may be replaced by `restart`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ForkServer("probe_worker")
        self.exits: dict[str, Exit] = {}

    def start(self, key: str, code: str) -> Path:
        import msgspec

        folder = self.folder / key
        folder.mkdir()
        (folder / "request.json").write_bytes(msgspec.json.encode({"parameters": {"code": code}}))
        self.server.start(key, folder, folder / "log.txt")
        return folder

    def wait(self, key: str) -> Exit:
        """The end of one worker; those of others are kept."""

        def has_ended() -> bool:
            if key not in self.exits:
                self.exits |= {one.key: one for one in self.server.wait(0.2)}
            return key in self.exits

        wait_until(has_ended)
        return self.exits[key]

    def run(self, code: str, key: str = "one") -> tuple[Exit, str, str]:
        """The end of a worker, what it told and what it printed."""
        folder = self.start(key, code)
        ended = self.wait(key)
        told = folder / "told"
        return ended, told.read_text() if told.exists() else "", (folder / "log.txt").read_text()

    def told(self, key: str) -> str:
        """Waits until a running worker has told something."""
        path = self.folder / key / "told"
        wait_until(lambda: path.exists() and path.read_text())
        return path.read_text()

    def restart(self) -> None:
        """A new server in place of this one."""
        self.server.close()
        self.server = ForkServer("probe_worker")


@pytest.fixture
def probe(tmp_path, monkeypatch):
    (tmp_path / "probe_worker.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    probe = Probe(tmp_path)
    yield probe
    probe.server.close()
