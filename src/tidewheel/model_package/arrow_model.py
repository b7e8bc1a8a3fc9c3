"""Answers to Arrow batches: the way of batch prediction, without a Python value for each cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidewheel.core.errors import SchemaMismatchError, suggest
from tidewheel.core.records.outlier import Outlier
from tidewheel.model_package.outlier_treatment import first_refused, treatment_of
from tidewheel.model_package.package import Package
from tidewheel.model_package.signature import Field, FieldKind, OutputField, Signature

if TYPE_CHECKING:
    from tidewheel.model_package.onnxruntime_model import OnnxModel

OUTLIERS = "outliers"
_TYPES: Mapping[FieldKind, pa.DataType] = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
}


class ArrowModel:
    """A package's model that answers Arrow batches; `predict` may be called from several threads.

    Args:
        package: the model.
        threads: that one call may use.

    Raises:
        UnreadableFileError: the model's file is damaged, or would load what is not allowed.
    """

    def __init__(self, package: Package, *, threads: int = 1) -> None:
        self.signature = package.signature
        self._treatment = treatment_of(package.limits, package.signature)
        self.answers = answer_schema(package.signature)
        if self._treatment is not None:
            self.answers = self.answers.append(pa.field(OUTLIERS, pa.string()))
        self._model: Any = package.open(threads=threads)
        self._is_onnx = package.runtime == "onnx"

    def predict(self, rows: pa.RecordBatch, first_row: int = 0) -> pa.RecordBatch:
        """The answers, in columns as the signature names them.

        Of a package with limits there is one more, `outliers`: what of a row was beyond limits, as JSON, or null.

        Args:
            rows: with the columns of the signature; others are not looked at.
            first_row: the number of the first of them, for errors.

        Raises:
            SchemaMismatchError: a value does not fit, or is an outlier that a limit refuses; column, row and value are
                named.
        """
        columns = {field.name: rows.column(field.name) for field in self.signature.inputs}
        bound = {field.name: _bind(field, columns[field.name], first_row) for field in self.signature.inputs}
        outliers = self._treatment.find(bound) if self._treatment is not None else {}
        if refused := first_refused(outliers, first_row=first_row):
            raise SchemaMismatchError(refused, next_step="correct the rows, or leave them out")
        told = self._answers(columns if not self._is_onnx else bound, outliers, rows.num_rows)
        arrays = [_answer(field, told[field.name]) for field in self.signature.outputs]
        if self._treatment is not None:
            arrays.append(_marks(outliers, rows.num_rows))
        return pa.RecordBatch.from_arrays(arrays, schema=self.answers)

    def _answers(
        self, columns: Mapping[str, Any], outliers: Mapping[int, tuple[Outlier, ...]], row_count: int
    ) -> Mapping[str, np.ndarray]:
        given, predict = columns, self._model.predict
        if self._is_onnx:
            model: OnnxModel = self._model
            predict = model.answer
        else:
            given = {name: column.to_pylist() for name, column in columns.items()}
        if not outliers or self._treatment is None:
            told: Mapping[str, np.ndarray] = predict(given)
            return told
        return self._treatment.answer(outliers, given, row_count, predict).outputs


def check_columns(signature: Signature, schema: pa.Schema, *, where: str = "") -> None:
    """Looks at a table's columns before any row is read.

    Raises:
        SchemaMismatchError: all that are missing or of another kind than the model takes.
    """
    missing = [field.name for field in signature.inputs if field.name not in schema.names]
    problems = [f"column {name!r} is missing" for name in missing]
    for field in signature.inputs:
        if field.name not in missing and not _fits(field.kind, schema.field(field.name).type):
            problems.append(f"column {field.name!r} is {schema.field(field.name).type}, the model takes {field.kind}")
    if problems:
        next_step = suggest(missing[0], schema.names, "column") if missing else "cast it, such as in a table of its own"
        raise SchemaMismatchError("; ".join(problems), where=where, next_step=next_step)


def answer_schema(signature: Signature) -> pa.Schema:
    """The columns of a model's answers; several numbers for each row are a list."""
    return pa.schema([pa.field(one.name, _answer_type(one)) for one in signature.outputs])


def _marks(outliers: Mapping[int, tuple[Outlier, ...]], row_count: int) -> pa.Array:
    marks: list[str | None] = [None] * row_count
    for row, found in outliers.items():
        marks[row] = msgspec.json.encode(found).decode()
    return pa.array(marks, pa.string())


def _answer_type(field: OutputField) -> pa.DataType:
    return _TYPES[field.kind] if field.width == 1 else pa.list_(_TYPES[field.kind])


def _answer(field: OutputField, values: np.ndarray) -> pa.Array:
    if field.width == 1:
        return pa.array(values.reshape(-1), _TYPES[field.kind])
    offsets = np.arange(0, values.size + 1, field.width, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1), _TYPES[field.kind]))


def _fits(kind: FieldKind, type_: pa.DataType) -> bool:
    if pt.is_dictionary(type_):
        type_ = type_.value_type
    if kind == "string":
        return bool(pt.is_string(type_) or pt.is_large_string(type_))
    if kind == "boolean":
        return bool(pt.is_boolean(type_))
    # An integer with nulls was a float where it was learned from; each value is looked at later.
    return bool(pt.is_integer(type_) or pt.is_floating(type_))


def _bind(field: Field, column: pa.Array, first_row: int) -> np.ndarray:
    """A column of shape [n, 1] as `Signature.bind` gives it: doubles with NaN for null, or text."""
    if column.null_count and not field.allows_null:
        raise _misfit(field, column, first_row, int(np.flatnonzero(column.is_null().to_numpy(False))[0]))
    if field.kind == "string":
        return _texts(column).reshape(-1, 1)
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: np.ndarray = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).reshape(-1, 1)
    bad = np.isinf(numbers) if field.allows_null else ~np.isfinite(numbers)
    if field.kind == "integer" and pt.is_floating(column.type):
        bad |= np.isfinite(numbers) & (numbers != np.floor(numbers))
    if bad.any():
        raise _misfit(field, column, first_row, int(np.flatnonzero(bad)[0]))
    return numbers


def _texts(column: pa.Array) -> np.ndarray:
    """Texts as objects, each different one made once; null is the empty text, as in `Signature.bind`."""
    encoded = column if pt.is_dictionary(column.type) else column.dictionary_encode()
    known = np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)
    known[known == None] = ""  # noqa: E711 (a dictionary may hold null itself)
    texts: np.ndarray = known[pc.fill_null(encoded.indices, len(known) - 1).to_numpy(zero_copy_only=False)]
    return texts


def _misfit(field: Field, column: pa.Array, first_row: int, row: int) -> SchemaMismatchError:
    value = column[row].as_py()
    told = "null" if value is None else repr(value)[:60]
    return SchemaMismatchError(
        f"column {field.name!r} takes {field.kind}, but row {first_row + row:,} has {told}",
        next_step="correct the rows, or train the model on rows like these",
    )
