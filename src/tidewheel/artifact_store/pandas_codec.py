"""Data frames and series of pandas, on Arrow files that carry what Arrow has no word for.

Columns are named by position in the file; labels, dtypes and the index are described by one JSON document in the
schema's metadata, so that nothing depends on the versions of the libraries, as pandas' own metadata does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.artifact_store.arrow_codec import read_table, write_table
from tidewheel.artifact_store.json_codec import from_text, to_text
from tidewheel.core.errors import ParameterError, TidewheelError, UnreadableFileError

_KEY = b"tidewheel.pandas"


class PandasCodec:
    """Stores `DataFrame` and `Series`, and gives them back equal, with equal dtypes, in memory of their own.

    Numbers, booleans, strings, categories, times with zone, nullable and Arrow dtypes; any index of these, its names,
    and `attrs`.
    """

    name = "pandas"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the frame.

        Raises:
            ParameterError: a column holds Python objects other than strings or dates, or its dtype has no stored form.
        """
        import pandas as pd
        import pyarrow as pa

        from tidewheel.artifact_store.pandas_columns import describe_labels, stored_column

        if type(value) not in (pd.DataFrame, pd.Series):
            raise ParameterError(
                f"the subclass {type(value).__qualname__} of pandas would come back as its parent",
                next_step="return pandas.DataFrame(value)",
            )
        is_series = isinstance(value, pd.Series)
        columns = [value] if is_series else [value.iloc[:, index] for index in range(value.shape[1])]
        labels = ["the series"] if is_series else [f"column {label!r}" for label in value.columns]
        index, levels = _describe_index(value.index)
        stored = [stored_column(column.array, where) for column, where in zip(columns, labels, strict=True)]
        stored += [stored_column(level.array, f"index level {at}") for at, level in enumerate(levels)]
        document = {
            "kind": "series" if is_series else "frame",
            "labels": describe_labels(value.name) if is_series else describe_labels(value.columns),
            "rows": len(value),
            "columns": [dtype for _, dtype in stored[: len(columns)]],
            "index": index,
            "levels": [dtype for _, dtype in stored[len(columns) :]],
            "attrs": dict(value.attrs),
        }
        arrays = [array for array, _ in stored]
        table = pa.table(arrays, names=[str(number) for number in range(len(arrays))])
        write_table(table.replace_schema_metadata({_KEY: to_text(document)}), stream)
        shown = {str(label): str(column.dtype) for label, column in zip(_shown(value), columns, strict=True)}
        return {"rows": len(value), "columns": shown}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The frame or series, writable."""
        import pandas as pd

        from tidewheel.artifact_store.pandas_columns import restored_column, restored_labels

        table = read_table(path)
        try:
            document = from_text((table.schema.metadata or {})[_KEY].decode())
            dtypes = [*document["columns"], *document["levels"]]
            arrays = [restored_column(table.column(at), dtype) for at, dtype in enumerate(dtypes)]
        except (LookupError, ValueError) as error:
            if isinstance(error, TidewheelError):
                raise
            raise UnreadableFileError(
                f"this is no stored frame: {error}", where=str(path), next_step="run the step that made it again"
            ) from error
        width = len(document["columns"])
        index = _restore_index(document["index"], arrays[width:])
        labels = restored_labels(document["labels"])
        value: Any
        if document["kind"] == "series":
            value = pd.Series(arrays[0], index=index, name=labels, dtype=arrays[0].dtype)
        else:
            # A dtype that is given is kept; without it pandas would infer `str` for strings in a column of objects.
            columns = [pd.Series(array, index=index, dtype=array.dtype) for array in arrays[:width]]
            value = pd.DataFrame(dict(enumerate(columns)), index=index)
            value.columns = labels
        value.attrs = document["attrs"]
        return value


def _shown(value: Any) -> list[Any]:
    return list(value.columns) if hasattr(value, "columns") else [value.name]


def _describe_index(index: Any) -> tuple[dict[str, Any], list[Any]]:
    """What the document says of an index, and the levels that are stored as columns."""
    import pandas as pd

    names = list(index.names)
    if isinstance(index, pd.RangeIndex):
        return {"kind": "range", "range": [index.start, index.stop, index.step], "names": names}, []
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(at) for at in range(index.nlevels)]
        return {"kind": "levels", "names": names}, levels
    return {"kind": "plain", "names": names, "freq": getattr(index, "freqstr", None)}, [index]


def _restore_index(described: dict[str, Any], levels: list[Any]) -> Any:
    import pandas as pd

    names = described["names"]
    if described["kind"] == "range":
        start, stop, step = described["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    if described["kind"] == "levels":
        return pd.MultiIndex.from_arrays([pd.Index(level, dtype=level.dtype) for level in levels], names=names)
    index = pd.Index(levels[0], dtype=levels[0].dtype, name=names[0])
    if described["freq"] is not None:
        index.freq = described["freq"]
    return index
