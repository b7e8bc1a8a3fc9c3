from __future__ import annotations

import copy
import pickle

import pytest

from tidewheel.core import errors
from tidewheel.core.errors import (
    ConfigError,
    NotFoundError,
    ProblemsError,
    StopRun,
    StorageError,
    TidewheelError,
    suggest,
)


def all_kinds(kind=TidewheelError):
    return [kind, *(below for child in kind.__subclasses__() for below in all_kinds(child))]


def build(kind):
    if issubclass(kind, NotFoundError):
        return kind("table", "flihgts", known=["flights"], where="run 7")
    if issubclass(kind, ProblemsError):
        return kind("it is wrong", ["a @ $.a", "b @ $.b"], where="run 7", next_step="correct it")
    return kind("it is wrong", where="run 7", next_step="correct it")


def test_a_message_names_the_thing_the_place_and_the_next_step():
    error = TidewheelError("table 'x' is empty", where="run 7", next_step="ingest rows")
    assert str(error) == "table 'x' is empty\n  where: run 7\n  next:  ingest rows"


def test_parts_that_are_not_known_leave_no_empty_line():
    assert str(TidewheelError("it is wrong")) == "it is wrong"


def test_problems_stand_between_the_fact_and_the_place():
    assert str(build(ConfigError)).splitlines() == [
        "it is wrong",
        "  - a @ $.a",
        "  - b @ $.b",
        "  where: run 7",
        "  next:  correct it",
    ]


@pytest.mark.parametrize("kind", all_kinds())
def test_every_error_survives_pickling_and_copying(kind):
    error = build(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("kind", all_kinds())
def test_every_error_tells_all_its_parts(kind):
    told = str(build(kind))
    assert "run 7" in told
    assert "next:" in told


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.ConfigError, ValueError),
        (errors.DefinitionError, TypeError),
        (errors.NotFoundError, LookupError),
        (errors.ArtifactMissingError, LookupError),
        (errors.ArtifactCorruptError, ValueError),
        (errors.StorageError, OSError),
        (errors.ConflictError, RuntimeError),
    ],
)
def test_callers_can_catch_the_standard_type(kind, standard):
    assert issubclass(kind, standard)


def test_an_oserror_keeps_our_message():
    assert "the disk is full" in str(StorageError("the disk is full", next_step="free some"))


def test_stopping_a_run_is_no_error_of_ours():
    assert not issubclass(StopRun, TidewheelError)
    assert pickle.loads(pickle.dumps(StopRun("no rows"))).reason == "no rows"


def test_the_nearest_names_are_offered():
    assert suggest("flihgts", ["flights", "weather"]) == "did you mean 'flights'?"
    assert suggest("trai", ["train", "trail", "x"]) in (
        "did you mean 'train' or 'trail'?",
        "did you mean 'trail' or 'train'?",
    )


def test_without_a_near_name_all_are_told_up_to_a_dozen():
    assert suggest("zzz", ["b", "a", "a"]) == "known: a, b"
    told = suggest("zzz", [f"name{number:02}" for number in range(13)])
    assert told.startswith("known: name00, ")
    assert told.endswith("name11, ...")


def test_without_any_name_that_is_said():
    assert suggest("x", [], "table") == "there is no table yet"


def test_a_given_next_step_goes_before_the_suggestion():
    assert NotFoundError("run", "ab", known=["abc"], next_step="say more of it").next_step == "say more of it"
