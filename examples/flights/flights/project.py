"""The pipeline and the model that it keeps fresh; contracts and feature views lie beside it."""

from __future__ import annotations

from datetime import date
from typing import Any

from flights.baseline import BASELINE
from flights.steps.data_extraction import data_extraction
from flights.steps.data_preparation import data_preparation
from flights.steps.model_evaluation import model_evaluation
from flights.steps.model_training import model_training
from flights.steps.model_tuning import model_tuning
from flights.views import VIEWS
from tidewheel import PerformanceDrop, PerformanceMonitor
from tidewheel.pipeline import ColumnLimit, Model, champion, features, pipeline, reference, table
from tidewheel.steps.data_analysis import data_analysis
from tidewheel.steps.data_validation import data_validation
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.steps.model_validation import model_validation

LIMITS = tuple(ColumnLimit(name, quantile=0.001) for name in ("dep_delay", "arr_delay", "air_time"))
"""Beyond what one flight in a thousand did before; such flights are counted, and learned from like the others."""


@pipeline
def training(
    *,
    until: date | None = None,
    test_days: int = 14,
    validation_days: int = 3,
    window_days: int = 0,
    rounds: int = 150,
    learning_rate: float = 0.05,
    leaves: int = 15,
    seed: int = 1,
    trials: int = 0,
) -> dict[str, Any]:
    """Trains on what was known before `until` began, by default the day after the last flight; the newest days judge.

    Parameters are those of `data_preparation` and `model_training`. With `trials` (`run --tune N`) the model is
    searched for, in place of the one that `rounds`, `learning_rate` and `leaves` describe.
    """
    checked = data_validation(table("flights"), reference("flights", model="flight-delay"), limits=LIMITS)
    known = data_extraction(checked.rows, until=until)
    joined = features.join(known.spine, VIEWS, event_time="predict_at")
    analysis = data_analysis(joined, title="What the model learns from", target="label", time="scheduled_at")
    splits = data_preparation(
        joined,
        known.until,
        test_days=test_days,
        validation_days=validation_days,
        window_days=window_days,
    )
    if trials:
        model = model_tuning(splits.train, splits.validation, trials=trials, seed=seed).model
    else:
        model = model_training(
            splits.train, splits.validation, rounds=rounds, learning_rate=learning_rate, leaves=leaves, seed=seed
        ).model
    evaluation = model_evaluation(model, splits.test)
    package = model_packaging(model, splits.sample)
    verdict = model_validation(package, splits.test, champion("flight-delay"), baseline=BASELINE, block="day")
    return {
        "package": package,
        "verdict": verdict,
        "metrics": evaluation.metrics,
        "evaluation": evaluation.report,
        "calibration": evaluation.calibration,
        "analysis": analysis.report,
        "data": checked.report,
    }


flight_delay = Model(
    "flight-delay",
    pipeline=training,
    monitors=(PerformanceMonitor(),),
    triggers=(PerformanceDrop(),),
    features=VIEWS,
    endpoint="flight-delay",
)
