"""Intervals hold what they promise, also with few blocks; findings among many groups err no oftener than said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.block_measure import mean_measure
from tidewheel.statistics.blocks import Blocks, blocks_of, draw_blocks
from tidewheel.statistics.gain import gain_measure, interval_of, measured_interval
from tidewheel.statistics.metric_table import metric_of
from tidewheel.statistics.scored import Scored
from tidewheel.statistics.sign_flips import contributions_of, worse_than_chance
from tidewheel.statistics.slices import find_slices


@pytest.mark.parametrize("days", [6, 14])
def test_an_interval_from_few_days_covers_as_often_as_promised(days):
    draws, source, missed = draw_blocks(days, 400, seed=0), np.random.default_rng(1), 0
    for _ in range(600):
        means = source.normal(size=days)  # what days have in common
        found = measured_interval(mean_measure(means, Blocks(np.arange(days), days)), draws, tail=0.05)
        missed += not found.low <= 0 <= found.high
    assert missed <= 60 + 3 * 7.3  # 10 % of 600, and three standard deviations


def test_the_plain_percentile_interval_would_miss_more_often():
    """What the correction is for: the same six days, without it."""
    draws, source, missed = draw_blocks(6, 400, seed=0), np.random.default_rng(1), 0
    for _ in range(600):
        means = source.normal(size=6)
        low, high = np.quantile(draws @ means / 6, [0.05, 0.95])
        missed += not low <= 0 <= high
    assert missed > 90


def test_one_block_or_no_value_gives_no_interval():
    assert math.isnan(interval_of(1.0, np.array([]), 1, tail=0.05).low)
    assert math.isnan(interval_of(1.0, np.full(10, math.nan), 5, tail=0.05).low)
    assert math.isnan(interval_of(math.nan, np.ones(10), 5, tail=0.05).low)
    with pytest.raises(ParameterError, match="tail"):
        interval_of(1.0, np.ones(10), 5, tail=0.5)


def test_an_interval_ends_where_its_metric_does():
    truth, blocks = np.array([0.0, 1.0] * 20), blocks_of(np.arange(40) // 10, 40)
    accuracy = metric_of("binary", "accuracy")
    scored = Scored("binary", truth, np.where(np.arange(40) == 7, 1 - truth, truth))
    found = accuracy.interval(accuracy.measure(scored, blocks), draw_blocks(4, 200, seed=0))
    assert found.high == 1.0
    assert measured_interval(accuracy.measure(scored, blocks), draw_blocks(4, 200, seed=0)).high > 1.0


def test_a_smaller_loss_is_a_gain():
    truth, blocks = np.arange(20.0), blocks_of(None, 20)
    near, far = Scored("regression", truth, truth + 1), Scored("regression", truth, truth + 3)
    rmse = metric_of("regression")
    gain = gain_measure(rmse.measure(near, blocks), rmse.measure(far, blocks), is_loss=True)
    assert measured_interval(gain, draw_blocks(20, 50, 0)).estimate == pytest.approx(2.0)


def test_the_gain_in_roc_auc_is_that_of_both_apart():
    source = np.random.default_rng(0)
    truth, blocks = source.integers(0, 2, 300).astype(float), blocks_of(np.arange(300) % 12, 300)
    ours, theirs = (
        metric_of("binary").measure(Scored("binary", truth, source.random(300) + truth * lift), blocks)
        for lift in (0.3, 0.1)
    )
    draws = draw_blocks(12, 20, seed=0)
    np.testing.assert_allclose(gain_measure(ours, theirs, is_loss=False)(draws), ours(draws) - theirs(draws))


def test_more_blocks_than_needed_are_put_together_and_say_the_same():
    values = np.random.default_rng(0).normal(size=5000)
    spread = {}
    for most in (200, 5000):
        blocks = blocks_of(None, 5000, most=most)
        found = measured_interval(mean_measure(values, blocks), draw_blocks(blocks.count, 400, seed=0))
        spread[most] = found.high - found.low
    assert spread[200] == pytest.approx(spread[5000], rel=0.15)


def test_contributions_of_a_mean_are_its_block_sums():
    values, blocks = np.arange(12.0), blocks_of(np.arange(12) // 5, 12)
    shares = np.bincount(blocks.member) / 12
    found = contributions_of(mean_measure(values, blocks), shares)
    np.testing.assert_allclose(found, blocks.sums(values) / 12)


def test_among_many_groups_without_fault_one_is_found_in_one_of_twenty_cases():
    source, found = np.random.default_rng(7), 0
    for seed in range(600):
        shared = source.standard_t(4, size=(15, 1))  # groups that share, and tails that are heavy
        found += (worse_than_chance(source.standard_t(4, size=(15, 40)) + shared, flips=200, seed=seed) <= 0.05).any()
    assert found <= 30 + 3 * 5.3


def test_a_group_of_two_blocks_cannot_be_found():
    contributions = np.zeros((20, 2))
    contributions[:2, 0] = -100.0
    contributions[:, 1] = np.random.default_rng(0).normal(size=20)
    assert worse_than_chance(contributions)[0] > 0.05


def table(source: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "port": source.choice(["EWR", "JFK", "LGA"], rows),
            "carrier": source.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), rows),
            "hour": source.integers(0, 24, rows),
            "miles": source.exponential(900, rows),
            "day": source.integers(0, 40, rows),
            "wind": np.where(source.random(rows) < 0.1, np.nan, source.normal(size=rows)),
        }
    )


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (lambda rows: rows["carrier"] == "F", "carrier = F"),
        (lambda rows: (rows["carrier"] == "F") & (rows["port"] == "JFK"), "port = JFK and carrier = F"),  # 1.3 %
        (lambda rows: rows["miles"] >= rows["miles"].quantile(0.95), "miles >= "),
        (lambda rows: (rows["port"] == "JFK") & (rows["hour"] >= rows["hour"].quantile(0.95)), "port = JFK and hour"),
        (lambda rows: rows["wind"].isna() & (rows["port"] == "LGA"), "port = LGA and wind is missing"),
    ],
)
def test_a_slice_in_which_a_better_model_is_worse_is_found_in_words(planted, words):
    found = 0
    for seed in range(10):
        source = np.random.default_rng(seed)
        rows = table(source, 20_000)
        gain = source.normal(0.02, 0.3, 20_000) - 0.25 * planted(rows)
        worst = find_slices(rows.drop(columns="day"), gain, blocks_of(rows["day"], 20_000), flips=300).found
        found += any(words in one.words for one in worst)
    assert found >= 9


def test_no_slice_is_found_where_nothing_is_wrong():
    found = 0
    for seed in range(40):
        source = np.random.default_rng(100 + seed)
        rows = table(source, 4_000)
        search = find_slices(rows, source.normal(0, 0.3, 4_000), blocks_of(rows["day"], 4_000), flips=200)
        found += bool(search.found)
        assert search.looked_at > 50
    assert found <= 6  # 2 are promised; more than 6 of 40 would happen once in 300 times


def test_what_is_worse_by_less_than_the_limit_is_accepted():
    source = np.random.default_rng(0)
    rows = table(source, 8_000)[["port", "day"]]
    gain = source.normal(0, 0.3, 8_000) - 0.1 * (rows["port"] == "JFK")
    blocks = blocks_of(rows.pop("day"), 8_000)
    assert find_slices(rows, gain, blocks).found[0].words == "port = JFK"
    assert not find_slices(rows, gain, blocks, limit=0.15).found


def test_slices_are_told_once_and_worst_first():
    source = np.random.default_rng(0)
    rows = table(source, 8_000)
    rows["harbour"] = rows["port"]  # the same rows by another name
    gain = source.normal(0, 0.3, 8_000) - 0.3 * (rows["port"] == "JFK") - 0.2 * (rows["hour"] < 1)
    found = find_slices(rows, gain, blocks_of(None, 8_000)).found
    assert [one.words for one in found if "JFK" in one.words] in (["port = JFK"], ["harbour = JFK"])
    assert found[0].gain < -0.25
    assert found[0].share == pytest.approx(1 / 3, abs=0.02)


def test_odd_columns_are_no_trouble():
    rows = pd.DataFrame(
        {
            "nothing": pd.Series([None] * 600, dtype=object),
            "flag": [True, False] * 300,
            "time": pd.date_range("2013-01-01", periods=600, freq="h", tz="UTC"),
            "kind": pd.Categorical(["a", None, "b"] * 200),
            "one": 1.0,
            "infinite": [np.inf, 1.0, 2.0] * 200,
        }
    )
    gain = np.where(rows["flag"], -1.0, 1.0) + np.random.default_rng(0).normal(size=600)
    assert find_slices(rows, gain, blocks_of(None, 600)).found[0].words == "flag = True"
    assert find_slices(rows.iloc[:0], gain[:0], blocks_of(None, 0)).found == ()
    assert find_slices(rows[[]], gain, blocks_of(None, 600)).looked_at == 0


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_a_slice_of_times_tells_its_days_whatever_their_resolution(unit, zone):
    times = pd.Series(pd.date_range("2013-01-01", periods=2000, freq="h", tz=zone)).dt.as_unit(unit)
    gain = np.where(times >= times[1500], -1.0, 1.0) + np.random.default_rng(0).normal(0, 0.1, 2000)
    found = find_slices(pd.DataFrame({"time": times}), gain, blocks_of(None, 2000)).found
    hours = ("11:15", "03:03") if zone is None else ("16:15", "08:03")  # in UTC
    between = f"2013-03-04 {hours[0]}:00 <= time < 2013-03-21 {hours[1]}:00"
    assert {one.words for one in found} == {between, f"time >= 2013-03-21 {hours[1]}:00"}
