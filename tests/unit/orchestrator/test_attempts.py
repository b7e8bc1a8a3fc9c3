"""Attempts under way, on real workers: how many at a time, how long, how they end; and their files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from processes import is_running, wait_until
from tidewheel.orchestrator.attempt import REPORT, WorkerReport, WorkerRequest
from tidewheel.orchestrator.attempts import Attempt, Attempts
from tidewheel.pipeline.plan import PlanNode, StepOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A worker that shows that it runs, and ends when the test lets it.
GATED = """
import time
tell(time.monotonic())
while not (folder.parent / "go").exists():
    time.sleep(0.002)
"""


def attempt(probe, name: str, code: str, number: int = 1, **options) -> Attempt:
    node = PlanNode(id=name, kind="step", step="m:f", outputs=(), options=StepOptions(**options))
    request = WorkerRequest(
        run_id="r",
        node=name,
        kind="step",
        step="m:f",
        attempt=number,
        sources="",
        import_roots=(),
        inputs={},
        parameters={"code": code},
        arguments={},
        outputs=(),
        known_modules=(),
        artifact_root="",
        cpu=1,
        seed=0,
    )
    return Attempt(node, request, probe.folder / name, probe.folder / f"{name}.log")


def finish(attempts: Attempts, count: int) -> list:
    """The next ends, in their order."""
    ended = []

    def go_on() -> bool:
        list(attempts.launch())
        ended.extend(attempts.wait())
        return len(ended) >= count

    wait_until(go_on)
    return ended


def started(attempts: Attempts, probe, names: set[str]) -> None:
    """Waits until exactly these are running and have told so."""

    def have_told() -> bool:
        list(attempts.launch())
        attempts.wait()
        return all((probe.folder / name / "told").exists() for name in names)

    wait_until(have_told)
    assert {path.parent.name for path in probe.folder.glob("*/told")} == names


def test_at_most_width_run_at_once_and_the_next_starts_when_one_ends(probe):
    attempts = Attempts(probe.server, 2)
    for name in "abc":
        attempts.submit(attempt(probe, name, GATED))
    started(attempts, probe, {"a", "b"})
    (probe.folder / "go").touch()
    assert {one.attempt.node.id for one in finish(attempts, 3)} == {"a", "b", "c"}


def test_an_attempt_counts_as_often_as_its_cpu(probe):
    attempts = Attempts(probe.server, 3)
    for name, cpu in {"a": 2, "b": 1, "c": 1}.items():
        attempts.submit(attempt(probe, name, GATED, cpu=cpu))
    started(attempts, probe, {"a", "b"})
    (probe.folder / "go").touch()
    assert len(finish(attempts, 3)) == 3


def test_one_that_is_wider_than_all_runs_alone_and_not_never(probe):
    attempts = Attempts(probe.server, 2)
    attempts.submit(attempt(probe, "wide", GATED, cpu=5))
    attempts.submit(attempt(probe, "next", GATED))
    started(attempts, probe, {"wide"})
    (probe.folder / "go").touch()
    assert [one.attempt.node.id for one in finish(attempts, 2)] == ["wide", "next"]


def test_a_timeout_ends_the_worker_and_its_children_and_says_how_long_it_was(probe):
    code = "import subprocess, time; tell(subprocess.Popen(['sleep', '1000']).pid); time.sleep(1000)"
    attempts, timeout_s = Attempts(probe.server, 1), 0.2
    while True:
        attempts.submit(attempt(probe, "slow", code, timeout_s=timeout_s))
        (ended,) = finish(attempts, 1)
        assert (ended.failure.kind, ended.failure.is_retryable) == ("timeout", True)
        assert f"'slow' ran longer than its timeout of {timeout_s:g} s" in ended.failure.message
        if (probe.folder / "slow" / "told").exists():
            break
        timeout_s *= 2  # on a busy machine it was ended before it had begun
    child = int((probe.folder / "slow" / "told").read_text())
    wait_until(lambda: not is_running(child))


def test_a_timeout_does_not_count_what_the_server_imports_before_the_fork(probe):
    probe.server.warm()
    os.kill(probe.server._process.pid, signal.SIGSTOP)  # as long an import as the test likes
    attempts, quick = Attempts(probe.server, 1), attempt(probe, "quick", "tell('done')", timeout_s=100)
    attempts.submit(quick)
    list(attempts.launch())
    for _ in range(2):
        assert attempts.wait() == []
        assert quick.deadline is None
    os.kill(probe.server._process.pid, signal.SIGCONT)
    (ended,) = finish(attempts, 1)
    assert ended.failure.kind == "exited", ended.failure.message
    assert ended.exit.code == 0
    assert quick.deadline is None or quick.deadline > time.monotonic()


def test_one_that_ignores_signals_is_ended_at_its_timeout(probe):
    code = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
while True: time.sleep(1)
"""
    attempts = Attempts(probe.server, 1)
    attempts.submit(attempt(probe, "deaf", code, timeout_s=0.2))
    assert finish(attempts, 1)[0].failure.kind == "timeout"


def test_a_timeout_of_one_leaves_the_others_alone(probe):
    attempts = Attempts(probe.server, 2)
    attempts.submit(attempt(probe, "slow", "import time; time.sleep(1000)", timeout_s=0.2))
    attempts.submit(attempt(probe, "other", GATED, timeout_s=100))
    assert [one.attempt.node.id for one in finish(attempts, 1)] == ["slow"]
    (probe.folder / "go").touch()
    (ended,) = finish(attempts, 1)
    assert (ended.attempt.node.id, ended.exit.code) == ("other", 0)


def test_a_repeated_attempt_waits_for_its_delay_while_others_pass(probe):
    attempts = Attempts(probe.server, 1)
    submitted = time.monotonic()
    code = "import time; tell(time.monotonic())"
    attempts.submit(attempt(probe, "again", code, number=2), delay_s=0.4)
    attempts.submit(attempt(probe, "other", code))
    assert [one.attempt.node.id for one in finish(attempts, 2)] == ["other", "again"]
    again, other = (float((probe.folder / name / "told").read_text()) for name in ("again", "other"))
    assert again - submitted >= 0.4
    assert other < again


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("import os; os._exit(3)", "exited", "exited with code 3 and no result"),
        ("import os; os._exit(0)", "exited", "exited with code 0 and no result"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "was killed by signal 9"),
        ("code = 74", "storage", "could not write to the workspace"),
        ("(folder / 'report.json').write_text('{\"status\": ')", "exited", "no result"),
    ],
)
def test_an_end_without_a_report_is_told_in_words_with_the_step(probe, code, kind, said):
    attempts = Attempts(probe.server, 1)
    attempts.submit(attempt(probe, "step-7", code))
    (ended,) = finish(attempts, 1)
    assert ended.report is None
    assert ended.failure.kind == kind
    assert "'step-7'" in ended.failure.message
    assert said in ended.failure.message


def test_the_report_of_a_worker_that_is_killed_after_writing_it_counts(probe):
    code = """
import os
from datetime import UTC, datetime
from tidewheel.orchestrator.attempt import WorkerReport
now = datetime.now(UTC)
WorkerReport(status="succeeded", worker_pid=os.getpid(), host="h", started_at=now, ended_at=now).write(folder)
os.kill(os.getpid(), 9)
"""
    attempts = Attempts(probe.server, 1)
    attempts.submit(attempt(probe, "done", code))
    (ended,) = finish(attempts, 1)
    assert ended.report.status == "succeeded"
    assert ended.failure is None


def test_cancelling_ends_what_runs_forgets_what_waits_and_keeps_what_had_finished(probe):
    attempts = Attempts(probe.server, 2)
    for name in "abc":
        attempts.submit(attempt(probe, name, GATED))
    started(attempts, probe, {"a", "b"})
    ended = attempts.cancel(30)
    assert {(one.attempt.node.id, one.exit.code) for one in ended} == {("a", -9), ("b", -9)}
    assert list(attempts.launch()) == []
    assert attempts.wait() == []


def report(pid: int = 1, size: int = 0) -> WorkerReport:
    metrics = {f"m{index}": float(index) for index in range(size)}
    return WorkerReport(status="succeeded", worker_pid=pid, host="h", started_at=NOW, ended_at=NOW, metrics=metrics)


def test_a_report_comes_back_as_it_was_written_and_leaves_no_other_file(tmp_path):
    assert WorkerReport.find(tmp_path) is None
    report(7, 3).write(tmp_path)
    assert WorkerReport.find(tmp_path) == report(7, 3)
    assert [path.name for path in tmp_path.iterdir()] == [REPORT]


WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tidewheel.orchestrator.attempt import WorkerReport
now = datetime.now(UTC)
metrics = {f"m{index}": float(index) for index in range(20000)}
while True:
    WorkerReport(
        status="succeeded", worker_pid=1, host="h", started_at=now, ended_at=now, metrics=metrics
    ).write(Path(sys.argv[1]))
"""


def test_whoever_reads_while_a_report_is_written_or_its_writer_killed_finds_it_whole(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)])
    try:
        wait_until((tmp_path / REPORT).exists)
        for _ in range(50):
            assert len(WorkerReport.find(tmp_path).metrics) == 20000
    finally:
        writer.kill()
        writer.wait()
    assert len(WorkerReport.find(tmp_path).metrics) == 20000
