"""Distances on sketches against those on the values; alarms against their promised rate."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from tidewheel.core.errors import NotFoundError
from tidewheel.statistics import Profile, compare_profiles
from tidewheel.statistics.cells import cells_of
from tidewheel.statistics.distance import jensen_shannon, kolmogorov_smirnov, wasserstein
from tidewheel.statistics.profile_pass import profile_table
from tidewheel.statistics.significance import chi_square_tail, holm, kolmogorov_smirnov_p, same_shares_p


def profile(**columns: object) -> Profile:
    return profile_table(pa.table(columns))


@pytest.mark.parametrize("centre", [0.0, 1.36e15])
def test_distances_are_those_of_the_values(centre):
    random = np.random.default_rng(5)
    a, b = random.normal(centre, 1000, 40_000), random.normal(centre + 200, 1300, 30_000)
    first, second = cells_of(a), cells_of(b)
    # A narrow range far from zero leaves fewer bits than the numbers themselves have.
    tolerance = 0.001 if centre == 0 else 0.01
    assert kolmogorov_smirnov(first, second) == pytest.approx(scipy.stats.ks_2samp(a, b).statistic, abs=tolerance)
    assert wasserstein(first, second) == pytest.approx(scipy.stats.wasserstein_distance(a, b), rel=0.02)


def test_jensen_shannon_is_the_distance_of_scipy():
    from scipy.spatial.distance import jensenshannon

    a, b = np.array([5.0, 0.0, 3.0]), np.array([1.0, 1.0, 1.0])
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, 2))


def test_tests_agree_with_those_of_scipy():
    assert [chi_square_tail(x, k) for x, k in ((0.1, 1), (7.0, 3), (300.0, 200), (50.0, 2))] == pytest.approx(
        [scipy.stats.chi2.sf(x, k) for x, k in ((0.1, 1), (7.0, 3), (300.0, 200), (50.0, 2))], rel=1e-9
    )
    assert kolmogorov_smirnov_p(0.03, 5_000, 7_000) == pytest.approx(
        scipy.stats.kstwobign.sf(0.03 * math.sqrt(35e6 / 12e3)), rel=0.1
    )
    table = np.array([[90.0, 60.0, 30.0], [30.0, 50.0, 40.0]])
    assert same_shares_p(*table) == pytest.approx(scipy.stats.chi2_contingency(table, correction=False).pvalue)
    assert holm([]) == []


def test_what_did_not_move_is_seldom_called_moved():
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        tables = [
            profile(
                a=random.normal(size=400),
                b=random.choice(["x", "y", "z"], 400),
                c=random.integers(0, 9, 400),
                d=np.where(random.random(400) < 0.1, np.nan, 1.0),
            )
            for _ in range(2)
        ]
        alarms += bool(compare_profiles(*tables, level=0.05, effect=0.0, missing_effect=0.0).moved)
    # Of 200 looks at the level 0.05 ten may alarm; more than 22 would come once in ten thousand times.
    assert alarms <= 22


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("shifted", np.arange(2000.0), np.arange(2000.0) + 600),
        ("categories", ["a", "b"] * 1000, ["a"] * 1900 + ["b"] * 100),
        ("new category", ["a", "b"] * 1000, ["a", "c"] * 1000),
        ("booleans", [True, False] * 1000, [True] * 1900 + [False] * 100),
        ("missing", [1.0, 2.0] * 1000, [1.0, None] * 1000),
        ("counts", [0, 1] * 1000, [0, 7] * 1000),
        ("lengths", [b"a"] * 2000, [b"abcdefgh"] * 2000),
    ],
)
def test_what_moved_is_found(name, before, after):
    still = np.tile([1, 2], 1000)
    found = compare_profiles(profile(x=before, still=still), profile(x=after, still=still))
    assert [column.name for column in found.moved] == ["x"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_tiny_but_significant_move_is_no_alarm():
    random = np.random.default_rng(2)
    found = compare_profiles(profile(x=random.normal(size=200_000)), profile(x=random.normal(0.03, 1, 200_000)))
    assert found.columns[0].p_adjusted < 0.01
    assert not found.moved


def test_times_and_identifiers_move_by_nature():
    days = np.datetime64("2013-01-01", "us") + np.arange(2000).astype("timedelta64[D]")
    found = compare_profiles(
        profile(t=days, key=[f"k{n}" for n in range(2000)]),
        profile(t=days + np.timedelta64(900, "D"), key=[f"k{n}" for n in range(2000, 4000)]),
    )
    assert [column.is_judged for column in found.columns] == [False, False]
    assert found.columns[0].ks > 0.4
    assert not found.moved


def test_an_ignored_column_is_measured_but_not_judged_and_leaves_the_level_to_the_others():
    before, after = profile(month=[1] * 500, x=[1, 2] * 250), profile(month=[2] * 500, x=[1, 2] * 250)
    assert [column.name for column in compare_profiles(before, after).moved] == ["month"]
    month, x = compare_profiles(before, after, ignore=["month"]).columns
    assert (month.jensen_shannon, month.exemption, month.has_moved) == (1.0, "ignored", False)
    assert (x.exemption, x.is_judged, x.p_adjusted) == ("", True, x.p_value)
    with pytest.raises(NotFoundError, match="mnth"):
        compare_profiles(before, after, ignore=["mnth"])


def test_changed_schemas_are_told():
    found = compare_profiles(profile(a=[1], b=[1], c=["x"]), profile(a=[1.5], c=[1], d=[1]))
    assert (found.added, found.removed) == (("d",), ("b",))
    assert found.retyped == (("a", "int64", "double"), ("c", "string", "int64"))
    assert [column.name for column in found.columns] == ["a"]


def test_nothing_is_compared_with_no_rows():
    some, none = profile(a=[1.0, 2.0], t=["x", None]), profile_table(pa.table({"a": [1.0], "t": ["x"]}).slice(0, 0))
    for found in (compare_profiles(some, none), compare_profiles(none, some), compare_profiles(none, none)):
        assert not found.moved
        json.dumps(found.to_dict(), allow_nan=False)


def test_values_that_one_sketch_had_to_drop_are_no_difference():
    random = np.random.default_rng(4)
    texts = [f"v{number}" for number in random.pareto(1.0, 60_000).astype(int)]
    found = compare_profiles(profile(t=texts[:30_000]), profile(t=texts[30_000:]))
    assert found.columns[0].jensen_shannon < 0.1
    assert not found.moved


def test_new_values_are_counted():
    found = compare_profiles(profile(t=["a"] * 90 + ["b"] * 10), profile(t=["a"] * 75 + ["c"] * 25))
    assert found.columns[0].new_share == 0.25
