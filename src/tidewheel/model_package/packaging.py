"""From a trained model to a package: converted where that is exact, native where it is not."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError
from tidewheel.model_package import hist_gradient_forest, lightgbm_forest
from tidewheel.model_package.boundary_rows import boundary_rows
from tidewheel.model_package.forest import Forest
from tidewheel.model_package.native_model import answers_of, frame_of, write_native
from tidewheel.model_package.onnx_forest import write_onnx
from tidewheel.model_package.onnxruntime_model import OnnxModel
from tidewheel.model_package.package import Examples, Manifest, Package, RuntimeName
from tidewheel.model_package.parity import ParityReport, largest_difference
from tidewheel.model_package.signature import Field, Signature, Task, infer_signature

_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Forest]], ...] = (
    (lightgbm_forest.is_lightgbm, lightgbm_forest.read_forest),
    (hist_gradient_forest.is_hist_gradient, hist_gradient_forest.read_forest),
)


def package_model(
    model: Any,
    sample: pd.DataFrame,
    *,
    tolerance: float = 1e-6,
    example_count: int = 5,
    to_onnx: Callable[[Forest, Signature], bytes] = write_onnx,
    to_native: Callable[[Any], bytes] = write_native,
) -> Package:
    """Packages a fitted model.

    Args:
        model: LightGBM or HistGradientBoosting for ONNX; another scikit-learn estimator is kept in its native form.
        sample: rows of features as the model was trained on, for the signature and the comparison.
        tolerance: the largest absolute difference of any number that counts as equal.
        example_count: rows kept with their answers.
        to_onnx: makes the ONNX file; the comparison does not trust it.
        to_native: makes the skops file of a model without an exact ONNX form.

    Raises:
        ConversionError: the model has neither an exact ONNX form nor a safe native one, or the sample is empty.
    """
    if sample.empty:
        raise ConversionError("the sample has no rows", next_step="hand some training rows to the packaging step")
    try:
        runtime: RuntimeName = "onnx"
        signature, files, parity = _convert(model, sample, tolerance, to_onnx)
        reason = ""
    except ConversionError as error:
        task, classes = _task(model)
        signature, reason, runtime = infer_signature(sample, task, classes), error.what, "sklearn"
        files = {"model.skops": to_native(model)}
        parity = ParityReport(sample_rows=len(sample), boundary_rows=0, maximum_difference=0.0, tolerance=tolerance)
    examples = sample.iloc[:example_count]
    package = Package(
        Manifest(runtime=runtime, reason=reason, signature=signature, libraries=_libraries(runtime)),
        Examples(
            inputs=columns_of(examples, signature),
            outputs={name: one.tolist() for name, one in original_answers(model, examples, signature).items()},
        ),
        parity,
        files,
    )
    package.check_examples()
    return package


def _convert(
    model: Any, sample: pd.DataFrame, tolerance: float, to_onnx: Callable[[Forest, Signature], bytes]
) -> tuple[Signature, dict[str, bytes], ParityReport]:
    read = next((read for is_ours, read in _READERS if is_ours(model)), None)
    if read is None:
        raise ConversionError(f"{type(model).__name__} has no exact form in ONNX here")
    forest = read(model)
    if set(forest.columns) != {str(name) for name in sample.columns}:
        raise ConversionError("the sample does not have the columns that the model was trained on")
    signature = _with_missing(infer_signature(sample, forest.task, forest.classes), forest)
    data = to_onnx(forest, signature)
    session = OnnxModel(data, signature)
    generated = boundary_rows(forest, signature, sample)
    worst = 0.0
    for rows in (sample, generated):
        if len(rows):
            expected = original_answers(model, rows, signature)
            answers = session.predict(columns_of(rows, signature))
            worst = max(worst, largest_difference(_comparable(expected), answers))
    if not worst <= tolerance:
        raise ConversionError(f"the ONNX form differs by {worst:.3g} from the model, more than {tolerance:.3g}")
    report = ParityReport(
        sample_rows=len(sample), boundary_rows=len(generated), maximum_difference=worst, tolerance=tolerance
    )
    return signature, {"model.onnx": data}, report


def _with_missing(signature: Signature, forest: Forest) -> Signature:
    """Trees say where a missing number goes, also when the sample happened to have none."""
    fields = tuple(
        Field(
            name=field.name,
            kind=field.kind,
            allows_null=field.allows_null or field.kind == "float" or field.name in forest.categories,
            domain=forest.categories.get(field.name, ()),
        )
        for field in signature.inputs
    )
    return Signature(inputs=fields, outputs=signature.outputs, task=signature.task, classes=forest.classes)


def _comparable(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Probabilities and predictions; a label follows from them, and at exactly one half from the last bit."""
    return {name: values for name, values in answers.items() if name != "label"}


def original_answers(model: Any, rows: pd.DataFrame, signature: Signature) -> dict[str, np.ndarray]:
    """The model's own answers, in the form that packages give."""
    frame = frame_of(signature, columns_of(rows, signature))
    if type(model).__name__ == "Booster":
        raw = np.asarray(model.predict(frame), dtype=np.float64)
        if signature.task == "regression":
            return {"prediction": raw}
        classes = np.array(signature.classes)
        index = (raw > 0.5).astype(int) if signature.task == "binary" else raw.argmax(axis=1)
        return {"label": classes[index], "probability": raw}
    return answers_of(model, frame, signature)


def columns_of(rows: pd.DataFrame, signature: Signature) -> dict[str, list[Any]]:
    """A frame as columns of plain values, null for missing."""
    columns: dict[str, list[Any]] = {}
    for field in signature.inputs:
        values = rows[field.name].astype("object")
        columns[field.name] = [None if missing else value for value, missing in zip(values, values.isna(), strict=True)]
    return columns


def _task(model: Any) -> tuple[Task, tuple[int | str, ...]]:
    classes = getattr(model, "classes_", None)
    if classes is None:
        return "regression", ()
    plain = tuple(one if isinstance(one, str) else int(one) for one in classes)
    return ("binary" if len(plain) == 2 else "multiclass"), plain


def _libraries(runtime: RuntimeName) -> dict[str, str]:
    names = ("onnx", "onnxruntime") if runtime == "onnx" else ("scikit-learn", "lightgbm", "skops")
    return {name: importlib.metadata.version(name) for name in names}
