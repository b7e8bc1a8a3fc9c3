"""Workers and the server that forks them: isolation, exits, and what is left when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from processes import is_running, wait_until
from tidewheel.orchestrator.fork_loop import FORKABLE

HANG_WITH_CHILD = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "1000"])
tell(f"{os.getpid()} {os.getppid()} {child.pid}")
time.sleep(1000)
"""
# A process that owns a fork server, as `tidewheel run` does, and is killed by the test.
ORCHESTRATOR = """
import sys, time
from pathlib import Path
from tidewheel.orchestrator import ForkServer
server = ForkServer("probe_worker")
server.start("one", Path(sys.argv[1]), Path(sys.argv[1], "log.txt"))
time.sleep(1000)
"""


def test_all_workers_have_one_hash_seed_whatever_the_environment_says(probe, monkeypatch):
    told = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        probe.restart()
        told.add(probe.run("tell(hash('text'))", key=seed)[1])
    assert len(told) == 1


def test_only_packages_of_the_allow_list_are_imported_before_the_fork(probe):
    probe.server.preload(("numpy", "wave", "polars", "os.path"))
    loaded = probe.run("import sys; tell(' '.join(sys.modules))")[1].split()
    assert "numpy" in loaded
    assert "wave" not in loaded
    assert "polars" not in FORKABLE
    assert "pandas" not in loaded


def test_packages_can_be_named_after_the_server_has_started(probe):
    assert "numpy" not in probe.run("import sys; tell(' '.join(sys.modules))")[1].split()
    probe.server.preload(("numpy",))
    assert "numpy" in probe.run("import sys; tell(' '.join(sys.modules))", key="two")[1].split()


def test_a_warm_process_is_the_one_that_forks(probe):
    probe.restart()
    probe.server.warm()
    first = probe.run("import os; tell(os.getppid())", key="one")[1]
    probe.server.warm()
    assert probe.run("import os; tell(os.getppid())", key="two")[1] == first


def test_one_that_forked_nothing_is_ended_at_once_and_can_be_used_again(probe):
    probe.restart()
    probe.server.warm()
    process = probe.server._process
    probe.server.close()
    assert process.returncode == -signal.SIGKILL
    assert probe.run("tell('again')")[1] == "again"


def test_a_model_is_fitted_stored_and_loaded_after_its_libraries_were_imported_before_the_fork(probe):
    """Also: no worker imports skops again, which costs a second as it imports all of scikit-learn."""
    probe.server.preload(("numpy", "sklearn", "skops"))
    code = """
import sys
is_warm = "skops.io" in sys.modules
from sklearn.ensemble import HistGradientBoostingClassifier
from tidewheel.artifact_store.sklearn_codec import SklearnCodec
model = HistGradientBoostingClassifier(max_iter=2).fit([[0.0], [1.0]] * 20, [0, 1] * 20)
with open(folder / "model", "wb") as stream:
    SklearnCodec().encode(model, stream)
tell(is_warm and SklearnCodec().decode(folder / "model").predict([[1.0]]))
"""
    assert probe.run(code)[1] == "[1]"


def test_a_worker_leads_its_own_session_and_process_group(probe):
    ended, told, _ = probe.run("import os; tell(f'{os.getpid()} {os.getpgid(0)} {os.getsid(0)} {os.getppid()}')")
    pid, group, session, parent = map(int, told.split())
    assert pid == group == session == ended.pid
    assert parent not in (os.getpid(), pid)


def test_a_worker_changes_nothing_for_the_next_one(probe):
    probe.run("import sys, os; sys.modules['left'] = sys; os.environ['LEFT'] = '1'; os.chdir('/')")
    told = probe.run("import sys, os; tell('left' in sys.modules or 'LEFT' in os.environ or os.getcwd() == '/')", "two")
    assert told[1] == "False"


def test_libraries_start_with_one_thread_and_input_is_empty(probe):
    told = probe.run("import os, sys; tell(os.environ['OMP_NUM_THREADS'] + sys.stdin.read())")[1]
    assert told == "1"


@pytest.mark.parametrize(
    ("code", "expected", "logged"),
    [
        ("pass", 0, ""),
        ("code = 5", 5, ""),
        ("import os; os._exit(7)", 7, ""),
        ("raise ValueError('no such luck')", 70, "no such luck"),
        ("import sys; sys.exit('gone')", 70, "gone"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, ""),
        ("import ctypes; ctypes.string_at(0)", -11, ""),
    ],
)
def test_each_way_to_end_is_told_by_its_code(probe, code, expected, logged):
    ended, _, log = probe.run(code)
    assert ended.code == expected
    assert logged in log


def test_output_of_the_worker_and_its_children_is_appended_to_the_log(probe):
    (probe.folder / "one").mkdir()
    probe.run(
        "import os, sys; print('a', flush=True); os.system('echo b; echo c >&2'); sys.stderr.write('d\\n')", "two"
    )
    assert (probe.folder / "two" / "log.txt").read_text() == "a\nb\nc\nd\n"


def test_cpu_and_memory_are_those_of_the_worker(probe):
    code = "import time; block = bytearray(80_000_000)\nwhile time.process_time() < 0.2: pass"
    busy = probe.run(code, "busy")[0]
    idle = probe.run("pass", "idle")[0]
    assert idle.cpu_s < 0.15 < busy.cpu_s < 5
    assert busy.peak_memory_bytes - idle.peak_memory_bytes > 70_000_000


def test_many_workers_at_once_end_each_once_under_its_own_key(probe):
    for number in range(24):
        probe.start(f"k{number}", f"code = {number}")
    codes = {f"k{number}": probe.wait(f"k{number}").code for number in range(24)}
    assert codes == {f"k{number}": number for number in range(24)}
    assert probe.server.wait(0.05) == []


def test_killing_a_worker_kills_what_it_started(probe):
    probe.start("one", HANG_WITH_CHILD)
    pid, _, child = map(int, probe.told("one").split())
    probe.server.kill("one")
    assert probe.wait("one").code == -signal.SIGKILL
    wait_until(lambda: not is_running(pid) and not is_running(child))


def test_a_child_that_a_worker_leaves_behind_is_ended_with_it(probe):
    told = probe.run("import subprocess; tell(subprocess.Popen(['sleep', '1000']).pid)")[1]
    wait_until(lambda: not is_running(int(told)))


def test_a_child_that_left_the_worker_s_process_group_is_ended_with_the_server(probe):
    code = "import subprocess; tell(subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)"
    child = int(probe.run(code)[1])
    probe.server.close()
    wait_until(lambda: not is_running(child))


def test_a_worker_that_is_killed_right_after_its_start_is_killed(probe):
    """Both commands are read at once, so the worker leads no process group yet."""
    for number in range(5):
        probe.start(f"k{number}", HANG_WITH_CHILD)
        probe.server.kill(f"k{number}")
        assert probe.wait(f"k{number}").code == -signal.SIGKILL


def test_a_server_that_is_slow_to_end_still_ends_what_left_its_worker(probe):
    """Killed before that it would leave the child behind: on a busy machine five seconds were too short."""
    code = "import os, subprocess; child = subprocess.Popen(['sleep', '1000'], start_new_session=True); "
    child, server = map(int, probe.run(code + "tell(f'{child.pid} {os.getppid()}')")[1].split())
    os.kill(server, signal.SIGSTOP)
    waker = threading.Timer(5.5, os.kill, (server, signal.SIGCONT))
    waker.start()
    probe.server.close()
    waker.join()
    wait_until(lambda: not is_running(child))


def test_killing_a_key_that_is_not_there_does_nothing(probe):
    probe.server.kill("nobody")
    assert probe.run("tell('fine')")[1] == "fine"
    probe.server.kill("one")
    assert probe.run("tell('fine')", "two")[1] == "fine"


def test_closing_ends_every_worker_and_twice_is_once(probe):
    probe.start("one", HANG_WITH_CHILD)
    pids = [int(pid) for pid in probe.told("one").split()]
    probe.server.close()
    probe.server.close()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def test_when_the_server_dies_its_workers_are_told_as_killed_and_the_next_start_brings_up_a_new_one(probe):
    probe.start("one", HANG_WITH_CHILD)
    pid, server, child = map(int, probe.told("one").split())
    os.kill(server, signal.SIGKILL)
    assert probe.wait("one").code == -signal.SIGKILL
    wait_until(lambda: not is_running(pid) and not is_running(child))
    assert probe.run("tell('again')", "two")[1] == "again"


def test_when_the_orchestrator_dies_server_workers_and_children_end(probe):
    folder = probe.folder / "one"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps({"parameters": {"code": HANG_WITH_CHILD}}))
    orchestrator = subprocess.Popen([sys.executable, "-c", ORCHESTRATOR, str(folder)])
    pids = [int(pid) for pid in probe.told("one").split()]
    orchestrator.kill()
    orchestrator.wait()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def test_a_worker_whose_server_and_orchestrator_die_together_ends_too(probe):
    folder = probe.folder / "one"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps({"parameters": {"code": HANG_WITH_CHILD}}))
    orchestrator = subprocess.Popen([sys.executable, "-c", ORCHESTRATOR, str(folder)])
    pids = [int(pid) for pid in probe.told("one").split()]
    os.kill(pids[1], signal.SIGKILL)
    orchestrator.kill()
    orchestrator.wait()
    wait_until(lambda: not any(is_running(pid) for pid in pids))
