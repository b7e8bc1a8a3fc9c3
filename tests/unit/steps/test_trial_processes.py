"""The process behind a search, when it is not there any more."""

from __future__ import annotations

import os
import signal

import pytest

import tuning_trials
from tidewheel.core.errors import StepError
from tidewheel.steps.trial import Task
from tidewheel.steps.trial_processes import TrialProcesses
from tidewheel.steps.trial_work import TrialWork


@pytest.fixture
def processes(tmp_path):
    work = TrialWork(
        tuning_trials.fit,
        tuning_trials.error,
        tuning_trials.rows(),
        (),
        metric="mae",
        direction="minimize",
        cpu=1,
        scratch=tmp_path,
        known_modules=frozenset(),
    )
    with TrialProcesses(work, workers=1, timeout_s=60, memory_bytes=None) as processes:
        yield processes


def test_a_server_that_was_killed_between_two_batches_is_told(processes):
    first, second = (Task(number=number, key="", algorithm="", parameters={}, seed=0) for number in range(2))
    assert set(processes.run([first])) == {0}
    os.kill(processes._process.pid, signal.SIGKILL)
    processes._process.wait()
    with pytest.raises(StepError, match="the process behind the trials ended"):
        processes.run([second])
