"""Metrics of classifiers in the form for resampling; numbers as scikit-learn defines them, with which tests compare."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tidewheel.statistics import binary_metrics
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_measure import BlockMeasure, MeanMeasure, PairMeasure, SumMeasure, mean_measure
from tidewheel.statistics.blocks import Blocks
from tidewheel.statistics.metric import Metric
from tidewheel.statistics.scored import Scored

_LEAST = float(np.finfo(np.float64).eps)
_BINS = 10
_GROUPS = 1000
_share = partial(Metric, least=0.0, greatest=1.0)


def _roc_auc(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return PairMeasure(scored.truth, scored.said, blocks)


def _roc_auc_of_classes(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """Each class against the rest, the plain mean."""
    parts = range(len(scored.classes))
    return MeanMeasure([PairMeasure((scored.truth == one).astype(float), scored.said[:, one], blocks) for one in parts])


def _log_loss(scored: Scored, blocks: Blocks) -> BlockMeasure:
    if scored.problem == "binary":
        likely = np.where(scored.truth == 1.0, scored.said, 1.0 - scored.said)
    else:
        sums = scored.said.sum(axis=1)
        likely = scored.said[np.arange(len(scored)), scored.truth.astype(int)] / np.where(sums > 0, sums, 1.0)
    return mean_measure(-np.log(np.clip(likely, _LEAST, 1.0)), blocks)


def _brier(scored: Scored, blocks: Blocks) -> BlockMeasure:
    return mean_measure(scored.loss(), blocks)


def _decided(scored: Scored) -> Numbers:
    return (scored.said > 0.5).astype(float) if scored.problem == "binary" else scored.said.argmax(axis=1).astype(float)


def confusion(scored: Scored) -> Numbers:
    """Rows by true class and decided class; a binary problem is decided at one half.

    Example:
        >>> confusion(Scored("binary", np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.9, 0.4]))).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    count, cells = _cells(scored)
    return np.bincount(cells, minlength=count * count).reshape(count, count).astype(float)


def _cells(scored: Scored) -> tuple[int, NDArray[np.intp]]:
    """The number of classes, and each row's place in the table of true and decided ones."""
    count = len(scored.classes) or 2
    return count, (scored.truth * count + _decided(scored)).astype(np.intp)


def _of_confusion(value: str) -> Metric:
    def measure(scored: Scored, blocks: Blocks) -> BlockMeasure:
        count, cells = _cells(scored)
        flat = np.bincount(blocks.member * count * count + cells, minlength=blocks.count * count * count)
        totals = flat.reshape(blocks.count, count * count).astype(float)
        return SumMeasure(totals, lambda sums: _CONFUSED[value](sums.reshape(-1, count, count)))

    return _share(value, is_loss=False, measure=measure)


def _accuracy(tables: Numbers) -> Numbers:
    return np.asarray(np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2)))


def _balanced_accuracy(tables: Numbers) -> Numbers:
    """Over the classes that there are, as scikit-learn does."""
    return np.asarray(np.nanmean(np.diagonal(tables, axis1=1, axis2=2) / tables.sum(axis=2), axis=1))


def _macro_f1(tables: Numbers) -> Numbers:
    right = np.diagonal(tables, axis1=1, axis2=2)
    some = tables.sum(axis=1) + tables.sum(axis=2)
    return np.asarray(np.nanmean(np.where(some > 0, 2 * right / some, np.nan), axis=1))


def _precision(tables: Numbers) -> Numbers:
    return np.asarray(tables[:, 1, 1] / tables[:, :, 1].sum(axis=1))


def _recall(tables: Numbers) -> Numbers:
    return np.asarray(tables[:, 1, 1] / tables[:, 1].sum(axis=1))


def _f1(tables: Numbers) -> Numbers:
    return np.asarray(2 * tables[:, 1, 1] / (tables[:, 1].sum(axis=1) + tables[:, :, 1].sum(axis=1)))


_CONFUSED = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}


def _average_precision(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """Scores in a thousand groups of about equal size, which is exact up to a thousand different ones."""
    levels, rank = np.unique(scored.said, return_inverse=True)
    count = min(len(levels), _GROUPS)
    if len(levels) > count:
        rank = np.searchsorted(np.quantile(rank, np.arange(1, count) / count), rank)
    group = count - 1 - rank.reshape(-1)  # the highest scores first
    cells = blocks.member * count + group
    found = np.bincount(cells, weights=scored.truth, minlength=blocks.count * count).reshape(-1, count)
    total = np.bincount(cells, minlength=blocks.count * count).reshape(-1, count)

    def value(sums: Numbers) -> Numbers:
        hits, rows = np.cumsum(sums[:, :count], axis=1), np.cumsum(sums[:, count:], axis=1)
        precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
        return np.asarray((sums[:, :count] * precision).sum(axis=1) / hits[:, -1])

    return SumMeasure(np.concatenate([found, total], axis=1), value)


def _calibration_error(scored: Scored, blocks: Blocks) -> BlockMeasure:
    """Bins of equal row count, formed once from all rows."""
    edges = np.quantile(scored.said, np.arange(1, _BINS) / _BINS)
    cells = blocks.member * _BINS + np.searchsorted(edges, scored.said, side="left")
    size = blocks.count * _BINS
    parts = [
        np.bincount(cells, weights=one, minlength=size) for one in (scored.said - scored.truth, np.ones(len(scored)))
    ]
    totals = np.concatenate([part.reshape(-1, _BINS) for part in parts], axis=1)
    return SumMeasure(totals, lambda sums: np.abs(sums[:, :_BINS]).sum(axis=1) / sums[:, _BINS:].sum(axis=1))


BINARY = (
    _share("roc_auc", is_loss=False, measure=_roc_auc),
    _share(
        "average_precision",
        is_loss=False,
        measure=_average_precision,
        exact=lambda scored: binary_metrics.average_precision(scored.truth, scored.said),
    ),
    Metric("log_loss", is_loss=True, measure=_log_loss, least=0.0),
    Metric("brier_score", is_loss=True, measure=_brier, least=0.0),
    _share(
        "calibration_error",
        is_loss=True,
        measure=_calibration_error,
        exact=lambda scored: binary_metrics.calibration_error(scored.truth, scored.said),
    ),
    *(_of_confusion(name) for name in ("accuracy", "precision", "recall", "f1")),
)
MULTICLASS = (
    Metric("log_loss", is_loss=True, measure=_log_loss, least=0.0),
    *(_of_confusion(name) for name in ("accuracy", "balanced_accuracy", "macro_f1")),
    _share("roc_auc", is_loss=False, measure=_roc_auc_of_classes),
    Metric("brier_score", is_loss=True, measure=_brier, least=0.0),
)
