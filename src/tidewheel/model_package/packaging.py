"""From a trained model to a package: converted where that is exact, native where it is not."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidewheel.core.errors import ConversionError, ParameterError, SchemaMismatchError, UnreadableFileError
from tidewheel.model_package.bill_of_materials import write_bill
from tidewheel.model_package.comparison import Comparison
from tidewheel.model_package.conversion import Converter
from tidewheel.model_package.forest_conversion import ForestConverter
from tidewheel.model_package.known_categories import with_known_categories
from tidewheel.model_package.measurement import installed_version
from tidewheel.model_package.native_model import frame_of, open_native, write_native
from tidewheel.model_package.onnxruntime_model import OnnxModel
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.package import Examples, Manifest, Package, PackageModel, RuntimeName
from tidewheel.model_package.parity import ParityReport
from tidewheel.model_package.pipeline_conversion import PipelineConverter
from tidewheel.model_package.signature import Signature, columns_of, infer_signature
from tidewheel.model_package.skl2onnx_conversion import Skl2onnxConverter
from tidewheel.model_package.xgboost_forest import is_xgboost
from tidewheel.model_package.xgboost_native import FILE as XGBOOST_FILE
from tidewheel.model_package.xgboost_native import open_xgboost, write_xgboost

CONVERTERS: tuple[Converter, ...] = (ForestConverter(), PipelineConverter(), Skl2onnxConverter())


@dataclass(frozen=True)
class _Form:
    """A form that was compared with the model, and what is to be told of it."""

    runtime: RuntimeName
    signature: Signature
    files: dict[str, bytes]
    parity: ParityReport
    converter: str = ""
    reason: str = ""


def package_model(
    model: Any,
    sample: pd.DataFrame,
    *,
    held_out: pd.DataFrame | None = None,
    tolerance: float = 1e-6,
    example_count: int = 5,
    converters: Sequence[Converter] = CONVERTERS,
    to_native: Callable[[Any], bytes] = write_native,
) -> Package:
    """Packages a fitted model.

    Args:
        model: an estimator or pipeline of scikit-learn, LightGBM or XGBoost.
        sample: rows of features as the model was trained on, for the signature and the comparison.
        held_out: rows that it was not trained on, which are compared too; they may have more columns.
        tolerance: the largest difference of any number that counts as equal; see `largest_difference`.
        example_count: rows kept with their answers.
        converters: asked in turn for an ONNX form; the first that answers as the model does is taken.
        to_native: makes the skops file of a model without an exact ONNX form; XGBoost's has its own.

    Raises:
        ConversionError: the model has neither an exact ONNX form nor a safe native one, is not fitted, or the sample is
            empty or lacks columns.
        ParameterError: no example, or a negative tolerance.
        SchemaMismatchError: a column of the sample is no feature, or holds infinity.
    """
    if example_count < 1 or not tolerance >= 0:
        raise ParameterError(f"example_count {example_count} must be at least 1 and tolerance {tolerance} not negative")
    original = OriginalModel(model, sample)
    # What is no feature at all is told before any converter is asked.
    infer_signature(original.rows, *original.task()).bind(columns_of(original.rows))
    comparison = Comparison(original, held_out, tolerance)
    form = _converted(original, comparison, converters) or _kept(original, comparison, to_native)
    examples = original.rows.iloc[:example_count]
    answers = original.answers(form.signature, frame_of(form.signature, columns_of(examples)))
    package = Package(
        Manifest(
            runtime=form.runtime,
            reason=form.reason,
            converter=form.converter,
            signature=form.signature,
            libraries=_libraries(form.runtime),
        ),
        Examples(inputs=columns_of(examples), outputs={name: one.tolist() for name, one in answers.items()}),
        form.parity,
        form.files,
        write_bill(form.files, original.model, form.runtime),
    )
    package.check_examples()
    return package


def _converted(original: OriginalModel, comparison: Comparison, converters: Sequence[Converter]) -> _Form | None:
    """The first ONNX form that answers as the model does; why there is none is remembered by `original`."""
    for converter in converters:
        try:
            conversion = converter.convert(original)
            if conversion is None:
                continue
            form = OnnxModel(conversion.data, conversion.signature)
            parity = comparison.of_conversion(form, conversion)
            _check(parity, "ONNX")
        except (ConversionError, UnreadableFileError, SchemaMismatchError) as error:
            original.reasons.append(f"{converter.name}: {error.what}")
            continue
        files = {"model.onnx": conversion.data}
        return _Form("onnx", conversion.signature, files, parity, converter.name)
    return None


def _kept(original: OriginalModel, comparison: Comparison, to_native: Callable[[Any], bytes]) -> _Form:
    """The native form, held against the model's answers to the sample as it was given."""
    reason = "; ".join(original.reasons) or f"{type(original.model).__name__} has no exact form in ONNX here"
    signature = infer_signature(original.rows, *original.task())
    signature = with_known_categories(signature, original.model, original.rows)
    runtime: RuntimeName = "xgboost" if is_xgboost(original.model) else "sklearn"
    try:
        if runtime == "xgboost":
            files = {XGBOOST_FILE: write_xgboost(original.model, signature)}
            form: PackageModel = open_xgboost(files, signature)
        else:
            files = {"model.skops": to_native(original.model)}
            form = open_native(files, signature)
        parity = comparison.of_native(form, signature)
    except (SchemaMismatchError, UnreadableFileError) as error:
        raise ConversionError(f"the native form cannot answer the sample: {error.what}") from error
    _check(parity, "native", next_step="train on columns of numbers, text, or categories of text")
    return _Form(runtime, signature, files, parity, reason=reason)


def _check(parity: ParityReport, name: str, next_step: str = "") -> None:
    if not parity.maximum_difference <= parity.tolerance:
        raise ConversionError(
            f"the {name} form differs by {parity.maximum_difference:.3g} from the model, more than "
            f"{parity.tolerance:.3g}",
            next_step=next_step,
        )


def _libraries(runtime: RuntimeName) -> dict[str, str]:
    if runtime == "xgboost":
        return {"xgboost": str(installed_version("xgboost"))}
    names = ("onnx", "onnxruntime") if runtime == "onnx" else ("scikit-learn", "lightgbm", "skops")
    return {name: importlib.metadata.version(name) for name in names}
