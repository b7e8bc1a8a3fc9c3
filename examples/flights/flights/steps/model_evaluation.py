"""Model evaluation: how good the answers are on days that the model has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from matplotlib.figure import Figure

from flights.baseline import BASELINE
from flights.features import as_categories
from flights.scores import reliability, score
from tidewheel import Metrics, StopRun
from tidewheel.pipeline import step


class Evaluation(NamedTuple):
    """Numbers for the registry, details for a person, and a picture."""

    metrics: Metrics
    report: dict[str, Any]
    calibration: Figure


@step
def model_evaluation(model: LGBMClassifier, test: pd.DataFrame) -> Evaluation:
    """Scores the model on the test rows, and beside it the baseline.

    Returns:
        `metrics`: `roc_auc`, `average_precision`, `log_loss`, `brier_score`, `calibration_error` (mean gap between said
        and seen). `report`: rows, days, late share, the baseline's AUC, AUC by origin, the calibration table.

    Raises:
        StopRun: the test rows are all late or all on time, so that nothing can be said.
    """
    labels = test["label"].to_numpy()
    if len(set(labels)) < 2:
        raise StopRun("the test rows are all late or all on time; no model can be judged by them")
    answers = np.asarray(model.predict_proba(as_categories(test)))[:, 1]
    parts = reliability(labels, answers)
    by_origin = {
        str(origin): round(score(labels[rows], answers[rows])["roc_auc"], 4)
        for origin, rows in test.reset_index(drop=True).groupby("origin").indices.items()
        if len(set(labels[rows])) == 2
    }
    report = {
        "rows": len(test),
        "first_day": str(test["day"].min()),
        "last_day": str(test["day"].max()),
        "late_share": float(labels.mean()),
        "baseline_roc_auc": score(labels, test[BASELINE].to_numpy())["roc_auc"],
        "roc_auc_by_origin": by_origin,
        "calibration": parts.to_dict("list"),
    }
    return Evaluation(metrics=score(labels, answers), report=report, calibration=_draw(parts))


def _draw(parts: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    top = float(parts[["said", "seen"]].to_numpy().max()) * 1.05
    axes.plot([0, top], [0, top], color="#bbbbbb", linewidth=1)
    axes.plot(parts["said"], parts["seen"], marker="o", color="#3b6ea5")
    axes.set(xlabel="probability said", ylabel="share seen late")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
