"""Outliers are found as plain comparison finds them, and each policy does what it says to its rows and to no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Outlier, ServedLimit, ServedLimits
from tidewheel.model_package import Field, Signature
from tidewheel.model_package.limits_check import check_limits
from tidewheel.model_package.outlier_treatment import first_refused, treatment_of
from tidewheel.model_package.signature import OutputField

FIELDS = (
    Field(name="x", kind="float", allows_null=True),
    Field(name="n", kind="integer", allows_null=True),
    Field(name="text", kind="string", allows_null=True),
    Field(name="size", kind="float", allows_null=True, domain=("1.0", "2.0")),
)
PREDICTION = (OutputField(name="prediction", kind="float"),)
REGRESSION = Signature(inputs=FIELDS, outputs=PREDICTION, task="regression")


def limit(policy, column="x", low=-1.0, high=1.0):
    return ServedLimit(column=column, policy=policy, low=low, high=high)


def limits(*declared, fallback=()):
    return ServedLimits(limits=declared, row_count=100, fallback=fallback)


def rows(x, n=None, text=None):
    return {"x": x, "n": n or [0] * len(x), "text": text or ["a"] * len(x), "size": [1.0] * len(x)}


def tenfold(columns):
    """A model that says ten times its `x`, and that knows which rows it was asked."""
    return {"prediction": np.array([10.0 * (np.nan if one is None else float(one)) for one in columns["x"]])}


def answered(treatment, columns):
    found = treatment.find(columns)
    treated = treatment.answer(found, columns, len(columns["x"]), tenfold)
    return found, treated.outputs["prediction"].tolist(), treated.inputs


@pytest.mark.parametrize("policy", ["flag", "quarantine"])
def test_a_row_that_is_flagged_or_in_quarantine_is_answered_as_any_other(policy):
    columns = rows([0.5, 3.0])
    found, answers, inputs = answered(treatment_of(limits(limit(policy)), REGRESSION), columns)
    assert found == {1: (Outlier(column="x", policy=policy, value=3.0, limit=1.0),)}
    assert answers == [5.0, 30.0]
    assert inputs is columns


def test_a_clipped_row_is_answered_at_the_nearest_limit_and_the_asker_s_rows_stay():
    columns = rows([0.5, 3.0, -2.0, None])
    found, answers, inputs = answered(treatment_of(limits(limit("clip")), REGRESSION), columns)
    assert list(found) == [1, 2]
    assert answers[:3] == [5.0, 10.0, -10.0]
    assert inputs["x"] == [0.5, 1.0, -1.0, None]
    assert columns["x"] == [0.5, 3.0, -2.0, None]


def test_of_two_limits_that_clip_the_narrower_counts():
    for declared in ((limit("clip"), limit("clip", low=-5, high=5)), (limit("clip", low=-5, high=5), limit("clip"))):
        _, answers, _ = answered(treatment_of(limits(*declared), REGRESSION), rows([9.0, -9.0, 3.0]))
        assert answers == [10.0, -10.0, 10.0]


def test_a_clipped_whole_number_stays_whole():
    treatment = treatment_of(limits(limit("clip", "n", 0, 7)), REGRESSION)
    _, _, inputs = answered(treatment, rows([0.0, 0.0], n=[10**300, -1]))
    assert inputs["n"] == [7, 0]
    assert all(type(one) is int for one in inputs["n"])


def test_a_row_that_falls_back_is_answered_without_the_model_and_the_others_with_it():
    asked = []

    def model(columns):
        asked.extend(columns["x"])
        return tenfold(columns)

    treatment = treatment_of(limits(limit("fall_back"), fallback=(7.0,)), REGRESSION)
    columns = rows([3.0, 0.1, -3.0, 0.2])
    treated = treatment.answer(treatment.find(columns), columns, 4, model)
    assert treated.outputs["prediction"].tolist() == [7.0, 1.0, 7.0, 2.0]
    assert asked == [0.1, 0.2]
    alone = rows([3.0])
    assert treatment.answer(treatment.find(alone), alone, 1, model).outputs["prediction"].tolist() == [7.0]
    assert asked == [0.1, 0.2]


@pytest.mark.parametrize(
    ("task", "classes", "fallback", "label", "probability"),
    [
        ("binary", (0, 1), (0.3,), 0, 0.3),
        ("binary", ("no", "yes"), (0.7,), "yes", 0.7),
        ("multiclass", ("a", "b", "c"), (0.2, 0.5, 0.3), "b", [0.2, 0.5, 0.3]),
    ],
)
def test_the_label_of_a_fallback_follows_from_its_probabilities(task, classes, fallback, label, probability):
    kind = "string" if isinstance(classes[0], str) else "integer"
    outputs = (
        OutputField(name="label", kind=kind),
        OutputField(name="probability", kind="float", width=len(fallback)),
    )
    signature = Signature(inputs=FIELDS, outputs=outputs, task=task, classes=classes)
    declared = limits(limit("fall_back"), fallback=fallback)
    check_limits(declared, signature)
    treatment = treatment_of(declared, signature)
    columns = rows([5.0, 0.0])
    said = {
        "label": np.array([classes[0]], dtype=object if kind == "string" else np.int64),
        "probability": np.full((1, len(fallback)) if len(fallback) > 1 else 1, 0.125),
    }
    outputs = treatment.answer(treatment.find(columns), columns, 2, lambda _: said).outputs
    assert outputs["label"].tolist() == [label, classes[0]]
    assert outputs["probability"].tolist()[0] == probability
    assert outputs["probability"].shape == ((2, 3) if task == "multiclass" else (2,))


def test_a_refused_row_is_told_with_its_number_and_the_limit():
    treatment = treatment_of(limits(limit("flag", "n", 0, 5), limit("refuse")), REGRESSION)
    found = treatment.find(rows([0.0, 400.0], n=[9, 0]))
    assert first_refused(found, first_row=1_000) == "row 1,001 is refused as an outlier: x is 400, beyond 1"
    assert first_refused(treatment.find(rows([0.0], n=[9]))) == ""


@pytest.mark.parametrize("values", [[None, float("nan")], ["5", "wide"], [[1.0], [2.0, 3.0]], [{}, 1.0]])
def test_what_is_missing_or_no_number_is_no_outlier(values):
    """The model says what is wrong with it; a text that reads like a number is told by it, too, when it is bound."""
    assert treatment_of(limits(limit("refuse", high=50)), REGRESSION).find(rows(values)) == {}


def test_limits_of_which_none_was_learned_treat_nothing():
    assert treatment_of(None, REGRESSION) is None
    assert treatment_of(limits(limit("clip", low=None, high=None)), REGRESSION) is None
    one_sided = treatment_of(limits(limit("flag", low=None), limit("clip", "n", None, None)), REGRESSION)
    assert list(one_sided.find(rows([-1e300, 2.0], n=[-(10**9), 10**9]))) == [1]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (limits(limit("flag", "text")), "no input of numbers"),
        (limits(limit("flag", "size")), "no input of numbers"),
        (limits(limit("flag", "other")), "name one of n, x"),
        (limits(limit("flag", low=2.0)), "leave no number"),
        (limits(limit("fall_back")), "no answer of the model"),
        (limits(limit("fall_back"), fallback=(1.0, 2.0)), "give one finite number"),
        (limits(limit("fall_back"), fallback=(float("inf"),)), "give one finite number"),
    ],
)
def test_limits_that_are_not_the_model_s_are_told(declared, told):
    with pytest.raises(SchemaMismatchError) as caught:
        check_limits(declared, REGRESSION)
    assert told in str(caught.value)


def test_a_fallback_outside_of_0_to_1_is_no_probability():
    outputs = (OutputField(name="label", kind="integer"), OutputField(name="probability", kind="float"))
    signature = Signature(inputs=FIELDS, outputs=outputs, task="binary", classes=(0, 1))
    with pytest.raises(SchemaMismatchError, match="no answer of the model"):
        check_limits(limits(limit("fall_back"), fallback=(1.5,)), signature)


NUMBERS = st.none() | st.floats(-5, 5) | st.integers(-5, 5)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(NUMBERS, st.none() | st.integers(-9, 9)), min_size=1, max_size=6),
    st.tuples(st.floats(-3, 0), st.floats(0, 3), st.integers(-3, 0), st.integers(0, 3)),
)
def test_plain_values_and_bound_columns_have_the_outliers_that_comparison_tells(pairs, edges):
    low, high, least, greatest = edges
    declared = limits(limit("flag", "x", low, high), limit("clip", "n", least, greatest))
    treatment = treatment_of(declared, REGRESSION)
    columns = rows([x for x, _ in pairs], n=[n for _, n in pairs])
    found = treatment.find(columns)
    bound = REGRESSION.bind(columns)
    assert treatment.find(bound) == found
    expected = {
        row: [
            *(["x"] if x is not None and not low <= x <= high else []),
            *(["n"] if n is not None and not least <= n <= greatest else []),
        ]
        for row, (x, n) in enumerate(pairs)
    }
    assert {row: [one.column for one in told] for row, told in found.items()} == {
        row: names for row, names in expected.items() if names
    }
    if found:
        clipped = treatment.answer(found, bound, len(pairs), lambda _: {}).inputs["n"].ravel()
        np.testing.assert_array_equal(clipped, np.clip(bound["n"].ravel(), least, greatest))
