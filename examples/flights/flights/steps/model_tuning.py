"""Model tuning: the best of two kinds of forests, judged by days that come after those it learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier

from flights.features import as_categories
from flights.scores import score
from flights.steps.model_training import new_model
from tidewheel import Metrics
from tidewheel.pipeline import step
from tidewheel.steps.model_tuning import Trial, Tuning, tune

SHAPE = {"leaves": {"low": 7, "high": 63, "log": True}, "smallest_leaf": {"low": 20, "high": 400, "log": True}}
SPACE = {
    "gbdt": {**SHAPE, "rounds": {"low": 50, "high": 300}, "learning_rate": {"low": 0.02, "high": 0.2, "log": True}},
    "rf": {**SHAPE, "rounds": 100},
}


@step(cpu=2)
def model_tuning(train: pd.DataFrame, validation: pd.DataFrame, *, trials: int, seed: int = 1) -> Tuning:
    """Searches for the model with the best ROC AUC; the days of validation are learned from, too.

    Three folds in time order: each is answered by what was learned from the days before it. The test rows are not here.
    """
    known = pd.concat([train, validation], ignore_index=True)
    return tune(
        learn, known, folds=3, time="day", space=SPACE, score=answer, metric="roc_auc", trials=trials, seed=seed
    )


def learn(trial: Trial, train: pd.DataFrame, validation: pd.DataFrame | None) -> LGBMClassifier:
    """A model as the trial wants it."""
    model = new_model(kind=trial.algorithm, seed=trial.seed, **trial.parameters)
    return model.fit(as_categories(train), train["label"])


def answer(model: LGBMClassifier, rows: pd.DataFrame) -> Metrics:
    """How well it answers."""
    probabilities = np.asarray(model.predict_proba(as_categories(rows)))[:, 1]
    return score(rows["label"].to_numpy(), probabilities)
