"""Packaging as a step: model and sample in, package with parity report out."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from tidewheel.artifact_store.sklearn_codec import SklearnCodec
from tidewheel.model_package import Package
from tidewheel.pipeline import step
from tidewheel.steps.estimator_fit import as_categories


@step
def model_packaging(
    model: Any,
    sample: pd.DataFrame,
    held_out: pd.DataFrame | None = None,
    *,
    tolerance: float = 1e-6,
    example_count: int = 5,
) -> Package:
    """Makes the deliverable of a fitted model; see `package_model`.

    Args:
        model: a fitted estimator.
        sample: rows of its features, as it was trained on, or as they were handed to `fit_estimator`.
        held_out: rows that it was not trained on, which the comparison uses too; they may have more columns.
        tolerance: largest absolute difference that counts as equal.
        example_count: rows that are kept with their answers.
    """
    # Every worker of a project that declares this step imports this module; ONNX is for the one that packages.
    from tidewheel.model_package.packaging import package_model

    return package_model(
        model,
        as_categories(model, sample),
        held_out=None if held_out is None else as_categories(model, held_out),
        tolerance=tolerance,
        example_count=example_count,
        to_native=_stored_bytes,
    )


def _stored_bytes(model: Any) -> bytes:
    """The model as the artifact store would keep it: safe, and the same bytes for the same model."""
    buffer = io.BytesIO()
    SklearnCodec().encode(model, buffer)  # boosters too: a package's native form is always skops
    return buffer.getvalue()
