"""Packaging as a step: model and sample in, package with parity report out."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from tidewheel.artifact_store.sklearn_codec import SklearnCodec
from tidewheel.model_package import Package
from tidewheel.pipeline import ColumnLimit, step
from tidewheel.steps.estimator_fit import as_categories


@step
def model_packaging(
    model: Any,
    sample: pd.DataFrame,
    held_out: pd.DataFrame | None = None,
    observed: pd.DataFrame | None = None,
    *,
    tolerance: float = 1e-6,
    example_count: int = 5,
    limits: tuple[ColumnLimit, ...] = (),
    fallback: tuple[float, ...] = (),
) -> Package:
    """Makes the deliverable of a fitted model; see `package_model`.

    With limits it also says what is done about outliers where the model answers, in an endpoint or a batch.

    Args:
        model: a fitted estimator.
        sample: rows of its features, as it was trained on, or as they were handed to `fit_estimator`.
        held_out: rows that it was not trained on, which the comparison uses too; they may have more columns.
        observed: rows that limits are learned from, such as all that the model was trained on; `sample` otherwise.
        tolerance: largest absolute difference that counts as equal.
        example_count: rows that are kept with their answers.
        limits: beyond which a number that the model is asked about is an outlier, and what is done then; their place is
            `serving`.
        fallback: the answer to rows that fall back: a probability or prediction, of more than two classes one for each.
            Otherwise it is the mean of the package's answers to `sample`.

    Raises:
        DefinitionError: a limit is declared for training, or is none of a column.
        NotFoundError: `observed` lacks a column of a limit.
        SchemaMismatchError: a limit is about no input of numbers, or the fallback is no answer of the model.
    """
    # Every worker of a project that declares this step imports this module; ONNX is for the one that packages.
    from tidewheel.model_package.packaging import package_model

    rows = as_categories(model, sample)
    package = package_model(
        model,
        rows,
        held_out=None if held_out is None else as_categories(model, held_out),
        tolerance=tolerance,
        example_count=example_count,
        to_native=_stored_bytes,
    )
    if not limits and not fallback:
        return package
    from tidewheel.steps.served_limits import falls_back, learn_limits, mean_answer

    if falls_back(limits) and not fallback:
        fallback = mean_answer(package, rows)
    return package.limited(learn_limits(limits, sample if observed is None else observed, package, fallback))


def _stored_bytes(model: Any) -> bytes:
    """The model as the artifact store would keep it: safe, and the same bytes for the same model."""
    buffer = io.BytesIO()
    SklearnCodec().encode(model, buffer)  # boosters too: a package's native form is always skops
    return buffer.getvalue()
