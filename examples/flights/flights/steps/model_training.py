"""Model training: gradient boosted trees on the features as they are, airlines and places as categories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier

from flights.features import as_categories
from flights.scores import score
from tidewheel import Metrics
from tidewheel.pipeline import step


class Training(NamedTuple):
    """The model, and how it does on the rows that it learned from and on those just after."""

    model: LGBMClassifier
    metrics: Metrics


def new_model(
    *, rounds: int, leaves: int, smallest_leaf: int, seed: int, learning_rate: float = 0.1, kind: str = "gbdt"
) -> LGBMClassifier:
    """A model that has learned nothing yet, of boosted trees or, as `rf`, of a random forest."""
    return LGBMClassifier(
        boosting_type=kind,
        n_estimators=rounds,
        learning_rate=learning_rate,
        num_leaves=leaves,
        min_child_samples=smallest_leaf,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.7,
        cat_smooth=50.0,
        cat_l2=20.0,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbosity=-1,
    )


@step(cpu=1)
def model_training(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    *,
    rounds: int = 150,
    learning_rate: float = 0.05,
    leaves: int = 15,
    smallest_leaf: int = 100,
    seed: int = 1,
) -> Training:
    """Learns the probability of `label` from the features.

    The defaults were chosen on the months to September, trained on what came before each: small trees, few of them.
    Larger ones learn the winter by heart and answer worse in spring. One thread and LightGBM's deterministic mode
    make the same rows give the same model.

    Args:
        train: rows to learn from, as prepared.
        validation: the days after those; they are only looked at.
        rounds: trees.
        learning_rate: how much of each tree counts.
        leaves: of a tree.
        smallest_leaf: flights that a leaf must have.
        seed: of the choice of rows and columns for each tree.
    """
    model = new_model(rounds=rounds, learning_rate=learning_rate, leaves=leaves, smallest_leaf=smallest_leaf, seed=seed)
    model.fit(as_categories(train), train["label"])
    metrics = Metrics()
    for name, rows in (("train", train), ("validation", validation)):
        if rows["label"].nunique() == 2:
            probabilities = np.asarray(model.predict_proba(as_categories(rows)))[:, 1]
            scores = score(rows["label"].to_numpy(), probabilities)
            metrics |= {f"{name}_{key}": scores[key] for key in ("roc_auc", "log_loss")}
    return Training(model=model, metrics=metrics)
