"""One column of pandas as an Arrow array and a description of its dtype, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tidewheel.core.errors import ParameterError

Described = dict[str, Any]

_OBJECTS = {str: pa.large_string(), date: pa.date32()}


def stored_column(values: Any, where: str) -> tuple[Any, Described]:
    """The Arrow array and the description of a pandas array.

    Args:
        values: what `Series.array` gives.
        where: the column as an error names it.

    Raises:
        ParameterError: its dtype, or a value in it, has no stored form.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _stored_categories(values, where)
    if isinstance(dtype, pd.StringDtype):
        return pa.array(values).cast(pa.large_string()), _described_string(dtype)
    if isinstance(dtype, pd.ArrowDtype):
        return pa.chunked_array(values.__arrow_array__()), {"kind": "arrow"}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _stored_zoned(values, where)
    if isinstance(dtype, np.dtype) or isinstance(values, pd.arrays.NumpyExtensionArray):
        return _stored_numpy(values.to_numpy(), where)
    if isinstance(dtype, pd.api.extensions.ExtensionDtype) and hasattr(values, "_mask"):
        return values.__arrow_array__(), {"kind": "nullable", "name": str(dtype)}
    raise _refused(f"dtype {dtype} has no stored form", where)


def restored_column(column: Any, described: Described) -> Any:
    """The pandas array of a stored column, in memory of its own."""
    return _RESTORE[described["kind"]](column, described)


def _refused(what: str, where: str) -> ParameterError:
    return ParameterError(
        f"{where} cannot be stored: {what}",
        where=where,
        next_step="convert it to numbers, strings, categories or times, for example with astype(str)",
    )


def _stored_numpy(values: Any, where: str) -> tuple[Any, Described]:
    if values.dtype.kind == "O":
        return _stored_objects(values, where)
    described = {"kind": "numpy", "dtype": values.dtype.str}
    if values.dtype.kind in "mM":
        unit = np.datetime_data(values.dtype)[0]
        kind = pa.timestamp(unit) if values.dtype.kind == "M" else pa.duration(unit)
        return pa.array(values.astype(values.dtype.newbyteorder("=")), kind), described
    if values.dtype.kind not in "biuf" or not values.dtype.isnative or values.dtype.itemsize > 8:
        raise _refused(f"dtype {values.dtype} has no stored form", where)
    return pa.array(values, from_pandas=False), described


def _stored_objects(values: Any, where: str) -> tuple[Any, Described]:
    """Strings, or dates as a table's come, in a column of objects; what is missing must be missing in one way."""
    missing, kinds = set(), set()
    for item in values:
        if item is None:
            missing.add("none")
        elif type(item) is float and item != item:
            missing.add("nan")
        elif type(item) not in _OBJECTS:
            raise _refused(f"it has dtype object and holds a {type(item).__qualname__}, {item!r:.60}", where)
        else:
            kinds.add(type(item))
    if len(missing) > 1:
        raise _refused("it holds both None and NaN, which would come back as one", where)
    if len(kinds) > 1:
        raise _refused("it has dtype object and holds both texts and dates", where)
    kind, described = next(iter(kinds), str), {"kind": "object", "missing": next(iter(missing), "none")}
    return pa.array([item if type(item) is kind else None for item in values], _OBJECTS[kind]), described


def _stored_categories(values: Any, where: str) -> tuple[Any, Described]:
    categories, described = stored_column(values.categories.array, f"the categories of {where}")
    if isinstance(categories, pa.ChunkedArray):
        categories = categories.combine_chunks()
    codes = pa.array(values.codes, mask=values.codes < 0)
    name = values.categories.name
    return pa.DictionaryArray.from_arrays(codes, categories, ordered=bool(values.ordered)), {
        "kind": "category",
        "categories": described,
        "is_ordered": bool(values.ordered),
        "name": name,
    }


def _stored_zoned(values: Any, where: str) -> tuple[Any, Described]:
    zone, unit = str(values.dtype.tz), values.dtype.unit
    try:
        is_kept = pd.DatetimeTZDtype(unit, zone) == values.dtype
    except (ValueError, TypeError, LookupError):
        is_kept = False
    if not is_kept:
        raise _refused(f"its time zone {values.dtype.tz!r} has no name that pandas reads back", where)
    plain = values.tz_convert("UTC").tz_localize(None).to_numpy()
    return pa.array(plain, pa.timestamp(unit)).cast(pa.timestamp(unit, "UTC")), {"kind": "zoned", "zone": zone}


def _restored_numpy(column: Any, described: Described) -> Any:
    dtype = np.dtype(described["dtype"])
    if dtype.kind in "mM":
        counts = column.cast(pa.int64())
        missing = np.iinfo(np.int64).min
        values = counts.fill_null(missing).to_numpy() if counts.null_count else counts.to_numpy()
        return pd.array(values.astype(np.int64, copy=True).view(dtype.newbyteorder("=")), copy=False)
    return np.array(column.to_numpy(), dtype)


def _restored_string(column: Any, described: Described) -> Any:
    dtype: Any = _string_dtype(described)
    return dtype.__from_arrow__(column)


def _described_string(dtype: pd.StringDtype) -> Described:
    return {"kind": "string", "storage": dtype.storage, "is_nan": dtype.na_value is not pd.NA}


def _string_dtype(described: Described) -> pd.StringDtype:
    return pd.StringDtype(described["storage"], na_value=np.nan if described["is_nan"] else pd.NA)


def _restored_object(column: Any, described: Described) -> Any:
    values = column.to_numpy().astype(object)  # of dates in days, the objects are `datetime.date`
    if column.null_count:
        values[column.is_null().to_numpy()] = None if described["missing"] == "none" else np.nan
    return values


def _restored_categories(column: Any, described: Described) -> Any:
    one = column.combine_chunks()
    one = one.chunk(0) if isinstance(one, pa.ChunkedArray) else one
    values = restored_column(pa.chunked_array([one.dictionary]), described["categories"])
    categories = pd.Index(values, dtype=values.dtype, name=described["name"])
    codes = one.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes, categories, ordered=described["is_ordered"])


def _restored_zoned(column: Any, described: Described) -> Any:
    unit = column.type.unit
    plain = _restored_numpy(column, {"dtype": f"<M8[{unit}]"})
    return plain.tz_localize("UTC").tz_convert(described["zone"])


def _restored_extension(column: Any, described: Described) -> Any:
    dtype = pd.ArrowDtype(column.type) if described["kind"] == "arrow" else pd.api.types.pandas_dtype(described["name"])
    return dtype.__from_arrow__(column)  # type: ignore[union-attr]


_RESTORE: dict[str, Callable[[Any, Described], Any]] = {
    "numpy": _restored_numpy,
    "string": _restored_string,
    "object": _restored_object,
    "category": _restored_categories,
    "zoned": _restored_zoned,
    "arrow": _restored_extension,
    "nullable": _restored_extension,
}


def describe_labels(labels: Any) -> Any:
    """Column labels, or the name of a series, as a JSON value."""
    if not isinstance(labels, pd.Index):
        return {"kind": "name", "name": labels}
    names = list(labels.names)
    if isinstance(labels, pd.RangeIndex):
        return {"kind": "range", "range": [labels.start, labels.stop, labels.step], "names": names}
    if isinstance(labels, pd.MultiIndex):
        return {"kind": "levels", "labels": list(labels), "names": names}
    if isinstance(labels.dtype, pd.StringDtype):
        described = _described_string(labels.dtype)
        return {"kind": "string", "labels": labels.tolist(), "names": names, "dtype": described}
    if not isinstance(labels.dtype, np.dtype) or labels.dtype.kind not in "Obiuf":
        raise _refused(f"labels of dtype {labels.dtype} have no stored form", "the columns' index")
    return {"kind": "plain", "labels": labels.tolist(), "names": names, "dtype": labels.dtype.str}


def restored_labels(described: Described) -> Any:
    """What `describe_labels` was given."""
    kind = described["kind"]
    if kind == "name":
        return described["name"]
    names = described["names"]
    if kind == "range":
        start, stop, step = described["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    if kind == "levels":
        return pd.MultiIndex.from_tuples(described["labels"], names=names)
    if kind == "string":
        return pd.Index(described["labels"], dtype=_string_dtype(described["dtype"]), name=names[0])
    return pd.Index(described["labels"], dtype=np.dtype(described["dtype"]), name=names[0])
