from __future__ import annotations

import pytest

from tidewheel.core.errors import ConflictError, NotFoundError
from tidewheel.metadata_store import AliasStore, DeploymentStore, ModelStore

MODEL = "flight-delay"


@pytest.fixture
def models(database):
    return ModelStore(database)


@pytest.fixture
def aliases(database, models, facts):
    for letter in "abc":
        models.register(MODEL, letter * 64, facts.version(letter=letter))
    return AliasStore(database)


@pytest.fixture
def deployments(database):
    return DeploymentStore(database)


def test_versions_are_numbered_for_each_model(models, facts):
    first, is_new = models.register(MODEL, "a" * 64, facts.version())
    second, _ = models.register(MODEL, "b" * 64, facts.version(letter="b"))
    other, _ = models.register("other", "a" * 64, facts.version("other"))
    assert (first.version, is_new, second.version, other.version) == (1, True, 2, 1)
    assert models.get(MODEL, 2) == second
    assert models.list(MODEL) == [second, first]
    assert models.models() == [MODEL, "other"]
    assert models.find_by_package("a" * 64) == [first, other]
    assert len(models.find_by_run("run")) == 3


def test_a_registered_package_keeps_its_version(models, facts):
    first, _ = models.register(MODEL, "a" * 64, facts.version())
    again, is_new = models.register(MODEL, "a" * 64, lambda number: pytest.fail("was built again"))
    assert (again, is_new) == (first, False)


def test_a_registration_that_fails_takes_no_number(models, facts):
    def fail(number):
        raise ValueError("no package")

    with pytest.raises(ValueError, match="no package"):
        models.register(MODEL, "a" * 64, fail)
    assert models.models() == []
    version, _ = models.register(MODEL, "b" * 64, facts.version(letter="b"))
    assert version.version == 1


def test_unknown_models_and_versions_are_answered_with_what_exists(models, facts):
    models.register(MODEL, "a" * 64, facts.version())
    with pytest.raises(NotFoundError, match="known: 1"):
        models.get(MODEL, 2)
    with pytest.raises(NotFoundError, match="did you mean 'flight-delay'"):
        models.get("flight-dealy", 1)


def test_states_change_with_their_history(models, facts):
    models.register(MODEL, "a" * 64, facts.version())
    changed = models.set_state(MODEL, 1, "approved", "better", "event1", facts.at, expected="candidate")
    assert models.get(MODEL, 1) == changed
    with pytest.raises(ConflictError, match="'approved', not 'candidate'"):
        models.set_state(MODEL, 1, "rejected", "worse", "event2", facts.at, expected="candidate")
    models.set_state(MODEL, 1, "retired", "old", "event3", facts.at)
    steps = [(entry.from_state, entry.to_state, entry.reason, entry.event_id) for entry in models.history(MODEL, 1)]
    assert steps == [
        (None, "candidate", "", ""),
        ("candidate", "approved", "better", "event1"),
        ("approved", "retired", "old", "event3"),
    ]


def test_an_alias_moves_by_compare_and_swap(aliases, facts):
    move = {"event_id": "event", "reason": "better", "at": facts.at}
    assert aliases.get(MODEL, "champion") is None
    with pytest.raises(ConflictError, match="points to no version"):
        aliases.move(MODEL, "champion", 2, expected=1, **move)
    aliases.move(MODEL, "champion", 1, expected=None, **move)
    aliases.move(MODEL, "champion", 2, expected=1, **move)
    for stale in (None, 1, 3):
        with pytest.raises(ConflictError, match="points to version 2"):
            aliases.move(MODEL, "champion", 3, expected=stale, **move)
    assert aliases.get(MODEL, "champion") == 2
    assert aliases.all() == {(MODEL, "champion"): 2}
    assert [(entry.from_version, entry.to_version) for entry in aliases.history(MODEL, "champion")] == [
        (None, 1),
        (1, 2),
    ]
    assert aliases.history(MODEL)[0].event_id == "event"


def test_an_alias_never_points_to_nothing(aliases, facts):
    with pytest.raises(NotFoundError, match="known: 1, 2, 3"):
        aliases.move(MODEL, "champion", 4, expected=None, event_id="e", reason="", at=facts.at)
    with pytest.raises(NotFoundError):
        aliases.move("absent", "champion", 1, expected=None, event_id="e", reason="", at=facts.at)
    assert aliases.all() == {}


def test_a_deployment_supersedes_the_expected_one(deployments, facts):
    first = deployments.create(facts.deployment(id="dep1"), expected=None)
    with pytest.raises(ConflictError, match="is dep1, not none"):
        deployments.create(facts.deployment(id="dep2"), expected=None)
    third = deployments.create(facts.deployment(id="dep3", version=2), expected="dep1", reason="promoted")
    with pytest.raises(ConflictError, match="is dep3, not dep1"):
        deployments.create(facts.deployment(id="dep4"), expected="dep1")
    assert deployments.active() == [third]
    assert deployments.find_active("dev", MODEL) == third
    assert [(found.id, found.is_active) for found in deployments.history(MODEL)] == [("dep3", True), ("dep1", False)]
    assert not deployments.get(first.id).is_active
    with pytest.raises(NotFoundError):
        deployments.get("dep2")


def test_places_endpoints_and_roles_are_independent(deployments, facts):
    made = [
        deployments.create(facts.deployment(id="dep1"), expected=None),
        deployments.create(facts.deployment(id="dep2", role="shadow", share=0.0), expected=None),
        deployments.create(facts.deployment(id="dep3", place="staging"), expected=None),
        deployments.create(facts.deployment(id="dep4", endpoint="other"), expected=None),
    ]
    assert deployments.active() == [made[0], made[1], made[3], made[2]]
    assert deployments.active(place="staging") == [made[2]]
    assert deployments.active(place="dev", endpoint="other") == [made[3]]
    assert deployments.history(MODEL, "staging") == [made[2]]


def test_taking_down_leaves_the_endpoint_without_one(deployments, facts):
    deployment = deployments.create(facts.deployment(), expected=None)
    taken = deployments.take_down(deployment.id, event_id="event2", reason="asked", at=facts.at)
    assert not taken.is_active
    assert deployments.active() == []
    with pytest.raises(ConflictError):
        deployments.take_down(deployment.id, event_id="event3", reason="", at=facts.at)
    again = deployments.create(facts.deployment(), expected=None)
    changes = [(change.from_id, change.to_id, change.event_id) for change in deployments.changes(MODEL)]
    assert changes == [("", deployment.id, "event"), (deployment.id, "", "event2"), ("", again.id, "event")]
    assert deployments.changes(MODEL, "staging") == []
