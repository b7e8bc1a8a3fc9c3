"""The command line on a small project, as a person uses it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidewheel.cli.app import app

PROJECT = """
import os, signal, sys, time
from tidewheel.pipeline import Metrics, StopRun, pipeline, step
from factors import scale

@step
def make(*, rows: int = 5) -> list[int]:
    return list(range(rows))

@step
def use(numbers: list[int], *, mode: str = "fine") -> float:
    print("using", mode)
    if mode == "raise":
        raise ValueError("no such luck")
    if mode == "exit":
        sys.exit(3)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "stop":
        raise StopRun("nothing new")
    if mode == "wrong":
        return "text"
    if mode == "big":
        print("x" * 3_000_000)
    return float(scale(sum(numbers)))

@step(timeout_s=0.5)
def rest(number: float, *, seconds: float = 0.0) -> Metrics:
    time.sleep(seconds)
    return Metrics(number=number)

@pipeline
def counting(*, mode: str = "fine", seconds: float = 0.0, rows: int = 5):
    return {"metrics": rest(use(make(rows=rows), mode=mode), seconds=seconds)}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tidewheel.toml").write_text(
        '[project]\nname = "small"\nmodules = ["small"]\n[mlflow]\nis_enabled = false\n'
    )
    (tmp_path / "small.py").write_text(PROJECT)
    (tmp_path / "factors.py").write_text("FACTOR = 3\n\ndef scale(number):\n    return number * FACTOR\n")
    return tmp_path


def tidewheel(project: Path, *arguments: str, code: int = 0) -> str:
    """What a command says, after its exit code was checked; in this process, where the libraries are imported."""
    with contextlib.chdir(project):
        result = CliRunner().invoke(app, arguments, prog_name="tidewheel")
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == code, result.output
    return result.output


def tidewheel_alone(project: Path, *arguments: str, code: int = 0) -> str:
    """As `tidewheel`, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "tidewheel", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def statuses(project: Path) -> dict[str, str]:
    shown = json.loads(tidewheel(project, "show", "latest", "--json"))
    return {one["node"]: one["status"] for one in shown["executions"]}


def test_a_second_run_takes_everything_from_the_first(project):
    tidewheel_alone(project, "run", "counting")
    tidewheel_alone(project, "run", "counting")
    assert statuses(project) == {"make": "cached", "use": "cached", "rest": "cached"}
    assert "never been carried out" not in tidewheel(project, "why-rerun", "latest", "use")


def test_a_changed_helper_reruns_exactly_its_dependents_and_why_rerun_names_it(project):
    tidewheel(project, "run", "counting")
    (project / "factors.py").write_text("FACTOR = 4\n\ndef scale(number):\n    return number * FACTOR\n")
    tidewheel(project, "run", "counting")
    assert statuses(project) == {"make": "cached", "use": "succeeded", "rest": "succeeded"}
    assert tidewheel(project, "why-rerun", "latest", "use").strip() == "code of factors:FACTOR changed"
    assert "metrics" not in tidewheel(project, "get", "latest/use.output")


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        ("raise", 1, "no such luck"),
        ("exit", 1, "called exit(3)"),
        ("kill", 1, "killed by signal 9"),
        ("stop", 4, "nothing new"),
        ("wrong", 1, "returned str"),
    ],
)
def test_a_step_that_does_not_succeed_is_told_in_words_and_by_the_exit_code(project, mode, code, said):
    tidewheel(project, "plan")  # makes the workspace, which would cost the other process a second
    run = tidewheel_alone if mode in ("stop", "kill") else tidewheel
    assert said in run(project, "run", "counting", "--mode", mode, code=code)
    expected = "stopped" if mode == "stop" else "failed"
    assert statuses(project) == {"make": "succeeded", "use": expected, "rest": "skipped"}


def test_a_step_that_hangs_is_ended_at_its_timeout(project):
    assert "longer than its timeout of 0.5 s" in tidewheel(project, "run", "counting", "--seconds", "30", code=1)


def test_megabytes_of_output_are_kept_in_the_log(project):
    tidewheel(project, "run", "counting", "--mode", "big")
    assert len(tidewheel(project, "logs", "latest", "use")) > 3_000_000


def test_after_a_fix_resume_takes_over_what_had_finished(project):
    tidewheel(project, "run", "counting", "--mode", "raise", code=1)
    source = (project / "small.py").read_text()
    (project / "small.py").write_text(source.replace('raise ValueError("no such luck")', "pass"))
    tidewheel(project, "resume", "latest")
    assert statuses(project) == {"make": "cached", "use": "succeeded", "rest": "succeeded"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "countin"], 3, "did you mean 'counting'?"),
        (["run", "counting", "--row", "4"], 2, "did you mean 'rows'?"),
        (["run", "counting", "--rows", "four"], 2, "is no int"),
        (["show", "0000"], 3, "does not exist"),
        (["rnu"], 2, "did you mean 'run'"),
    ],
)
def test_a_wrong_name_or_value_is_refused_with_the_nearest_one(project, arguments, code, said):
    assert said in tidewheel(project, *arguments, code=code)
    assert "no run yet" in tidewheel(project, "runs")


def test_an_altered_artifact_is_found_and_never_used(project):
    tidewheel(project, "run", "counting")
    shown = json.loads(tidewheel(project, "show", "latest", "--json"))
    digest = next(one for one in shown["executions"] if one["node"] == "use")["outputs"]["output"]["digest"]
    path = next((project / ".tidewheel" / "artifacts").rglob(f"{digest}*"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"9")
    assert tidewheel(project, "get", "latest/use.output", code=6)


def test_config_tells_where_each_value_comes_from(project):
    assert "tidewheel.toml" in tidewheel(project, "config")
