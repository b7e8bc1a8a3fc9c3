"""The registry on SQLite and PostgreSQL: whole packages only, one promotion wins, what is live stays."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from run_record import AT, run_record
from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ConflictError,
    NotFoundError,
    ParameterError,
    ProtectedError,
)
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Deployment, Verdict
from tidewheel.core.records.model_version import TRANSITIONS
from tidewheel.core.records.verdict import Check
from tidewheel.metadata_store import AliasStore, Database, DeploymentStore, ModelStore
from tidewheel.model_registry import ModelRegistry

MODEL = "flight-delay"
RUN = run_record(status="succeeded")
MOVE = {"event_id": "e", "reason": "better", "at": AT}


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
def stores(shared_url, tmp_path):
    stores = Registry(shared_url, tmp_path)
    yield stores
    stores.database.close()


def deployment_of(version):
    return Deployment(
        id=new_id(),
        endpoint=MODEL,
        place="dev",
        model=version.model,
        version=version.version,
        package_digest=version.package.digest,
        event_id="e",
        at=AT,
        recorded_at=AT,
    )


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


ROUNDS, PROCESSES = 3, 64


def test_of_sixty_four_processes_that_promote_at_once_exactly_one_wins_each_time(shared_url, tmp_path):
    """In each round all of them expect the same champion, and each wants its own version to be the next."""
    stores = Registry(shared_url, tmp_path)
    for number in range(PROCESSES + 1):
        stores.register(f"package {number}")
    stores.registry.promote(MODEL, PROCESSES + 1, expected=None, **MOVE)
    stores.database.close()
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(PROCESSES), context.SimpleQueue()

    def work(number: int) -> None:
        own = Registry(shared_url, tmp_path)
        for turn in range(ROUNDS):
            champion = own.registry.champion(MODEL).version
            barrier.wait(250)
            try:
                # The champion of the round cannot follow itself: it wants the first version that is not.
                wanted = number if number != champion else PROCESSES + 1
                own.registry.promote(MODEL, wanted, expected=champion, event_id=str(number), reason="", at=AT)
                results.put((turn, number, champion, wanted))
            except ConflictError:
                results.put((turn, number, champion, None))
            barrier.wait(250)
        own.database.close()

    processes = [context.Process(target=work, args=(number,)) for number in range(1, PROCESSES + 1)]
    for process in processes:
        process.start()
    told = [results.get() for _ in range(PROCESSES * ROUNDS)]
    for process in processes:
        process.join()
    stores = Registry(shared_url, tmp_path)
    history = stores.aliases.history(MODEL)
    won = sorted(one for one in told if one[3] is not None)
    assert [turn for turn, *_ in won] == list(range(ROUNDS))
    assert [(one.from_version, one.to_version) for one in history[1:]] == [(before, to) for _, _, before, to in won]
    assert [one.event_id for one in history[1:]] == [str(number) for _, number, _, _ in won]
    assert stores.registry.champion(MODEL).version == won[-1][3]
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


def test_a_rollback_from_a_retired_champion_only_moves_the_alias(stores):
    for number, name in enumerate(("one", "two")):
        stores.register(name)
        stores.registry.promote(MODEL, number + 1, expected=number or None, **MOVE)
    stores.models.set_state(MODEL, 2, "retired", "faulty rows", "e", AT)
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


def test_what_is_live_pinned_or_deployed_is_not_deleted(stores):
    versions = [stores.register(name)[0] for name in ("one", "two", "three", "four")]
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    stores.registry.point(MODEL, "audited", 2, expected=None, **MOVE)
    deployments = DeploymentStore(stores.database)
    deployment = deployments.create(deployment_of(versions[2]), expected=None)
    with pytest.raises(ProtectedError, match="is its champion(.|\n)*promote another"):
        stores.registry.delete(MODEL, 1, **MOVE)
    with pytest.raises(ProtectedError, match="is its audited(.|\n)*alias flight-delay audited --remove"):
        stores.registry.delete(MODEL, 2, **MOVE)
    with pytest.raises(ProtectedError, match="deployed at 'flight-delay' in dev(.|\n)*undeploy"):
        stores.registry.delete(MODEL, 3, **MOVE)
    assert [one.state for one in stores.models.list(MODEL)] == ["approved"] * 4
    assert all(stores.artifacts.is_present(one.package) for one in versions)
    stores.registry.point(MODEL, "audited", None, expected=2, **MOVE)
    deployments.take_down(deployment.id, event_id="e", reason="asked", at=AT)
    for number in (2, 3, 4):
        assert stores.registry.delete(MODEL, number, event_id="e9", reason="old", at=AT).state == "deleted"
    assert [stores.artifacts.is_present(one.package) for one in versions] == [True, False, False, False]


def test_a_deletion_is_a_recorded_fact_and_what_it_was_stays(stores):
    first, _ = stores.register("one", verdict="v1")
    stores.registry.delete(MODEL, 1, event_id="e9", reason="a year old", at=AT)
    kept = stores.models.get(MODEL, 1)
    assert (kept.package, kept.metrics, kept.verdict_digest) == (first.package, first.metrics, "v1")
    last = stores.models.history(MODEL, 1)[-1]
    assert (last.from_state, last.to_state, last.reason, last.event_id) == ("approved", "deleted", "a year old", "e9")
    assert stores.registry.delete(MODEL, 1, **MOVE) == kept
    assert len(stores.models.history(MODEL, 1)) == 2
    assert stores.registry.check() == []
    for is_forced in (False, True):
        with pytest.raises(ConflictError, match="v1 is deleted"):
            stores.registry.promote(MODEL, 1, expected=None, is_forced=is_forced, **MOVE)
    with pytest.raises(ConflictError, match="version 1 of model 'flight-delay' is deleted"):
        stores.aliases.move(MODEL, "champion", 1, expected=None, **MOVE)
    with pytest.raises(ConflictError, match="is deleted"):
        DeploymentStore(stores.database).create(deployment_of(first), expected=None)
    with pytest.raises(ConflictError, match="is deleted"):
        stores.registry.set_state(MODEL, 1, "approved", **MOVE)


def test_a_package_that_is_made_again_comes_back_under_its_number(stores):
    stores.register("one")
    stores.registry.delete(MODEL, 1, **MOVE)
    back, is_new = stores.register("one", state="candidate", reason="no gate judged it")
    assert (back.version, is_new, back.state) == (1, False, "candidate")
    assert back.reason == "made again by run run: no gate judged it"
    assert stores.artifacts.is_present(back.package)
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)


def test_a_package_that_two_models_share_goes_with_the_last(stores):
    version, _ = stores.register("one")
    known = {"run": RUN, "metrics": {}, "parameters": {}, "snapshots": (), "at": AT, "verdict_digest": ""}
    stores.registry.register("other", version.package, state="candidate", reason="", **known)
    stores.registry.delete(MODEL, 1, **MOVE)
    assert stores.artifacts.is_present(version.package)
    stores.registry.delete("other", 1, **MOVE)
    assert not stores.artifacts.is_present(version.package)


def test_promotion_and_deletion_at_once_never_leave_an_alias_without_its_package(stores, shared_url, tmp_path):
    outcomes = set()
    for number in range(12):
        version, _ = stores.register(f"package {number}")
        champion = stores.registry.champion(MODEL)
        barrier = threading.Barrier(2)

        def delete(number=version.version, barrier=barrier):
            own = Registry(shared_url, tmp_path)
            barrier.wait()
            try:
                own.registry.delete(MODEL, number, **MOVE)
                outcomes.add("deleted")
            except ProtectedError:
                outcomes.add("protected")
            own.database.close()

        thread = threading.Thread(target=delete)
        thread.start()
        barrier.wait()
        try:
            expected = champion.version if champion else None
            stores.registry.promote(MODEL, version.version, expected=expected, **MOVE)
        except (ArtifactMissingError, ConflictError):
            pass
        thread.join()
        live = stores.registry.champion(MODEL)
        assert live is None or (stores.artifacts.is_present(live.package) and live.state == "approved")
    assert outcomes


def test_deployment_and_deletion_at_once_never_leave_a_deployed_version_deleted(stores, shared_url, tmp_path):
    for number in range(8):
        version, _ = stores.register(f"package {number}")
        barrier = threading.Barrier(2)

        def delete(number=version.version, barrier=barrier):
            own = Registry(shared_url, tmp_path)
            barrier.wait()
            try:
                own.registry.delete(MODEL, number, **MOVE)
            except ProtectedError:
                pass
            own.database.close()

        thread = threading.Thread(target=delete)
        thread.start()
        barrier.wait()
        deployments = DeploymentStore(stores.database)
        try:
            made = deployments.create(deployment_of(version), expected=None)
        except ConflictError:
            made = None
        thread.join()
        assert (stores.models.get(MODEL, version.version).state == "deleted") == (made is None)
        if made is not None:
            deployments.take_down(made.id, event_id="e", reason="", at=AT)


STATES = ("candidate", "approved", "rejected", "retired")


@pytest.mark.parametrize("before", STATES)
def test_a_person_moves_a_version_along_the_stated_transitions_only(stores, before):
    for number, after in enumerate(STATES, start=1):
        stores.register(f"{before} to {after}", state=before)
        change = {"event_id": "e", "reason": "said so", "at": AT}
        if after in TRANSITIONS[before] or after == before:
            assert stores.registry.set_state(MODEL, number, after, **change).state == after
            last = stores.models.history(MODEL, number)[-1]
            assert (last.from_state, last.to_state, last.reason) == (before, after, "said so")
        else:
            with pytest.raises(ConflictError, match=f"is {before}, from where it cannot become {after}"):
                stores.registry.set_state(MODEL, number, after, **change)
            assert stores.models.get(MODEL, number).state == before


def test_the_champion_stays_fit_to_be_one(stores):
    stores.register("one")
    stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    for state in ("retired", "rejected"):
        with pytest.raises(ProtectedError, match="is the champion and cannot become"):
            stores.registry.set_state(MODEL, 1, state, **MOVE)
    with pytest.raises(ConflictError, match="cannot be set to deleted"):
        stores.registry.set_state(MODEL, 1, "deleted", **MOVE)


@pytest.mark.parametrize("name", ["champion", "", "a b", "../x", "1"])
def test_an_alias_of_one_s_own_has_a_name_of_its_own(stores, name):
    stores.register("one")
    with pytest.raises(ParameterError, match="cannot be set"):
        stores.registry.point(MODEL, name, 1, expected=None, **MOVE)


def test_an_alias_of_one_s_own_moves_by_compare_and_swap(stores):
    for name in ("one", "two"):
        stores.register(name)
    stores.registry.point(MODEL, "audited", 1, expected=None, **MOVE)
    with pytest.raises(ConflictError, match="points to version 1"):
        stores.registry.point(MODEL, "audited", 2, expected=None, **MOVE)
    with pytest.raises(ConflictError, match="points to version 1"):
        stores.registry.point(MODEL, "audited", None, expected=2, **MOVE)
    stores.registry.point(MODEL, "audited", 2, expected=1, **MOVE)
    stores.registry.point(MODEL, "audited", None, expected=2, **MOVE)
    assert stores.aliases.all() == {}
    moves = [(one.from_version, one.to_version) for one in stores.aliases.history(MODEL, "audited")]
    assert moves == [(None, 1), (1, 2), (2, None)]


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


def test_a_version_that_is_rejected_while_it_is_promoted_does_not_become_champion(stores, monkeypatch):
    stores.register("one")
    verify = stores.artifacts.verify

    def reject_meanwhile(artifact):
        verify(artifact)
        stores.registry.set_state(MODEL, 1, "rejected", event_id="e", reason="faulty rows", at=AT)

    monkeypatch.setattr(stores.artifacts, "verify", reject_meanwhile)
    with pytest.raises(ConflictError, match="has become rejected"):
        stores.registry.promote(MODEL, 1, expected=None, **MOVE)
    assert stores.registry.champion(MODEL) is None


def test_a_version_that_is_promoted_while_it_is_judged_keeps_its_state(stores, monkeypatch):
    version, _ = stores.register("one")
    look = stores.aliases.get

    def promote_meanwhile(model, alias):
        before = look(model, alias)
        if before is None:
            stores.aliases.move(model, alias, 1, expected=None, **MOVE)
        return before

    monkeypatch.setattr(stores.aliases, "get", promote_meanwhile)
    judged = stores.registry.judge_again(
        version, verdict_digest="later", state="rejected", reason="worse", event_id="e", at=AT
    )
    assert judged.state == "approved"
    stores.aliases.remove(MODEL, "champion", expected=1, **MOVE)
    with pytest.raises(ProtectedError, match="is its champion"):
        stores.registry.set_state(MODEL, 1, "retired", event_id="e", reason="old", at=AT)
