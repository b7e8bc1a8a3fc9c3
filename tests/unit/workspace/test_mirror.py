"""MLflow's store: whoever writes to it is alone, since MLflow makes its tables without asking who else does."""

from __future__ import annotations

import fcntl
import threading

from tidewheel.core.config import read_config
from tidewheel.workspace import mirror
from tidewheel.workspace.stores import Stores


def test_two_processes_that_show_their_runs_at_once_take_turns(tmp_path, monkeypatch):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "p"\n')
    folder, begun = Stores(read_config(tmp_path)).folder, threading.Event()
    monkeypatch.setattr(mirror, "_project", lambda stores: begun.set())
    second = threading.Thread(target=mirror.main, args=(str(tmp_path),))
    with (folder / "mlflow.lock").open("ab") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        assert not begun.wait(0.3)
    assert begun.wait(60)
    second.join()
