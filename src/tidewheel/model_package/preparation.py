"""scikit-learn's pipelines, column transformers and selectors as parts of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tidewheel.core.errors import ConversionError
from tidewheel.model_package import category_preparation as category
from tidewheel.model_package import missing_preparation as missing
from tidewheel.model_package import number_preparation as number
from tidewheel.model_package.feature_block import Block, Column, Origin, Preparation
from tidewheel.model_package.signature import Signature


def raw_frame(signature: Signature) -> Block:
    """The columns as a request brings them."""
    return Block(
        tuple(
            Column(
                name=field.name,
                is_text=field.kind == "string",
                origin=None if field.kind == "string" else Origin(field.name),
                domain=field.domain if field.kind == "string" else (),
            )
            for field in signature.inputs
        )
    )


def prepared(work: Preparation, model: Any, block: Block) -> Block:
    """What a fitted transformer makes of a block.

    Raises:
        ConversionError: it, or a part of it, has no exact form.
    """
    name = type(model).__name__
    if model == "passthrough" or model is None:
        return block
    if not type(model).__module__.startswith("sklearn.") or name not in _FORMS:
        raise ConversionError(f"{name} has no exact form in ONNX here")
    return _FORMS[name](work, model, block)


def _pipeline(work: Preparation, model: Any, block: Block) -> Block:
    for _, step in model.steps:
        block = prepared(work, step, block)
    return block


def _column_transformer(work: Preparation, model: Any, block: Block) -> Block:
    places = model._transformer_to_input_indices  # private; parity decides whether it was read rightly
    parts = [
        prepared(work, step, work.select(block, [int(place) for place in places[name]]))
        for name, step, _ in model.transformers_
        if not (isinstance(step, str) and step == "drop") and len(places[name])
    ]
    return work.beside(parts)


def _feature_union(work: Preparation, model: Any, block: Block) -> Block:
    if model.transformer_weights:
        raise ConversionError("a FeatureUnion with weights has no exact form in ONNX here")
    steps = [step for _, step in model.transformer_list if not (isinstance(step, str) and step == "drop")]
    return work.beside([prepared(work, step, block) for step in steps])


def _selection(work: Preparation, model: Any, block: Block) -> Block:
    return work.select(block, [int(place) for place in np.flatnonzero(model.get_support())])


_FORMS: dict[str, Callable[[Preparation, Any, Block], Block]] = {
    "Binarizer": number.binarizer,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _feature_union,
    "FunctionTransformer": number.function_transformer,
    "GenericUnivariateSelect": _selection,
    "KBinsDiscretizer": number.k_bins_discretizer,
    "MaxAbsScaler": number.max_abs_scaler,
    "MinMaxScaler": number.min_max_scaler,
    "MissingIndicator": missing.missing_indicator,
    "Normalizer": number.normalizer,
    "OneHotEncoder": category.encoder,
    "OrdinalEncoder": category.encoder,
    "PCA": number.projection,
    "Pipeline": _pipeline,
    "PolynomialFeatures": number.polynomial_features,
    "RFE": _selection,
    "RFECV": _selection,
    "RobustScaler": number.robust_scaler,
    "SelectFdr": _selection,
    "SelectFpr": _selection,
    "SelectFromModel": _selection,
    "SelectFwe": _selection,
    "SelectKBest": _selection,
    "SelectPercentile": _selection,
    "SequentialFeatureSelector": _selection,
    "SimpleImputer": missing.simple_imputer,
    "StandardScaler": number.standard_scaler,
    "TargetEncoder": category.encoder,
    "TruncatedSVD": number.projection,
    "VarianceThreshold": _selection,
}
