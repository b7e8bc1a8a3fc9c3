"""From a trained model to a package: converted where that is exact, native where it is not."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidewheel.core.errors import ConversionError, ParameterError, SchemaMismatchError, UnreadableFileError
from tidewheel.model_package import hist_gradient_forest, lightgbm_forest
from tidewheel.model_package.boundary_rows import boundary_rows
from tidewheel.model_package.forest import Forest
from tidewheel.model_package.native_model import frame_of, open_native, write_native
from tidewheel.model_package.onnx_forest import write_onnx
from tidewheel.model_package.onnxruntime_model import OnnxModel
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.package import Examples, Manifest, Package, RuntimeName
from tidewheel.model_package.parity import ParityReport, largest_difference
from tidewheel.model_package.signature import Field, Signature, columns_of, infer_signature

_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, pd.DataFrame], Forest]], ...] = (
    (lightgbm_forest.is_lightgbm, lightgbm_forest.read_forest),
    (hist_gradient_forest.is_hist_gradient, hist_gradient_forest.read_forest),
)

_Form = tuple[Signature, dict[str, bytes], ParityReport]


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
        ConversionError: the model has neither an exact ONNX form nor a safe native one, is not fitted, or the sample is
            empty or lacks columns.
        ParameterError: no example, or a negative tolerance.
        SchemaMismatchError: a column of the sample is no feature, or holds infinity.
    """
    if example_count < 1 or not tolerance >= 0:
        raise ParameterError(f"example_count {example_count} must be at least 1 and tolerance {tolerance} not negative")
    original = OriginalModel(model, sample)
    try:
        runtime: RuntimeName = "onnx"
        signature, files, parity = _convert(original, tolerance, to_onnx)
        reason = ""
    except (ConversionError, UnreadableFileError) as error:
        runtime, reason = "sklearn", error.what
        signature, files, parity = _keep(original, tolerance, to_native)
    examples = original.rows.iloc[:example_count]
    answers = original.answers(signature, frame_of(signature, columns_of(examples)))
    package = Package(
        Manifest(runtime=runtime, reason=reason, signature=signature, libraries=_libraries(runtime)),
        Examples(inputs=columns_of(examples), outputs={name: one.tolist() for name, one in answers.items()}),
        parity,
        files,
    )
    package.check_examples()
    return package


def _convert(original: OriginalModel, tolerance: float, to_onnx: Callable[[Forest, Signature], bytes]) -> _Form:
    read = next((read for is_ours, read in _READERS if is_ours(original.model)), None)
    if read is None:
        raise ConversionError(f"{type(original.model).__name__} has no exact form in ONNX here")
    try:
        forest = read(original.model, original.rows)
        signature = _with_missing(infer_signature(original.rows, forest.task, forest.classes), forest)
        data = to_onnx(forest, signature)
    except RecursionError:
        raise ConversionError("the trees are too deep") from None
    session = OnnxModel(data, signature)
    real, generated = columns_of(original.rows), boundary_rows(forest, signature, original.rows)
    boundary_count = len(next(iter(generated.values())))
    worst = _difference(original.answers(signature), session.predict(real), tolerance)
    if boundary_count:
        expected = original.answers(signature, frame_of(signature, generated))
        worst = max(worst, _difference(expected, session.predict(generated), tolerance))
    if not worst <= tolerance:
        raise ConversionError(f"the ONNX form differs by {worst:.3g} from the model, more than {tolerance:.3g}")
    return signature, {"model.onnx": data}, _report(original, boundary_count, worst, tolerance)


def _keep(original: OriginalModel, tolerance: float, to_native: Callable[[Any], bytes]) -> _Form:
    """The native form, held against the model's answers to the sample as it was given."""
    signature = infer_signature(original.rows, *original.task())
    expected = original.answers(signature)
    files = {"model.skops": to_native(original.model)}
    try:
        answers = open_native(files, signature).predict(columns_of(original.rows))
        worst = _difference(expected, answers, tolerance)
    except (SchemaMismatchError, UnreadableFileError) as error:
        raise ConversionError(f"the native form cannot answer the sample: {error.what}") from error
    if not worst <= tolerance:
        raise ConversionError(
            f"the native form differs by {worst:.3g} from the model, more than {tolerance:.3g}",
            next_step="train on columns of numbers, text, or categories of text",
        )
    return signature, files, _report(original, 0, worst, tolerance)


def _report(original: OriginalModel, boundary_count: int, worst: float, tolerance: float) -> ParityReport:
    return ParityReport(
        sample_rows=len(original.rows), boundary_rows=boundary_count, maximum_difference=worst, tolerance=tolerance
    )


def _with_missing(signature: Signature, forest: Forest) -> Signature:
    """Trees say where a missing number goes, also when the sample happened to have none."""
    fields = tuple(
        Field(
            name=field.name,
            kind="string" if field.name in forest.categories else field.kind,
            allows_null=field.allows_null or field.kind == "float" or field.name in forest.categories,
            domain=forest.categories.get(field.name, ()),
        )
        for field in signature.inputs
    )
    return Signature(inputs=fields, outputs=signature.outputs, task=signature.task, classes=forest.classes)


def _difference(expected: dict[str, np.ndarray], answers: dict[str, np.ndarray], tolerance: float) -> float:
    """Of probabilities and predictions, and of labels where no two classes tie: there the last bit would decide."""
    worst = largest_difference({name: one for name, one in expected.items() if name != "label"}, answers)
    if "label" not in expected or not worst <= tolerance:
        return worst
    said = expected["probability"]
    if said.shape[1:] == (1,):  # one class: nothing to decide
        return worst
    ranked = np.sort(said if said.ndim == 2 else np.column_stack([said, 1 - said]), axis=1)
    is_clear = ranked[:, -1] - ranked[:, -2] > 2 * tolerance
    return max(worst, largest_difference({"label": expected["label"][is_clear]}, {"label": answers["label"][is_clear]}))


def _libraries(runtime: RuntimeName) -> dict[str, str]:
    names = ("onnx", "onnxruntime") if runtime == "onnx" else ("scikit-learn", "lightgbm", "skops")
    return {name: importlib.metadata.version(name) for name in names}
