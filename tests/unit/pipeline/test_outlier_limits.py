"""Limits are declared for a place, and what cannot be done there is told at once."""

from __future__ import annotations

from typing import get_args

import pytest

from tidewheel.core.errors import DefinitionError
from tidewheel.core.records.outlier_policy import POLICIES, OutlierPolicy, Place
from tidewheel.pipeline import ColumnLimit, RowDetector


@pytest.mark.parametrize("place", get_args(Place))
@pytest.mark.parametrize("policy", get_args(OutlierPolicy))
def test_a_policy_is_taken_exactly_where_it_can_be_applied(place, policy):
    if policy in POLICIES[place]:
        assert ColumnLimit("delay", policy=policy, place=place).policy == policy
    else:
        with pytest.raises(DefinitionError, match="delay") as caught:
            ColumnLimit("delay", policy=policy, place=place)
        assert "@ ColumnLimit.policy" in caught.value.problems[0]


def test_every_policy_can_be_applied_somewhere():
    assert {policy for policies in POLICIES.values() for policy in policies} == set(get_args(OutlierPolicy))


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: ColumnLimit("n", policy="clipp"), "did you mean 'clip'"),
        (lambda: ColumnLimit("n", place="serve"), "is no place"),
        (lambda: ColumnLimit("n", mads=0), "@ ColumnLimit.mads"),
        (lambda: ColumnLimit("n", mads=float("nan")), "@ ColumnLimit.mads"),
        (lambda: ColumnLimit("n", quantile=0.5), "@ ColumnLimit.quantile"),
        (lambda: ColumnLimit("n", tolerated=1.0), "@ ColumnLimit.tolerated"),
        (lambda: RowDetector(policy="clip"), "a row has not"),
        (lambda: RowDetector(share=0), "@ RowDetector.share"),
        (lambda: RowDetector(trees=0), "@ RowDetector.trees"),
        (lambda: RowDetector(policy="refuse", share=0.02, tolerated=0.01), "nothing has changed"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(declare, problem):
    with pytest.raises(DefinitionError) as caught:
        declare()
    assert problem in str(caught.value)
