"""The suite's three databases (SQLite in memory, a SQLite file, a real PostgreSQL), and facts to put into them."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest

from run_record import run_record
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Artifact, Deployment, Event, Evidence, Execution, ModelVersion, Signal, Snapshot
from tidewheel.metadata_store import Database

AT = datetime(2013, 4, 1, 12, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["memory", "file", "postgresql"])
def database_url(request, tmp_path):
    if request.param == "memory":
        return "sqlite://"
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'metadata.db'}"
    return request.getfixturevalue("postgresql_url")()


@pytest.fixture
def database(database_url):
    database = Database.open(database_url)
    yield database
    database.close()


@pytest.fixture
def facts():
    return Facts()


@pytest.fixture
def in_processes():
    """Calls a function once per argument, each call in a process of its own, all started together."""
    return call_in_processes


def call_in_processes(function, arguments):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(arguments))
    results = context.SimpleQueue()

    def work(argument):
        barrier.wait(250)
        try:
            results.put((argument, function(argument)))
        except BaseException as error:
            results.put((argument, f"{type(error).__name__}: {error}"))

    processes = [context.Process(target=work, args=(argument,)) for argument in arguments]
    for process in processes:
        process.start()
    found = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
    return [found[argument] for argument in arguments]


class Facts:
    """Makes facts that differ only in what a test names."""

    at = AT

    def run(self, **changes):
        fields = dict(
            id=new_id(),
            pipeline="flight_delay",
            plan_digest="p" * 64,
            event_id=new_id(),
            parameters={"month": 4, "rate": 0.1, "name": "Zürich", "none": None},
            sources_digest="s" * 64,
            commit="c" * 40,
            branch="main",
            is_dirty=True,
            author="Ada <ada@example.org>",
            runtime_digest="r" * 64,
            lock_digest="l" * 64,
            host="box",
            user="ada",
            orchestrator_pid=17,
            at=AT,
            started_at=AT,
        )
        return run_record(**fields | changes)

    def artifact(self, letter="a", **changes):
        fields = dict(digest=letter * 64, codec="json/1", type_name="builtins.int", size_bytes=1, summary={"rows": 3})
        return Artifact(**fields | changes)

    def execution(self, run, node="train", **changes):
        return Execution(**dict(id=new_id(), run_id=run.id, node=node, step="steps:train", status="waiting") | changes)

    def event(self, **changes):
        fields = dict(
            id=new_id(),
            kind="request",
            subject="flight_delay",
            evidence=(Evidence(kind="person", ref="ada", note="asked"),),
            key=new_id(),
            at=AT,
            recorded_at=AT + timedelta(seconds=1),
        )
        return Event(**fields | changes)

    def signal(self, **changes):
        fields = dict(
            id=new_id(),
            key=new_id(),
            monitor="auc",
            kind="performance",
            model="flight-delay",
            version=1,
            window_start=AT,
            window_end=AT + timedelta(days=1),
            is_alarm=True,
            value=0.6,
            threshold=0.65,
            numbers={"rows": 10},
            evidence=(),
            message="AUC fell",
            at=AT,
            recorded_at=AT,
        )
        return Signal(**fields | changes)

    def snapshot(self, **changes):
        fields = dict(
            table="flights",
            table_uuid="uuid",
            snapshot_id=2**62 + 1,
            digest="d" * 64,
            row_count=5,
            file_count=1,
            committed_at=AT,
        )
        return Snapshot(**fields | changes)

    def version(self, model="flight-delay", letter="a", **changes):
        """What `ModelStore.register` wants: the version for a number."""

        def build(number):
            fields = dict(
                model=model,
                version=number,
                state="candidate",
                package=self.artifact(letter),
                run_id="run",
                metrics={"train.auc": 0.8, "test.auc": 0.7},
                parameters={"depth": 3},
                snapshots=(self.snapshot(),),
                previous_version=number - 1 or None,
                verdict_digest="v" * 64,
                at=AT,
                recorded_at=AT,
            )
            return ModelVersion(**fields | changes)

        return build

    def deployment(self, **changes):
        fields = dict(
            id=new_id(),
            endpoint="flight-delay",
            place="dev",
            model="flight-delay",
            version=1,
            package_digest="a" * 64,
            event_id="event",
            at=AT,
            recorded_at=AT,
        )
        return Deployment(**fields | changes)
