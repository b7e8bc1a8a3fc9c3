"""The registry on SQLite and PostgreSQL: whole packages only, one promotion wins, what is live stays."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import UTC, datetime

import pytest

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ConflictError,
    NotFoundError,
    ProtectedError,
)
from tidewheel.core.records import Run, Verdict
from tidewheel.core.records.verdict import Check
from tidewheel.metadata_store import AliasStore, Database, ModelStore
from tidewheel.model_registry import ModelRegistry

AT = datetime(2013, 4, 1, tzinfo=UTC)
MODEL = "flight-delay"
RUN = Run(
    id="run",
    pipeline="training",
    status="succeeded",
    plan_digest="p",
    event_id="e",
    parameters={},
    sources_digest="s",
    commit="",
    branch="",
    is_dirty=False,
    author="",
    runtime_digest="r",
    lock_digest="",
    executor="local",
    host="h",
    user="u",
    orchestrator_pid=1,
    at=AT,
    started_at=AT,
)
MOVE = {"event_id": "e", "reason": "better", "at": AT}


@pytest.fixture(params=["file", "postgresql"])
def url(request, tmp_path):
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'metadata.db'}"
    return request.getfixturevalue("postgresql_url")()


class Registry:
    """A registry, and what it stands on."""

    def __init__(self, url, folder) -> None:
        self.database = Database.open(url)
        self.artifacts = LocalArtifactStore(folder / "artifacts")
        self.models, self.aliases = ModelStore(self.database), AliasStore(self.database)
        self.registry = ModelRegistry(self.models, self.aliases, self.artifacts)

    def register(self, package, *, state="approved", verdict="", run=RUN, **changes):
        artifact = package if hasattr(package, "digest") else self.artifacts.put(package)
        known = {"run": run, "metrics": {"roc_auc": 0.7}, "parameters": {"seed": 1}, "snapshots": (), "at": AT}
        fields = known | {"verdict_digest": verdict, "state": state, "reason": "its gate"} | changes
        return self.registry.register(MODEL, artifact, **fields)


@pytest.fixture
def stores(url, tmp_path):
    stores = Registry(url, tmp_path)
    yield stores
    stores.database.close()


def damage(stores, version) -> None:
    path = stores.artifacts.path_of(version.package)
    path.chmod(0o644)
    path.write_bytes(b"x" * version.package.size_bytes)


def test_a_package_that_is_registered_keeps_its_version(stores):
    first, is_new = stores.register("one")
    assert (first.version, is_new, first.previous_version) == (1, True, None)
    again, is_new = stores.register("one", run=RUN, reason="another run")
    assert (again, is_new) == (first, False)
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    second, _ = stores.register("two")
    assert (second.version, second.previous_version) == (2, 1)
    assert stores.registry.champion(MODEL) == first


def test_a_version_whose_files_are_missing_or_altered_is_refused(stores):
    artifact = stores.artifacts.put("one")
    stores.artifacts.delete(artifact.digest)
    with pytest.raises(ArtifactMissingError):
        stores.register(artifact)
    version, _ = stores.register("two")
    damage(stores, version)
    with pytest.raises(ArtifactCorruptError):
        stores.register(version.package)
    with pytest.raises(ArtifactCorruptError):
        stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    assert [one.version for one in stores.models.list(MODEL)] == [1]
    assert stores.aliases.all() == {}


def test_only_what_passed_is_promoted_unless_forced(stores):
    stores.register("one", state="rejected")
    with pytest.raises(ConflictError, match="rejected(.|\n)*--force"):
        stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    with pytest.raises(NotFoundError, match="known: 1"):
        stores.registry.promote(MODEL, 2, expected=None, **MOVE)
    stores.registry.promote(MODEL, 1, expected=None, is_forced=True, **MOVE)
    assert stores.registry.champion(MODEL).version == 1


def test_a_verdict_about_another_champion_does_not_promote(stores):
    for name in ("one", "two", "three"):
        stores.register(name)
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    stores.registry.promote(MODEL, 2, expected=1, **MOVE)
    checks = (Check(name="better", passed=True),)
    about_first = Verdict(candidate_digest="d", champion_version=1, checks=checks)
    with pytest.raises(ConflictError, match="compares it with v1, but the champion is v2"):
        stores.registry.promote(MODEL, 3, expected=2, verdict=about_first, **MOVE)
    stale = Verdict(candidate_digest="d", champion_version=1, checks=checks)
    with pytest.raises(ConflictError, match="points to version 2"):
        stores.registry.promote(MODEL, 3, expected=1, verdict=stale, **MOVE)
    stores.registry.promote(
        MODEL,
        3,
        expected=2,
        verdict=Verdict(**about_first.to_dict() | {"champion_version": 2, "checks": checks}),
        **MOVE,
    )
    assert stores.registry.champion(MODEL).version == 3


def test_sixteen_processes_that_promote_at_once_win_one_turn_each(url, tmp_path):
    """Each promotes its own version over whoever is the champion, until it has; nobody's turn is lost or doubled."""
    stores = Registry(url, tmp_path)
    for number in range(17):
        stores.register(f"package {number}")
    stores.registry.promote(MODEL, 17, expected=None, **MOVE)
    stores.database.close()
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(16), context.SimpleQueue()

    def work(number: int) -> None:
        own = Registry(url, tmp_path)
        barrier.wait(60)
        lost = 0
        while True:
            champion = own.registry.champion(MODEL).version
            try:
                own.registry.promote(MODEL, number, expected=champion, event_id=str(number), reason="", at=AT)
                break
            except ConflictError:
                lost += 1
        results.put((number, champion, lost))
        own.database.close()

    processes = [context.Process(target=work, args=(number,)) for number in range(1, 17)]
    for process in processes:
        process.start()
    won = [results.get() for _ in processes]
    for process in processes:
        process.join()
    stores = Registry(url, tmp_path)
    history = stores.aliases.history(MODEL)
    steps = [(one.from_version, one.to_version) for one in history]
    assert steps[0] == (None, 17)
    assert sorted(to for _, to in steps[1:]) == list(range(1, 17))
    assert [before for before, _ in steps[1:]] == [to for _, to in steps[:-1]]
    assert sorted((before, number) for number, before, _ in won) == sorted(steps[1:])
    assert all(one.event_id == str(one.to_version) for one in history[1:])
    assert stores.registry.champion(MODEL).version == steps[-1][1]
    stores.database.close()


def test_rolling_back_retires_what_is_left_and_never_ends_there_again(stores):
    for number, name in enumerate(("one", "two", "three")):
        stores.register(name)
        stores.registry.promote(MODEL, number + 1, expected=number or None, **MOVE)
    assert stores.registry.roll_back(MODEL, event_id="e", reason="errors", at=AT).version == 2
    assert stores.models.get(MODEL, 3).state == "retired"
    with pytest.raises(ConflictError, match="retired"):
        stores.registry.promote(MODEL, 3, expected=2, **MOVE)
    assert stores.registry.roll_back(MODEL, event_id="e", reason="errors", at=AT).version == 1
    with pytest.raises(NotFoundError, match="previous champion"):
        stores.registry.roll_back(MODEL, event_id="e", reason="errors", at=AT)
    assert [one.to_version for one in stores.aliases.history(MODEL)] == [1, 2, 3, 2, 1]


def test_a_rollback_that_died_in_the_middle_is_completed_by_the_next(stores):
    for number, name in enumerate(("one", "two")):
        stores.register(name)
        stores.registry.promote(MODEL, number + 1, expected=number or None, **MOVE)
    stores.models.set_state(MODEL, 2, "retired", "rolled back: died after this", "e", AT)
    assert stores.registry.roll_back(MODEL, event_id="e", reason="again", at=AT).version == 1
    assert [one.to_state for one in stores.models.history(MODEL, 2)] == ["approved", "retired"]


def test_a_rollback_to_damaged_files_changes_nothing(stores):
    for number, name in enumerate(("one", "two")):
        stores.register(name)
        stores.registry.promote(MODEL, number + 1, expected=number or None, **MOVE)
    damage(stores, stores.models.get(MODEL, 1))
    with pytest.raises(ArtifactCorruptError):
        stores.registry.roll_back(MODEL, event_id="e", reason="errors", at=AT)
    assert stores.registry.champion(MODEL).version == 2
    assert stores.models.get(MODEL, 2).state == "approved"


def test_what_a_live_alias_needs_is_not_deleted(stores):
    one, _ = stores.register("one")
    two, _ = stores.register("two")
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    with pytest.raises(ProtectedError, match="flight-delay v1, which is its champion"):
        stores.registry.delete_package(one.package.digest)
    stores.registry.delete_package(two.package.digest)
    assert stores.artifacts.is_present(one.package)
    assert not stores.artifacts.is_present(two.package)
    with pytest.raises(ArtifactMissingError):
        stores.registry.promote(MODEL, 2, expected=1, **MOVE)


def test_promotion_and_deletion_at_once_never_leave_an_alias_without_its_package(stores, url, tmp_path):
    for number in range(12):
        version, _ = stores.register(f"package {number}")
        champion = stores.registry.champion(MODEL)
        barrier = threading.Barrier(2)

        def delete(digest=version.package.digest, barrier=barrier):
            own = Registry(url, tmp_path)
            barrier.wait()
            try:
                own.registry.delete_package(digest)
            except ProtectedError:
                pass
            own.database.close()

        thread = threading.Thread(target=delete)
        thread.start()
        barrier.wait()
        try:
            expected = champion.version if champion else None
            stores.registry.promote(MODEL, version.version, expected=expected, **MOVE)
        except ArtifactMissingError:
            pass
        thread.join()
        live = stores.registry.champion(MODEL)
        assert live is None or stores.artifacts.is_present(live.package)


def test_damage_from_outside_is_found_and_the_champion_named(stores):
    versions = [stores.register(name)[0] for name in ("one", "two", "three")]
    stores.registry.promote(MODEL, 2, expected=None, **MOVE)
    assert stores.registry.check() == []
    damage(stores, versions[1])
    stores.artifacts.delete(versions[2].package.digest)
    found = {one.version: one for one in stores.registry.check(MODEL)}
    assert set(found) == {2, 3}
    assert (found[2].is_champion, found[3].is_champion) == (True, False)
    assert str(found[2]).startswith("flight-delay v2, the champion: ")
    assert "run run again to restore it" in found[3].message


def test_a_version_takes_over_a_later_verdict_unless_it_is_live_or_retired(stores):
    again = {"verdict_digest": "v2", "state": "rejected", "reason": "worse", "event_id": "later", "at": AT}
    candidate, _ = stores.register("one", verdict="v1")
    judged = stores.registry.judge_again(candidate, **again)
    assert (judged.state, judged.verdict_digest, judged.reason) == ("rejected", "v2", "worse")
    assert stores.models.get(MODEL, 1) == judged
    assert [one.event_id for one in stores.models.history(MODEL, 1)] == ["", "later"]
    assert stores.registry.judge_again(judged, **again) == judged
    assert len(stores.models.history(MODEL, 1)) == 2
    live, _ = stores.register("two", verdict="v1")
    stores.registry.promote(MODEL, 2, expected=None, **MOVE)
    assert stores.registry.judge_again(live, **again) == live
