"""Cells against a reading of the definition in plain Python: one number at a time."""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.statistics import cells as module
from tidewheel.statistics.cells import EMPTY, Cells, cells_of, merge_cells

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LISTS = st.lists(st.one_of(FINITE, st.integers(-5, 5).map(float), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308])))
SMALL = 8


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """So that short lists already need cells of several numbers."""
    monkeypatch.setattr(module, "LIMIT", SMALL)


def plain_key(number: float) -> int:
    (bits,) = struct.unpack("<Q", struct.pack("<d", abs(number)))
    return ~bits if number < 0 else bits


def plain_cells(numbers: list[float]) -> tuple[int, dict[int, int]]:
    keys = [plain_key(number) for number in numbers]
    shift = next(shift for shift in range(65) if len({key >> shift for key in keys}) <= SMALL)
    return shift, dict(sorted(Counter(key >> shift for key in keys).items()))


def as_plain(cells: Cells) -> tuple[int, dict[int, int]]:
    return cells.shift, dict(zip(cells.keys.tolist(), cells.counts.tolist(), strict=True))


def exact_quantile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[int(share * (len(numbers) - 1))]


@given(LISTS)
def test_cells_are_those_of_the_definition(numbers):
    assert as_plain(cells_of(np.array(numbers, dtype=float))) == plain_cells(numbers)


@given(LISTS, LISTS, LISTS)
def test_parts_merged_in_any_order_are_exactly_the_whole(a, b, c):
    first, second, third = (cells_of(np.array(part, dtype=float)) for part in (a, b, c))
    whole = cells_of(np.array(a + b + c, dtype=float))
    assert merge_cells([first, second, third]) == whole
    assert merge_cells([third, merge_cells([second, first])]) == whole


@given(LISTS, LISTS)
def test_a_hint_from_other_data_changes_nothing_in_the_end(a, b):
    first = cells_of(np.array(a, dtype=float))
    hinted = cells_of(np.array(b, dtype=float), hint=first.shift)
    assert merge_cells([first, hinted]) == cells_of(np.array(a + b, dtype=float))


@given(LISTS.filter(bool), st.floats(0, 1))
def test_a_quantile_lies_in_the_cell_of_the_exact_one(numbers, share):
    cells = cells_of(np.array(numbers, dtype=float))
    found = cells.quantiles([share])[0]
    exact = exact_quantile(numbers, share)
    low, high = cells.edges
    inside = cells.keys.tolist().index(plain_key(exact) >> cells.shift)
    assert low[inside] <= exact <= high[inside]
    assert low[inside] <= found <= high[inside]


@given(st.lists(st.integers(-3, 4).map(float), min_size=1))
def test_few_values_are_counted_exactly(numbers):
    cells = cells_of(np.array(numbers))
    assert cells.is_exact
    assert dict(zip(cells.values.tolist(), cells.counts.tolist(), strict=True)) == Counter(numbers)
    assert [float(cells.quantiles([share])[0]) for share in (0, 0.3, 0.5, 1)] == [
        exact_quantile(numbers, share) for share in (0, 0.3, 0.5, 1)
    ]
    edges = np.array([-3.0, -1.0, 0.0, 2.0, 4.0])
    assert cells.histogram(edges).tolist() == np.histogram(numbers, edges)[0].tolist()


@given(LISTS, st.lists(FINITE, min_size=2, max_size=5, unique=True).map(sorted))
def test_a_histogram_is_off_by_no_more_than_the_cells_at_its_edges(numbers, edges):
    cells = cells_of(np.array(numbers, dtype=float))
    low, high = cells.edges
    bins = np.array(edges)
    found, exact = cells.histogram(bins), np.histogram(np.array(numbers, dtype=float), bins)[0]
    for at in range(len(bins) - 1):
        divided = (low <= bins[at]) & (bins[at] <= high) | (low <= bins[at + 1]) & (bins[at + 1] <= high)
        assert abs(found[at] - exact[at]) <= cells.counts[divided].sum() + 1e-9


def test_no_numbers_have_no_quantile():
    assert cells_of(np.zeros(0)) == EMPTY
    assert np.isnan(EMPTY.quantiles([0.5])).all()
    assert EMPTY.histogram(np.array([0.0, 1.0])).tolist() == [0.0]


def resolution(cells) -> float:
    """The width of a cell as a share of the numbers in it, 0 when exact."""
    return 0.0 if cells.is_exact else min(1.0, 2.0 ** (cells.shift - 52))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_size_and_resolution_hold_for_many_numbers(seed):
    module.LIMIT = 8192  # put back by the fixture
    random = np.random.default_rng(seed)
    kinds = {
        "normal": random.normal(size=50_000),
        "tails": random.standard_cauchy(50_000),
        "times": 1.36e15 + random.integers(0, 3 * 10**13, 50_000),
        "amounts": random.lognormal(3, 2, 50_000),
    }
    for name, numbers in kinds.items():
        cells = cells_of(numbers.astype(float))
        assert 2048 < len(cells.keys) <= 8192, name
        assert cells.total == 50_000
        assert resolution(cells) <= 2**-6, name
        shares = np.linspace(0, 1, 101)
        exact = np.quantile(numbers, shares, method="lower")
        assert np.abs(cells.quantiles(shares) - exact).max() <= (resolution(cells) * np.abs(exact)).max() + 1e-12
    module.LIMIT = SMALL


def test_one_outlier_blinds_nothing():
    module.LIMIT = 8192
    numbers = np.append(np.random.default_rng(1).normal(100, 1, 20_000), 1e300)
    cells = cells_of(numbers)
    assert resolution(cells) * 100 < 0.01
    assert abs(cells.quantiles([0.5])[0] - np.median(numbers)) < 0.01
