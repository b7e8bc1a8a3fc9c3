"""Generated rows reach every boundary, also of forests with more of them than rows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tidewheel.model_package.boundary_rows import MAXIMUM_ROWS, UNKNOWN, boundary_rows, forest_values
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.signature import Field, OutputField, Signature

SAMPLE = pd.DataFrame({"distance": [0.5, 1.5], "carrier": ["UA", "DL"]})


def stumps(thresholds: list[float], categories: tuple[str, ...] = ("DL", "UA")) -> Forest:
    def stump(feature: int, threshold: float | None) -> tuple[int, Split]:
        return 0, Split(feature, threshold, () if threshold is not None else (0,), True, Leaf(0.0), Leaf(1.0))

    return Forest(
        columns=("distance", "carrier"),
        categories={"carrier": categories},
        trees=(*(stump(0, one) for one in thresholds), stump(1, None)),
        base=(0.0,),
        task="regression",
        classes=(),
        link="identity",
    )


def rows_of(forest: Forest) -> dict[str, list[object]]:
    signature = Signature(
        inputs=(
            Field(name="distance", kind="float", allows_null=True),
            Field(name="carrier", kind="string", allows_null=True, domain=forest.categories["carrier"]),
        ),
        outputs=(OutputField(name="prediction", kind="float"),),
        task="regression",
    )
    return boundary_rows(forest_values(forest, signature), SAMPLE)


@pytest.mark.parametrize("count", [1, 2_500])
def test_every_threshold_its_neighbours_and_missing_are_tried(count):
    thresholds = [0.1 + index for index in range(count)]
    tried = set(rows_of(stumps(thresholds))["distance"])
    for threshold in thresholds:
        assert {threshold, math.nextafter(threshold, math.inf), math.nextafter(threshold, -math.inf)} <= tried
        assert float(np.float32(threshold)) in tried
    assert None in tried


def test_every_category_the_unknown_and_missing_are_tried():
    categories = tuple(f"carrier {index}" for index in range(3_000))
    assert {*categories, UNKNOWN, None} <= set(rows_of(stumps([0.1], categories))["carrier"])


def test_with_more_boundaries_than_rows_missing_and_all_ranges_are_still_tried():
    thresholds = [0.1 + index for index in range(20_000)]
    rows = rows_of(stumps(thresholds))
    assert len(rows["distance"]) == MAXIMUM_ROWS
    tried = set(rows["distance"])
    assert None in tried
    shares = [
        len(tried.intersection(thresholds[start : start + 2_000])) / 2_000 for start in range(0, len(thresholds), 2_000)
    ]
    assert min(shares) > 0.2


def test_the_same_forest_gives_the_same_rows():
    assert rows_of(stumps([0.1, 0.2])) == rows_of(stumps([0.1, 0.2]))
