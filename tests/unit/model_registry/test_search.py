from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import Artifact, ModelVersion, Snapshot
from tidewheel.model_registry.search import MetricCondition, VersionFilter, sorted_by_metric

AT = datetime(2013, 4, 1, tzinfo=UTC)


def version(number, *, state="approved", metrics=None, parameters=None, table="flights"):
    package = Artifact(digest=f"{number}" * 64, codec="package/1", type_name="p", size_bytes=1, summary={})
    snapshot = Snapshot(
        table=table,
        table_uuid="u",
        snapshot_id=number,
        digest=f"{number}abc" + "0" * 60,
        row_count=5,
        file_count=1,
        committed_at=AT,
    )
    return ModelVersion(
        model="m",
        version=number,
        state=state,
        package=package,
        run_id=f"run{number}",
        metrics=metrics if metrics is not None else {"auc": number / 10},
        parameters=parameters or {},
        snapshots=(snapshot,),
        at=AT,
        recorded_at=AT,
    )


VERSIONS = [
    version(4, state="deleted"),
    version(3, state="rejected", metrics={"auc": float("nan"), "loss": 1e-3}, parameters={"c": 0.5, "deep": True}),
    version(2, parameters={"c": 1, "deep": False}, table="weather"),
    version(1, state="candidate", metrics={"auc": None, "loss": 2.0}, parameters={"c": "0.5"}),
]


def numbers(commit_of=None, **conditions):
    return [one.version for one in VersionFilter(**conditions).select(VERSIONS, commit_of or pytest.fail)]


def test_a_name_means_the_parameter_of_the_pipeline_and_of_each_step():
    tuned = version(1, parameters={"trials": 4, "train.label": "late", "judge.label": "label"})
    for asked in ({"label": "late"}, {"train.label": "late"}, {"label": "label"}, {"trials": "4"}):
        assert VersionFilter(parameters=asked).select([tuned], pytest.fail) == [tuned]
    assert VersionFilter(parameters={"judge.label": "late"}).select([tuned], pytest.fail) == []
    with pytest.raises(NotFoundError):
        VersionFilter(parameters={"abel": "late"}).select([tuned], pytest.fail)


def metric(text):
    return [MetricCondition.parse(text)]


def test_without_conditions_all_but_deleted_ones_are_found():
    assert numbers() == [3, 2, 1]
    assert numbers(states=["deleted"]) == [4]
    assert numbers(states=["rejected", "candidate"]) == [3, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("auc > 0.1", [2]),
        ("auc>=0.2", [2]),
        ("auc < 9", [2]),
        ("auc != 5", [2]),
        ("loss <= 2", [3, 1]),
        ("loss = 0.001", [3]),
        ("loss < 1e-2", [3]),
    ],
)
def test_a_metric_is_held_against_a_number_and_what_is_missing_never_meets_it(text, found):
    assert numbers(metrics=metric(text)) == found


@pytest.mark.parametrize("text", ["", "auc", "auc >", "> 3", "auc > x", "auc > nan", "auc >> 3", "auc ~ 3"])
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(ParameterError, match=r"no condition on a metric(.|\n)*roc_auc > 0.7"):
        MetricCondition.parse(text)


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [("c", "0.50", [3]), ("c", "0.5", [3, 1]), ("c", 0.5, [3]), ("c", "1.0", [2]), ("deep", "true", [3])],
)
def test_parameters_are_compared_as_values(name, wanted, found):
    assert numbers(parameters={name: wanted}) == found


@pytest.mark.parametrize(
    ("snapshot", "found"),
    [("weather", [2]), ("weather@2", [2]), ("flights@2", []), ("3", [3]), ("3abc", [3]), ("3ab", []), ("nothing", [])],
)
def test_data_is_named_by_table_snapshot_or_digest(snapshot, found):
    assert numbers(snapshot=snapshot) == found


def test_a_commit_is_asked_only_where_it_is_wanted():
    assert numbers(lambda run: {"run2": "abc1", "run3": "abd2"}.get(run, ""), commit="AB") == [3, 2]
    assert numbers(lambda run: {"run2": "abc1"}.get(run, ""), commit="abc") == [2]


def test_a_mistyped_metric_or_parameter_is_told_with_the_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'loss'"):
        numbers(metrics=metric("los < 1"))
    with pytest.raises(NotFoundError, match="known: c, deep"):
        numbers(parameters={"x": 1})
    assert VersionFilter(metrics=metric("los < 1")).select([], pytest.fail) == []


def test_sorting_puts_what_has_no_number_last():
    assert [one.version for one in sorted_by_metric(VERSIONS, "auc")] == [4, 2, 3, 1]
    assert [one.version for one in sorted_by_metric(VERSIONS, "loss", ascending=True)] == [3, 1, 4, 2]
    with pytest.raises(NotFoundError, match="did you mean 'auc'"):
        sorted_by_metric(VERSIONS, "aux")
