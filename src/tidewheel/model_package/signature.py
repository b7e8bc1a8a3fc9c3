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
        for name in names:
            _check_column(name, columns[name])
        count = len(columns[names[0]])
        if count == 0:
            raise SchemaMismatchError("there are no rows", where=f"field {names[0]!r}")
        for name in names:
            if len(columns[name]) != count:
                raise SchemaMismatchError(f"field {name!r} has {len(columns[name])} rows, {names[0]!r} has {count}")
        return {field.name: _bind(field, columns[field.name]) for field in self.inputs}


def columns_of(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """A frame as columns of plain values, null for missing."""
    return {str(name): _plain_values(values) for name, values in rows.items()}


def _plain_values(values: pd.Series) -> list[Any]:
    import numpy as np

    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub":
        return list(values.tolist())
    objects = values.astype("object")
    plain = [one.item() if isinstance(one, np.generic) else one for one in objects]
    return [None if missing else one for one, missing in zip(plain, values.isna(), strict=True)]


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
        kind = _kind(values.cat.categories)
        if kind not in ("string", "integer", "float"):
            raise _no_feature(name, f"categories of type {values.cat.categories.dtype}")
        domain = tuple(str(one) for one in values.cat.categories)
        # A category may be unknown tomorrow, which counts as missing, so missing must be allowed.
        return Field(name=name, kind=kind, allows_null=True, domain=domain)
    found = _kind(values)
    if found is None:
        raise _no_feature(name, f"type {values.dtype}")
    return Field(name=name, kind=found, allows_null=allows_null)


def _kind(values: Any) -> FieldKind | None:
    """What the values are, of objects what each of them is; None for what is no feature."""
    import pandas as pd

    found = pd.api.types.infer_dtype(values, skipna=True)
    kinds: dict[str, FieldKind] = {
        "boolean": "boolean",
        "integer": "integer",
        "floating": "float",
        "integer-na": "float",
        "mixed-integer-float": "float",
        "string": "string",
    }
    if found == "empty" and values.dtype != object:  # no value to look at, but a type
        is_number = pd.api.types.is_numeric_dtype(values.dtype)
        return "float" if is_number else "string" if pd.api.types.is_string_dtype(values.dtype) else None
    return kinds.get(found)


def _no_feature(name: str, told: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"column {name!r} has {told}", next_step="give numbers, booleans, text, or categories of text or numbers"
    )


def _check_column(name: str, values: Any) -> None:
    """Refuses what only looks like a column, such as one text, whose letters would be rows."""
    is_column = isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray | memoryview)
    shape = getattr(values, "shape", None)
    if shape is not None:
        is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not is_column:
        told = f"shape {tuple(shape)}" if shape is not None else f"a {type(values).__name__}"
        raise SchemaMismatchError(f"field {name!r} needs one value per row, but has {told}", where=f"field {name!r}")


def _bind(field: Field, values: Sequence[Any]) -> np.ndarray:
    import numpy as np

    if field.kind == "string":
        texts = [_text(field, row, value) for row, value in enumerate(_plain(values))]
        return np.array(texts, dtype=object).reshape(-1, 1)
    given: Any = values
    if isinstance(given, np.ndarray) and given.dtype.kind in "iufb":
        return _bind_numbers(field, given.reshape(-1))
    numbers = [_number(field, row, value) for row, value in enumerate(_plain(values))]
    return np.array(numbers, dtype=np.float64).reshape(-1, 1)


def _plain(values: Any) -> Any:
    """Plain values; times stay what they are, which no field takes, and do not become integers."""
    if not hasattr(values, "tolist"):
        return values
    if getattr(values.dtype, "kind", "") in "mM":
        return list(values)
    flat = values.reshape(-1) if getattr(values, "ndim", 1) == 2 else values
    return flat.tolist()


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
    try:
        number = float(value) if is_fit else math.inf
    except OverflowError:  # an integer beyond the largest double
        number = math.inf
    if math.isinf(number) or (field.kind == "integer" and number != math.floor(number)):
        raise _misfit(field, row, value)
    return number


def _text(field: Field, row: int, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if field.allows_null:
            return ""
        raise _misfit(field, row, None)
    if not isinstance(value, str) or not (value.isascii() or _is_unicode(value)):
        raise _misfit(field, row, value)
    return value


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can say it; Python's texts may hold half of a surrogate pair, which ONNX Runtime does not take."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _misfit(field: Field, row: int, value: Any) -> SchemaMismatchError:
    told = "null" if value is None else f"{_shown(value)} ({type(value).__name__})"
    return SchemaMismatchError(
        f"field {field.name!r} takes {field.kind}, but row {row} has {told}",
        where=f"field {field.name!r}, row {row}",
        next_step=f"send a {field.kind}" + (" or null" if field.allows_null else ""),
    )


def _shown(value: Any) -> str:
    """The start of a value's form; an integer of a million digits refuses to be printed."""
    try:
        text = repr(value)
    except Exception:
        return "a value"
    return text if len(text) <= 60 else f"{text[:57]}..."
