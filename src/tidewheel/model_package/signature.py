"""What a package takes and gives: the schema of its endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tidewheel.core.errors import SchemaMismatchError, suggest
from tidewheel.core.records.record import Record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FieldKind = Literal["float", "integer", "string", "boolean"]
Task = Literal["binary", "multiclass", "regression"]


class Field(Record, frozen=True, kw_only=True):
    """One feature.

    Attributes:
        kind: integers and booleans are computed with as doubles, which hold them exactly to 2**53.
        allows_null: whether the model was shown missing values.
        domain: categories that the model knows, for information; others count as missing.
    """

    name: str
    kind: FieldKind
    allows_null: bool = False
    domain: tuple[str, ...] = ()


class OutputField(Record, frozen=True, kw_only=True):
    """One answer: `label` and `probability` of a classifier, `prediction` of a regressor.

    Attributes:
        width: numbers per row.
    """

    name: str
    kind: FieldKind
    width: int = 1


class Signature(Record, frozen=True, kw_only=True):
    """The features in their order, the answers, and what the model decides.

    Attributes:
        classes: of a classifier, in the order of its probabilities.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[OutputField, ...]
    task: Task
    classes: tuple[int | str, ...] = ()

    def bind(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Checks rows and gives each feature as a column of shape [n, 1]: doubles with NaN for null, or text.

        Args:
            columns: equally long sequences by name, none missing and none too many.

        Raises:
            SchemaMismatchError: naming the field that does not fit.
        """
        names = [field.name for field in self.inputs]
        for name in columns:
            if name not in names:
                raise SchemaMismatchError(f"unexpected field {name!r}", next_step=suggest(name, names, "field"))
        missing = [name for name in names if name not in columns]
        if missing:
            raise SchemaMismatchError(f"missing field {', '.join(map(repr, missing))}")
        count = len(columns[names[0]])
        if count == 0:
            raise SchemaMismatchError("there are no rows", where=f"field {names[0]!r}")
        for name in names:
            if len(columns[name]) != count:
                raise SchemaMismatchError(f"field {name!r} has {len(columns[name])} rows, {names[0]!r} has {count}")
        return {field.name: _bind(field, columns[field.name]) for field in self.inputs}


def infer_signature(sample: pd.DataFrame, task: Task, classes: Sequence[int | str]) -> Signature:
    """The signature of a model that takes the sample's columns.

    Raises:
        SchemaMismatchError: a column is neither number, boolean, text nor category of text.
    """
    inputs = tuple(_infer(str(name), sample[name]) for name in sample.columns)
    if task == "regression":
        outputs: tuple[OutputField, ...] = (OutputField(name="prediction", kind="float"),)
    else:
        kind: FieldKind = "string" if classes and isinstance(classes[0], str) else "integer"
        width = 1 if task == "binary" else len(classes)
        outputs = (OutputField(name="label", kind=kind), OutputField(name="probability", kind="float", width=width))
    return Signature(inputs=inputs, outputs=outputs, task=task, classes=tuple(classes))


def _infer(name: str, values: pd.Series) -> Field:
    import pandas as pd

    allows_null = bool(values.isna().any())
    if isinstance(values.dtype, pd.CategoricalDtype):
        domain = tuple(str(one) for one in values.cat.categories)
        # A category may be unknown tomorrow, which counts as missing, so missing must be allowed.
        return Field(name=name, kind="string", allows_null=True, domain=domain)
    if pd.api.types.is_bool_dtype(values.dtype):
        return Field(name=name, kind="boolean", allows_null=allows_null)
    if pd.api.types.is_integer_dtype(values.dtype):
        return Field(name=name, kind="integer", allows_null=allows_null)
    if pd.api.types.is_float_dtype(values.dtype):
        return Field(name=name, kind="float", allows_null=allows_null)
    if pd.api.types.is_string_dtype(values.dtype):
        return Field(name=name, kind="string", allows_null=allows_null)
    raise SchemaMismatchError(
        f"column {name!r} has type {values.dtype}", next_step="give numbers, booleans, text or categories of text"
    )


def _bind(field: Field, values: Sequence[Any]) -> np.ndarray:
    import numpy as np

    if field.kind == "string":
        texts = [_text(field, row, value) for row, value in enumerate(_plain(values))]
        return np.array(texts, dtype=object).reshape(-1, 1)
    given: Any = values
    if isinstance(given, np.ndarray) and given.dtype.kind in "iufb":
        return _bind_numbers(field, given)
    numbers = [_number(field, row, value) for row, value in enumerate(_plain(values))]
    return np.array(numbers, dtype=np.float64).reshape(-1, 1)


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    return values.tolist() if hasattr(values, "tolist") else values


def _bind_numbers(field: Field, values: np.ndarray) -> np.ndarray:
    import numpy as np

    if (values.dtype.kind == "b") != (field.kind == "boolean"):
        raise _misfit(field, 0, values[0].item())
    numbers = values.astype(np.float64).reshape(-1, 1)
    bad = np.isinf(numbers) if field.allows_null else ~np.isfinite(numbers)
    if field.kind == "integer" and values.dtype.kind == "f":
        bad |= np.isfinite(numbers) & (numbers != np.floor(numbers))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise _misfit(field, row, numbers[row, 0].item())
    return numbers


def _number(field: Field, row: int, value: Any) -> float:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if field.allows_null:
            return math.nan
        raise _misfit(field, row, None)
    is_boolean = isinstance(value, bool)
    is_fit = is_boolean if field.kind == "boolean" else not is_boolean and isinstance(value, int | float)
    if not is_fit or math.isinf(value) or (field.kind == "integer" and value != int(value)):
        raise _misfit(field, row, value)
    return float(value)


def _text(field: Field, row: int, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if field.allows_null:
            return ""
        raise _misfit(field, row, None)
    if not isinstance(value, str):
        raise _misfit(field, row, value)
    return value


def _misfit(field: Field, row: int, value: Any) -> SchemaMismatchError:
    told = "null" if value is None else f"{value!r} ({type(value).__name__})"
    return SchemaMismatchError(
        f"field {field.name!r} takes {field.kind}, but row {row} has {told}",
        where=f"field {field.name!r}, row {row}",
        next_step=f"send a {field.kind}" + (" or null" if field.allows_null else ""),
    )
