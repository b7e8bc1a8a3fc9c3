from __future__ import annotations

import threading

import pytest

from tidewheel.core.errors import ConflictError
from tidewheel.metadata_store import (
    AliasStore,
    Database,
    DeploymentStore,
    EventStore,
    ExecutionStore,
    LeaseStore,
    ModelStore,
    RunStore,
)
from tidewheel.metadata_store.schema import SCHEMA_VERSION

MODEL = "flight-delay"


def test_processes_that_open_a_fresh_database_at_once_find_one_schema(shared_url, in_processes):
    def work(_):
        database = Database.open(shared_url)
        try:
            return database.schema_version
        finally:
            database.close()

    assert in_processes(work, range(6)) == [SCHEMA_VERSION] * 6


def test_eight_processes_of_200_writes_never_fail_on_a_lock(shared_url, in_processes, facts):
    Database.open(shared_url).close()

    def work(number):
        database = Database.open(shared_url)
        runs = RunStore(database)
        for count in range(200):
            runs.create(facts.run(id=f"run-{number}-{count:03}"))
        database.close()
        return "written"

    assert in_processes(work, range(8)) == ["written"] * 8
    database = Database.open(shared_url)
    assert len(RunStore(database).list(limit=5000)) == 1600
    database.close()


def test_of_processes_that_move_an_alias_one_wins_for_each_expected_version(shared_url, in_processes, facts):
    database = Database.open(shared_url)
    for letter in "abcdefgh":
        ModelStore(database).register(MODEL, letter * 64, facts.version(letter=letter))
    database.close()
    steps = [None, 1, 2, 3, 4]

    def work(number):
        database = Database.open(shared_url)
        won = []
        for expected, to in zip(steps, [1, 2, 3, 4, 5], strict=True):
            # Everybody tries until the alias has left the expected version.
            while AliasStore(database).get(MODEL, "champion") in {None, *range(1, to)}:
                try:
                    AliasStore(database).move(
                        MODEL, "champion", to, expected=expected, event_id=str(number), reason="", at=facts.at
                    )
                    won.append(to)
                except ConflictError:
                    pass
        database.close()
        return won

    won = in_processes(work, range(12))
    assert sorted(version for versions in won for version in versions) == [1, 2, 3, 4, 5]
    database = Database.open(shared_url)
    history = AliasStore(database).history(MODEL, "champion")
    assert [(move.from_version, move.to_version) for move in history] == list(zip(steps, [1, 2, 3, 4, 5], strict=True))
    database.close()


def test_of_processes_that_claim_one_thing_one_gets_it(shared_url, in_processes, facts):
    database = Database.open(shared_url)
    event, _ = EventStore(database).create(facts.event(key="claimed"))
    database.close()

    def work(number):
        database = Database.open(shared_url)
        events = EventStore(database)
        got = []
        try:
            events.attach_run(event.id, f"run{number}")
            got.append("event")
        except ConflictError:
            pass
        if events.create(facts.event(key="new"))[1]:
            got.append("key")
        if LeaseStore(database).acquire("tick", str(number), 600):
            got.append("lease")
        try:
            DeploymentStore(database).create(facts.deployment(), expected=None)
            got.append("deployment")
        except ConflictError:
            pass
        database.close()
        return got

    got = in_processes(work, range(8))
    assert sorted(name for names in got for name in names) == ["deployment", "event", "key", "lease"]


def test_versions_registered_at_once_are_numbered_without_gaps(shared_url, in_processes, facts):
    Database.open(shared_url).close()

    def work(number):
        database = Database.open(shared_url)
        letters = [f"{number:x}", "f"]
        made = [ModelStore(database).register(MODEL, c * 64, facts.version(letter=c))[0].version for c in letters]
        database.close()
        return made

    made = in_processes(work, range(8))
    own = [version for version, _ in made]
    shared = {version for _, version in made}
    assert len(shared) == 1
    assert sorted([*own, *shared]) == list(range(1, 10))


def test_steps_that_share_artifacts_are_recorded_at_once(shared_url, in_processes, facts):
    database = Database.open(shared_url)
    run = RunStore(database).create(facts.run())
    database.close()
    values = {letter: facts.artifact(letter) for letter in "abcdef"}

    def work(number):
        database = Database.open(shared_url)
        # Each names the same artifacts in another order.
        order = dict(sorted(values.items(), key=lambda item: hash((item[0], number))))
        for count in range(20):
            ExecutionStore(database).create(facts.execution(run, f"step-{number}-{count}", outputs=order))
        database.close()
        return "recorded"

    assert in_processes(work, range(8)) == ["recorded"] * 8
    database = Database.open(shared_url)
    assert len(ExecutionStore(database).by_output("a" * 64)) == 160
    database.close()


def test_threads_share_one_database(database, facts):
    ModelStore(database).register(MODEL, "a" * 64, facts.version())
    aliases = AliasStore(database)
    outcomes = []

    def work():
        try:
            aliases.move(MODEL, "champion", 1, expected=None, event_id="e", reason="", at=facts.at)
            outcomes.append("won")
        except ConflictError:
            outcomes.append("lost")

    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 31 + ["won"]


def test_what_a_closed_database_held_is_there_when_it_is_opened_again(shared_url, facts):
    database = Database.open(shared_url)
    run = RunStore(database).create(facts.run())
    database.close()
    database = Database.open(shared_url, create=False)
    assert RunStore(database).list() == [run]
    database.close()


@pytest.mark.parametrize("durability", ["progress", "decision"])
def test_an_exception_undoes_the_whole_transaction(database, facts, durability):
    with pytest.raises(ZeroDivisionError), database.write(durability) as connection:
        connection.execute("INSERT INTO closure_miss VALUES ('a', 'b')")
        raise ZeroDivisionError
    with database.read() as connection:
        assert connection.execute("SELECT * FROM closure_miss").fetchall() == []
