"""Steps that misbehave, each in its worker: what is said, what is kept, and that the rest goes on."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta

import pytest

from processes import is_running, running_children, wait_until
from small_project import SmallProject

SOURCE = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

from tidewheel.pipeline import Metrics, StopRun, pipeline, step


class Pair(NamedTuple):
    left: int
    right: int


class Unknown:
    pass


class Entry(TypedDict):
    number: int


T = TypeVar("T")


@step
def entry(*, mode: str = "none") -> Entry:
    return {"number": 1} if mode == "none" else [1]


@step
def same(value: T) -> T:
    return value


@pipeline
def annotated(*, mode: str = "none"):
    return {"entry": entry(mode=mode), "same": same(entry()), "any": anything(beside())}


@step
def fault(*, mode: str = "none", number: int = 1) -> int:
    print("before", flush=True)
    if mode == "raise":
        raise ValueError("no such luck")
    if mode == "cause":
        try:
            {}["key"]
        except KeyError as error:
            raise RuntimeError("it was the key") from error
    if mode == "exit":
        sys.exit(3)
    if mode == "exit with words":
        raise SystemExit("enough")
    if mode == "exit without error":
        raise SystemExit
    if mode == "_exit":
        os._exit(4)
    if mode == "_exit 0":
        os._exit(0)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "segfault":
        import ctypes
        ctypes.string_at(0)
    if mode == "abort":
        os.abort()
    if mode == "interrupt":
        raise KeyboardInterrupt
    if mode == "stop":
        raise StopRun("nothing new")
    if mode == "stop with findings":
        raise StopRun("nothing new", outputs={"output": 7, "undeclared": 8})
    if mode == "wrong type":
        return "text"
    if mode == "nothing":
        return None
    if mode == "recursion":
        return deeper(0)
    if mode == "closed output":
        sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)
    if mode == "closed output and raise":
        sys.stdout.close(); sys.stderr.close()
        raise ValueError("unheard")
    if mode == "noise":
        for _ in range(30):
            print("x" * 99_999)
            os.write(2, b"y" * 99_999 + bytes([10]))
    if mode == "bytes":
        os.write(1, bytes(range(256)))
    if mode == "folder":
        os.chdir("/")
    if mode == "environment":
        os.environ.clear()
    if mode == "thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    return number


def deeper(depth):
    return deeper(depth + 1)


@step
def anything(number: int, *, mode: str = "none") -> Any:
    if mode == "lambda":
        return lambda: number
    if mode == "open file":
        return open(__file__)
    if mode == "generator":
        return (one for one in range(3))
    if mode == "own class":
        return Unknown()
    if mode == "inside":
        return {"a": [1, {"b": Unknown()}]}
    if mode == "cycle":
        values = []
        values.append(values)
        return values
    if mode == "lock":
        return threading.Lock()
    return number


@step
def pair(number: int, *, mode: str = "none") -> Pair:
    if mode == "short":
        return (number,)
    if mode == "wrong field":
        return Pair(number, "text")
    return Pair(number, number)


@step
def measured(number: int, *, mode: str = "none") -> Metrics:
    return Metrics(number="text" if mode == "word" else number)


@step(timeout_s=2.0)
def hang(number: int, *, pids: str = "") -> int:
    if pids:
        children = [
            subprocess.Popen(["sleep", "1000"]),
            subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"]),
            subprocess.Popen(["sleep", "1000"], start_new_session=True),
        ]
        told = Path(pids + ".part")
        told.write_text(" ".join(str(one) for one in [os.getpid(), *(child.pid for child in children)]))
        told.rename(pids)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    return number


@step(retries=3, backoff_s=0.1)
def stubborn(number: int, *, counter: str, succeeds_at: int, mode: str = "raise") -> int:
    with open(counter, "a") as file:
        file.write(f"{time.monotonic()}\\n")
    attempt = len(Path(counter).read_text().splitlines())
    print("attempt", attempt)
    if attempt < succeeds_at:
        if mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "type":
            raise TypeError("always so")
        if mode == "stop":
            raise StopRun("no")
        raise ValueError(f"attempt {attempt}")
    return number


@step
def beside(*, number: int = 5) -> int:
    return number


@step
def add(left: int, right: int) -> int:
    return left + right


@pipeline
def faulty(*, mode: str = "none"):
    return {"sum": add(fault(mode=mode), beside()), "beside": beside(number=6)}


@pipeline
def returning(*, mode: str = "none"):
    return anything(beside(), mode=mode)


@pipeline
def pairing(*, mode: str = "none"):
    both = pair(beside(), mode=mode)
    return add(both.left, both.right)


@pipeline
def measuring(*, mode: str = "none"):
    return measured(beside(), mode=mode)


@pipeline
def hanging(*, pids: str = ""):
    return {"hang": add(hang(beside(), pids=pids), beside()), "beside": beside(number=6)}


@pipeline
def repeating(*, counter: str, succeeds_at: int, mode: str = "raise"):
    return stubborn(beside(), counter=counter, succeeds_at=succeeds_at, mode=mode)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = SmallProject(tmp_path_factory.mktemp("faults") / "project", SOURCE)
    yield project
    project.expect_no_process()


@pytest.fixture(scope="module")
def workspace(project):
    with project.open() as workspace:
        yield workspace


@pytest.fixture(autouse=True)
def _no_process_is_left(warm_servers):
    before = running_children(recursive=True)
    yield
    wait_until(lambda: running_children(recursive=True) - warm_servers.idle_pids <= before)


def statuses(run) -> dict[str, str]:
    return {one.record.node: one.status for one in run.executions}


@pytest.mark.parametrize(
    ("mode", "kind", "said"),
    [
        ("raise", "ValueError", "no such luck"),
        ("cause", "RuntimeError", "it was the key"),
        ("exit", "exited", "called exit(3)"),
        ("exit with words", "exited", "called exit('enough')"),
        ("exit without error", "exited", "called exit(None)"),
        ("_exit", "exited", "exited with code 4 and no result"),
        ("_exit 0", "exited", "exited with code 0 and no result"),
        ("kill", "killed", "killed by signal 9"),
        ("segfault", "killed", "killed by signal 11"),
        ("abort", "killed", "killed by signal 6"),
        ("interrupt", "exited", "no result"),
        ("wrong type", "StepError", "as int but returned str"),
        ("nothing", "StepError", "as int but returned NoneType"),
        ("recursion", "RecursionError", "recursion"),
        ("closed output and raise", "ValueError", "unheard"),
    ],
)
def test_a_step_that_fails_says_why_and_what_does_not_need_it_goes_on(workspace, mode, kind, said):
    run = workspace.submit("faulty", mode=mode)
    assert run.status == "failed"
    others = statuses(run)
    assert (others.pop("fault"), others.pop("add")) == ("failed", "skipped")
    assert set(others.values()) <= {"succeeded", "cached"}
    failure = run["fault"].record.failure
    assert failure.kind == kind
    assert said in failure.message
    assert "'fault'" in run.record.reason
    assert run["fault"].outputs._artifacts == {}
    assert "before" in run["fault"].log
    if kind not in ("exited", "killed", "StepError"):
        assert "small.py" in failure.traceback
        assert "tidewheel/workspace" not in failure.traceback


@pytest.mark.parametrize("mode", ["closed output", "noise", "bytes", "folder", "environment", "thread"])
def test_a_step_that_leaves_its_process_in_disorder_succeeds_all_the_same(workspace, mode):
    run = workspace.submit("faulty", mode=mode)
    assert run.status == "succeeded", run.record.reason
    assert run["add"].outputs["output"].load() == 6


def test_megabytes_of_output_are_all_in_the_log_and_bytes_that_are_no_text_too(workspace):
    log = workspace.submit("faulty", mode="noise", reuses_results=False)["fault"].log
    assert Counter(log)["x"] == Counter(log)["y"] == 30 * 99_999
    assert "before\n" in workspace.submit("faulty", mode="bytes", reuses_results=False)["fault"].log


@pytest.mark.parametrize("mode", ["lambda", "open file", "generator", "own class", "inside", "cycle", "lock"])
def test_a_value_that_no_codec_stores_is_refused_with_its_type_and_never_pickled(workspace, mode):
    run = workspace.submit("returning", mode=mode)
    assert statuses(run) == {"beside": statuses(run)["beside"], "anything": "failed"}
    failure = run["anything"].record.failure
    assert failure.kind in ("CodecNotFoundError", "ParameterError")
    assert not failure.is_retryable
    assert not list((workspace.folder / "artifacts" / "tmp").iterdir())


@pytest.mark.parametrize(
    ("pipeline", "mode", "said"),
    [
        ("pairing", "short", "declares Pair but returned tuple"),
        ("pairing", "wrong field", "output 'right' as int but returned str"),
        ("measuring", "word", "metric 'number'"),
        ("annotated", "list", "output 'output' as dict but returned list"),
    ],
)
def test_an_output_that_is_not_what_is_declared_is_refused_by_its_name(workspace, pipeline, mode, said):
    run = workspace.submit(pipeline, mode=mode)
    assert run.status == "failed"
    assert said in run.record.reason


def test_annotations_that_name_no_class_refuse_nothing(workspace):
    run = workspace.submit("annotated")
    assert run.status == "succeeded", run.record.reason
    assert [one.outputs["output"].load() for one in run.executions if one.record.node in ("entry", "same")]


def test_a_step_that_stops_the_run_is_neither_failed_nor_succeeded(workspace):
    run = workspace.submit("faulty", mode="stop")
    assert (run.status, run["fault"].status, run["add"].status) == ("stopped", "stopped", "skipped")
    assert "nothing new" in run.record.reason


def test_a_step_that_stops_hands_out_what_it_declares_and_none_of_it_is_reused(workspace):
    run = workspace.submit("faulty", mode="stop with findings")
    assert (run.status, run["fault"].status) == ("stopped", "stopped")
    assert {name: run["fault"].outputs[name].load() for name in run["fault"].outputs} == {"output": 7}
    assert "'undeclared', which it does not declare" in run["fault"].log
    assert workspace.submit("faulty", mode="stop with findings")["fault"].status == "stopped"


def test_a_step_that_hangs_is_ended_with_all_that_it_started_and_the_rest_goes_on(workspace, tmp_path):
    for _ in range(5):  # on a busy machine it may be ended before it has started anything
        run = workspace.submit("hanging", pids=str(tmp_path / "pids"))
        assert run["hang"].record.failure.kind == "timeout"
        if (tmp_path / "pids").exists():
            break
    assert "longer than its timeout of 2 s" in run.record.reason
    assert {name: status for name, status in statuses(run).items() if not name.startswith("beside")} == {
        "hang": "failed",
        "add": "skipped",
    }
    assert run["beside-2"].status in ("succeeded", "cached") or run["beside"].status in ("succeeded", "cached")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.parametrize("mode", ["raise", "kill"])
def test_a_step_is_tried_again_with_growing_pauses_until_it_succeeds(workspace, tmp_path, mode):
    told = []
    counter = tmp_path / "counter"
    run = workspace.submit(
        "repeating",
        counter=str(counter),
        succeeds_at=4,
        mode=mode,
        listener=lambda progress: told.append(progress.message) if progress.kind == "retry" else None,
    )
    assert run.status == "succeeded"
    assert run["stubborn"].record.attempts == 4
    times = [float(line) for line in counter.read_text().splitlines()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True)), pauses
    assert [message.split("; ")[1] for message in told] == [f"trying again in {s} s" for s in ("0.1", "0.2", "0.4")]
    assert all(f"attempt {number}" in run["stubborn"].log for number in range(1, 5))


def test_retries_end_and_the_last_failure_is_the_one_that_is_told(workspace, tmp_path):
    run = workspace.submit("repeating", counter=str(tmp_path / "counter"), succeeds_at=9)
    assert run["stubborn"].record.attempts == 4
    assert "ValueError: attempt 4" in run.record.reason


@pytest.mark.parametrize(("mode", "status"), [("type", "failed"), ("stop", "stopped")])
def test_what_would_happen_again_is_not_tried_again(workspace, tmp_path, mode, status):
    run = workspace.submit("repeating", counter=str(tmp_path / "counter"), succeeds_at=9, mode=mode)
    assert run.status == status
    assert run["stubborn"].record.attempts == 1


def test_a_failure_is_never_taken_over_and_a_success_after_retries_is(workspace, tmp_path):
    first = workspace.submit("faulty", mode="raise")
    again = workspace.submit("faulty", mode="raise")
    assert again["fault"].status == "failed"
    assert again["fault"].record.started_at - first["fault"].record.started_at > timedelta(0)
    counter = str(tmp_path / "counter")
    workspace.submit("repeating", counter=counter, succeeds_at=2)
    assert workspace.submit("repeating", counter=counter, succeeds_at=2)["stubborn"].status == "cached"
