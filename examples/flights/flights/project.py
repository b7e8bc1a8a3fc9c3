"""The pipeline and the model that it keeps fresh; contracts and feature views lie beside it."""

from __future__ import annotations

from datetime import date
from typing import Any

from flights.baseline import BASELINE
from flights.steps.data_extraction import data_extraction
from flights.steps.data_preparation import data_preparation
from flights.steps.model_training import model_training
from flights.steps.model_tuning import model_tuning
from flights.views import VIEWS
from tidewheel import PerformanceDrop, PerformanceMonitor
from tidewheel.pipeline import (
    Baseline,
    Budget,
    ColumnLimit,
    Gate,
    Model,
    champion,
    features,
    pipeline,
    reference,
    table,
)
from tidewheel.steps.data_analysis import data_analysis
from tidewheel.steps.data_validation import data_validation
from tidewheel.steps.model_evaluation import model_evaluation
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.steps.model_validation import model_validation

LIMITS = tuple(ColumnLimit(name, quantile=0.001) for name in ("dep_delay", "arr_delay", "air_time"))
"""Beyond what one flight in a thousand did before; such flights are counted, and learned from like the others."""

SERVED = tuple(ColumnLimit(name, place="serving", quantile=0.0005) for name in ("congestion_delay", "wind_speed"))
"""Beyond what one flight in a thousand met before; such a question is answered, and the answer says so."""

GATE = Gate(
    metric="roc_auc",
    block="day",
    time="scheduled_at",
    key=("flight_id",),
    chance_per_year=1.2,
    runs_per_year=12,
    floors={"roc_auc": 0.6},
    baseline=Baseline.of_column(BASELINE),
    segments=("origin", "carrier"),
    segment_limit=0.05,
    slice_columns=("*",),
    slice_limit=0.02,
    budget=Budget(latency_p99_ms=250.0, size_mb=5.0),
)
"""When a version may answer.

Flights of one day share their weather, so days are what is drawn. Another model that is as good does no harm, so that
one retraining a year may win by chance. Nobody can name every group of flights that a model may serve badly, so all
values of its features and all pairs of them are looked at, too.
"""


@pipeline
def training(
    *,
    until: date | None = None,
    test_days: int = 14,
    validation_days: int = 3,
    window_days: int = 0,
    trials: int = 0,
    rounds: int = 150,
    learning_rate: float = 0.05,
    leaves: int = 15,
    seed: int = 1,
) -> dict[str, Any]:
    """Trains on what was known before `until` began, by default the day after the last flight; the newest days judge.

    Parameters are those of `data_preparation` and `model_training`; with `trials` (`run --tune N`) the model is
    searched for, in place of the one that `rounds`, `learning_rate` and `leaves` describe.
    """
    checked = data_validation(
        table("flights"), reference("flights", model="flight-delay"), time="time_hour", limits=LIMITS
    )
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
        made = model_tuning(splits.train, splits.validation, trials=trials, seed=seed)
    else:
        made = model_training(
            splits.train, splits.validation, rounds=rounds, learning_rate=learning_rate, leaves=leaves, seed=seed
        )
    package = model_packaging(made.model, splits.sample, splits.test, splits.train, limits=SERVED)
    evaluation = model_evaluation(
        package, splits.test, block="day", segments=["origin", "carrier"], importance_rows=1000
    )
    verdict = model_validation(package, splits.test, champion("flight-delay"), splits.train, gate=GATE)
    return {
        "package": package,
        "verdict": verdict,
        "metrics": evaluation.metrics,
        "evaluation": evaluation.report,
        "quality": evaluation.quality,
        "segments": evaluation.segments,
        "importance": evaluation.importance,
        "analysis": analysis.report,
        "data": checked.report,
        **({"trials": made.trials} if trials else {}),
    }


flight_delay = Model(
    "flight-delay",
    pipeline=training,
    monitors=(PerformanceMonitor(),),
    triggers=(PerformanceDrop(),),
    features=VIEWS,
    endpoint="flight-delay",
)
