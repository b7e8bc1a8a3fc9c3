"""Data files as people have them, read into Arrow tables: Parquet, CSV and JSON, also inside .zip and .gz.

Types are told from the whole file, so the same file always gives the same columns. Where the table exists already, its
types are what values are read as, and a value that has no exact form in its column is named with its row.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.table_store.arrow_types import check_names, conform, first_failure, table_schema

NULLS = ("", "NA")
"""Unquoted texts of a CSV file that mean "no value"; a quoted `"NA"` stays text."""

_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".ndjson": "json", ".jsonl": "json"}
_JSON_BLOCK_BYTES = 1 << 30
_JSON_TIMES = (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"))


def read_files(
    files: Sequence[Path | str], *, schema: pa.Schema | None = None, nulls: Sequence[str] = NULLS
) -> pa.Table:
    """The rows of several files, in the order given.

    Args:
        files: paths that end in .parquet, .csv, .json, .ndjson or .jsonl, or one of these with .zip or .gz behind it.
        schema: the table's schema; without it the types are told from the values of all files.
        nulls: the texts of a CSV file that mean "no value" where they are not quoted.

    Raises:
        UnreadableFileError: a file is missing, empty, truncated, not what its name says, or not UTF-8.
        SchemaMismatchError: columns are missing or unknown, or a value does not fit its column's type.
    """
    tables = [read_file(Path(file), schema=schema, nulls=nulls) for file in files]
    if not tables:
        raise UnreadableFileError("no files are given", next_step="name at least one file")
    if schema is None:
        schema = unified_schema({str(file): table.schema for file, table in zip(files, tables, strict=True)})
        tables = [conform(table, schema, where=str(file)) for file, table in zip(files, tables, strict=True)]
    return pa.concat_tables(tables)


def read_file(path: Path, *, schema: pa.Schema | None = None, nulls: Sequence[str] = NULLS) -> pa.Table:
    """The rows of one file, with the types that a table holds; see `read_files`."""
    kind, data = _content(path)
    try:
        if kind == "parquet":
            table = pq.read_table(pa.BufferReader(data))
        elif kind == "csv":
            table = _read_csv(path, data, schema, nulls)
        else:
            types = {} if schema is None else {field.name: field.type for field in schema}
            table = _read_json(path, data, types)
    except pa.ArrowInvalid as error:
        if kind != "parquet":
            _check_encoding(path, data)
        raise UnreadableFileError(f"{path} cannot be read as {kind}: {error}", next_step="correct the file") from None
    if table.num_rows == 0:
        raise UnreadableFileError(
            f"{path} has no rows", next_step="leave the file out; a file without rows is mostly an export that failed"
        )
    if schema is None:
        try:
            schema = table_schema(table.schema)
        except SchemaMismatchError as error:
            raise SchemaMismatchError(error.what, where=str(path), next_step=error.next_step) from None
    return conform(table, schema, where=str(path))


def read_column(path: Path, raw: pa.Table, field: pa.Field, nulls: Sequence[str] = NULLS) -> pa.ChunkedArray:
    """One column of a file, with a given type.

    Args:
        path: the file.
        raw: its rows, with the types that its values have by themselves.
        field: the column's name and type.
        nulls: see `read_files`.

    Raises:
        SchemaMismatchError: a value has no exact form in the type; column, row and value are named.
    """
    kind, data = _content(path)
    schema = pa.schema([field])
    if kind == "csv":  # its texts are read anew: "007" is a number by itself, and no number as a text
        try:
            column = _parse_csv(data, nulls, {field.name: field.type}, [field.name])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
            _name_bad_value(path, data, schema, nulls, [field.name])
            raise
        return conform(column, schema, where=str(path)).column(0)
    if kind == "json":  # and of its texts some are times, by the type that is wanted
        raw = _read_json(path, data, {field.name: field.type})
    return conform(raw.select([field.name]), schema, where=str(path)).column(0)


def unified_schema(schemas: dict[str, pa.Schema]) -> pa.Schema:
    """The one schema that holds the columns of several files: equal names, each of the widest type.

    Args:
        schemas: by file.

    Raises:
        SchemaMismatchError: names differ, or two types have no common one; file and column are named.
    """
    (first, schema), *others = schemas.items()
    for file, other in others:
        check_names(other.names, schema, where=f"{file}, compared with {first}")
        fields = []
        for field in schema:
            wider = _wider(field.type, other.field(field.name).type)
            if wider is None:
                raise SchemaMismatchError(
                    f"column {field.name!r} is {other.field(field.name).type}, and {field.type} in {first}",
                    where=file,
                    next_step="create the table with a schema first, or correct the file",
                )
            fields.append(field.with_type(wider))
        schema = pa.schema(fields)
    return schema


def _wider(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    if left == right:
        return left
    numbers = [pa.int32(), pa.int64(), pa.float64()]
    if left in numbers and right in numbers:
        return max(left, right, key=numbers.index)
    return None


def _content(path: Path) -> tuple[str, bytes]:
    """What kind of file it is by its name, and its bytes, unpacked."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".zip", ".gz") else ""
    try:
        raw = path.read_bytes()
        if packed == ".zip":
            name, data = _unzipped(path, raw)
            suffixes = [Path(name).suffix.lower()]
        else:
            data = gzip.decompress(raw) if packed else raw
    except (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFileError(
            f"{path} is truncated or no {packed[1:]} file: {error}", next_step="copy or download the file again"
        ) from None
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}", next_step="check the path") from None
    kind = _SUFFIXES.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise UnreadableFileError(
            f"{path} is of no known kind", next_step=f"name it {', '.join(_SUFFIXES)}, with .zip or .gz if packed"
        )
    if not data.strip():
        raise UnreadableFileError(f"{path} is empty", next_step="leave the file out, or write it again")
    return kind, data


def _unzipped(path: Path, raw: bytes) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members) or "none"
            raise UnreadableFileError(
                f"{path} holds {len(members)} files ({names}), not one", next_step="unpack it and name the files"
            )
        try:
            return members[0].filename, archive.read(members[0])
        except RuntimeError as error:  # what zipfile raises for an encrypted member
            raise UnreadableFileError(f"{path}: {error}", next_step="unpack it first") from None


def _read_csv(path: Path, data: bytes, schema: pa.Schema | None, nulls: Sequence[str]) -> pa.Table:
    names = _header(path, data)
    if schema is not None:
        check_names(names, schema, where=str(path))
    types = {field.name: field.type for field in schema} if schema is not None else {}
    try:
        table = _parse_csv(data, nulls, types)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
        pointed = _parse_pointed(data, nulls, types)
        if pointed is not None:
            return pointed
        if schema is not None:
            _name_bad_value(path, data, schema, nulls, names)
        raise
    if not types and pa.binary() in table.schema.types:  # what text that is no UTF-8 is taken for
        _check_encoding(path, data)
    return table


def _parse_csv(
    data: bytes, nulls: Sequence[str], types: dict[str, pa.DataType], columns: Sequence[str] = ()
) -> pa.Table:
    # One thread, so that errors name the row; types are inferred over the whole file, not only its first block.
    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(use_threads=False),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            include_columns=list(columns),
            null_values=list(nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _parse_pointed(data: bytes, nulls: Sequence[str], types: dict[str, pa.DataType]) -> pa.Table | None:
    """The rows of a file that writes integers with a point, such as `180.0`, as pandas does beside nulls.

    None where one has a fraction, is larger than doubles hold exactly, or something else is wrong.
    """
    integers = {name: type_ for name, type_ in types.items() if pa.types.is_integer(type_)}
    try:
        table = _parse_csv(data, nulls, {**types, **dict.fromkeys(integers, pa.float64())})
        for name, type_ in integers.items():
            largest = pc.max(pc.abs(table.column(name))).as_py()
            if largest is not None and largest >= 2**53:
                return None
            table = table.set_column(table.column_names.index(name), name, table.column(name).cast(type_))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
        return None
    return table


def _header(path: Path, data: bytes) -> list[str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFileError(f"{path} is UTF-16", next_step="save it as UTF-8")
    try:
        text = data[: 1 << 16].split(b"\n", 1)[0].decode("utf-8-sig")
    except UnicodeDecodeError:
        _check_encoding(path, data)
        raise
    names = next(csv.reader([text.rstrip("\r")]), [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(
            f"{path} has columns of the same name: {', '.join(map(repr, twice))}", next_step="rename them in its header"
        )
    unnamed = [str(position + 1) for position, name in enumerate(names) if not name.strip()]
    if unnamed:
        raise UnreadableFileError(
            f"{path} has no name for column {', '.join(unnamed)}", next_step="name every column in its first line"
        )
    return names


def _name_bad_value(path: Path, data: bytes, schema: pa.Schema, nulls: Sequence[str], names: list[str]) -> None:
    """Reads the file again as text, and raises for the first value that is none of its column's type."""
    text = _parse_csv(data, nulls, dict.fromkeys(names, pa.string()))
    for name in names:
        type_ = schema.field(name).type
        if pa.types.is_nested(type_):
            raise SchemaMismatchError(
                f"column {name!r} is {type_}, which CSV cannot hold", where=str(path), next_step="use Parquet or JSON"
            )
        column = text.column(name)

        def parse(part: pa.ChunkedArray, name: str = name, type_: pa.DataType = type_) -> object:
            lines = pa.table({name: part.combine_chunks()})
            buffer = io.BytesIO()
            pacsv.write_csv(lines, buffer)
            return _parse_csv(buffer.getvalue(), ("",), {name: type_})

        try:
            parse(column)
        except pa.ArrowInvalid:
            raise _misfit(path, name, column, parse, type_) from None


def _misfit(
    path: Path,
    name: str,
    column: pa.ChunkedArray,
    parse: Callable[[pa.ChunkedArray], object],
    type_: pa.DataType,
) -> SchemaMismatchError:
    """The error that names the first text of a column that is no value of its type."""
    row = first_failure(column, parse)
    text = column[row].as_py()
    told = f"column {name!r}, row {row + 1}: {text!r} is no {type_}"
    if pa.types.is_timestamp(type_) and bool(type_.tz) != _has_offset(text):
        told += ": its offset from UTC is missing, such as Z or +01:00" if type_.tz else ": the column has no time zone"
    return SchemaMismatchError(
        told,
        where=str(path),
        next_step="correct the value, name it in the list of nulls, or evolve the table",
    )


def _has_offset(text: str) -> bool:
    try:
        pa.scalar(text).cast(pa.timestamp("ns", "UTC"))
    except pa.ArrowInvalid:
        return False
    return True


def _read_json(path: Path, data: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    _check_encoding(path, data)  # the reader itself takes any bytes
    if data.lstrip()[:1] == b"[":
        try:
            rows = msgspec.json.decode(data, type=list[dict[str, msgspec.Raw]])
        except msgspec.DecodeError as error:
            raise UnreadableFileError(
                f"{path} is no JSON list of objects: {error}", next_step="write one object per row"
            ) from None
        if not rows:
            return pa.table({})
        data = msgspec.json.Encoder().encode_lines(rows)
    table = _parse_json(data, [])
    # Arrow takes some texts for times, and forgets their time zone: they are read as the texts that they are.
    mistaken = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    table = _parse_json(data, mistaken) if mistaken else table
    columns = {name: _with_times(path, name, table[name], types.get(name)) for name in table.column_names}
    return pa.table(columns)


def _parse_json(data: bytes, texts: Sequence[str]) -> pa.Table:
    # A row must lie in one block; types are inferred over all of them.
    block = min(max(len(data), 1 << 20), _JSON_BLOCK_BYTES)
    return pajson.read_json(
        pa.BufferReader(data),
        read_options=pajson.ReadOptions(use_threads=False, block_size=block),
        parse_options=pajson.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in texts])),
    )


def _with_times(path: Path, name: str, column: pa.ChunkedArray, wanted: pa.DataType | None) -> pa.ChunkedArray:
    """A column whose texts are dates or times as such: JSON knows neither. Without a wanted type all must be of one.

    Raises:
        SchemaMismatchError: times are wanted, and a text is none.
    """
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return column
    if wanted is None:
        for type_ in _JSON_TIMES:
            with contextlib.suppress(pa.ArrowInvalid):
                return column.cast(type_)
        return column
    if not (pa.types.is_timestamp(wanted) or pa.types.is_date(wanted)):
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        raise _misfit(path, name, column, lambda part: part.cast(wanted), wanted) from None


def _check_encoding(path: Path, data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(
            f"{path} is no UTF-8: byte 0x{data[error.start]:02x} in line {line} (byte offset {error.start})",
            next_step="save the file as UTF-8",
        ) from None
