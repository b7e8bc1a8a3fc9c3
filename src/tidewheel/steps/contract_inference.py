"""A contract that describes a table as it is, as Python that a person edits.

What was observed is widened where the next batch would surely break it: ranges of measured numbers by a tenth to round
numbers, shares of missing values to twice as many. What looks like a code (few different values) keeps exactly these.
"""

from __future__ import annotations

import itertools
import keyword
import math
import re
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.types as pt

from tidewheel.table_store import TableReader
from tidewheel.table_store.contract_sql import quoted

DOMAIN_SIZE = 30
"""At most so many different values are listed one by one."""

_ROWS_PER_VALUE = 10
_TYPES = {
    "int64": ("int", '"Int64"'), "int32": ('"int32"', '"Int32"'), "double": ("float", "float"),
    "float": ('"float32"', '"float32"'), "string": ("str", "str"), "bool": ("bool", '"boolean"'),
    "date32[day]": ("pa.Date", "pa.Date"), "timestamp[us]": ('"datetime64[us]"', '"datetime64[us]"'),
    "timestamp[us, tz=UTC]": ('"datetime64[us, UTC]"', '"datetime64[us, UTC]"'),
}  # fmt: skip


class _Column(NamedTuple):
    name: str
    type: pa.DataType
    rows: int
    known: int
    least: Any
    most: Any
    distinct: int
    values: list[Any]

    @property
    def null_share(self) -> float:
        return 1 - self.known / self.rows if self.rows else 0.0


def infer_contract(reader: TableReader, at: datetime) -> str:
    """The text of a Python file that declares a contract which the table keeps.

    Args:
        reader: the snapshot to look at.
        at: the workspace's time: only columns without later times are held to it.
    """
    columns = [_look(reader, field) for field in reader.schema]
    snapshot, table = reader.snapshot, reader.snapshot.table
    lines = [f"        {_python(column.name)}: {_declared(column)}," for column in columns]
    unique = [column.name for column in columns if _is_key(column)]
    shares = {c.name: _rounded_share(c.null_share) for c in columns if 0 < c.null_share <= 0.5}
    times = [column for column in columns if pt.is_timestamp(column.type) and column.known]
    past = next((column.name for column in times if _is_past(column, at)), None)
    settings = [
        *([f"    unique={_python(unique)},"] if unique else _shared_by_none(reader, columns)),
        *(
            [f"    freshness=Freshness({_python(past)}),  # no row of the future; max_age= for stale ones"]
            if past
            else []
        ),
        *([f"    max_null_share={_python(shares)},"] if shares else []),
    ]
    names = ", ".join(["Contract", *(["Freshness"] if past else [])])
    return "\n".join(
        [
            f'"""What is expected of table {table!r}: drafted from snapshot {snapshot.snapshot_id}, to be edited.',
            "",
            "A row that breaks a rule goes to quarantine, unless `policies` says `stop`, `flag` or `clip` for its",
            f"name, column or kind. It takes effect when a module of the project imports `{_identifier(table)}`.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            "import pandera.pandas as pa",
            "",
            f"from tidewheel.pipeline import {names}",
            "",
            f"{_identifier(table)} = Contract(",
            f"    table={_python(table)},",
            "    schema=pa.DataFrameSchema(",
            "        {",
            *(f"    {line}" for line in lines),
            "        }",
            "    ),",
            *settings,
            "    # max_quarantine_share=0.5,  stops a batch of which more would go to quarantine",
            "    policies={},",
            "    rules=[",
            '        # RowRule("arrives after it departs", "arr_time >= dep_time"),  with RowRule imported above',
            "    ],",
            ")",
            "",
        ]
    )


def _look(reader: TableReader, field: pa.Field) -> _Column:
    name = quoted(field.name)
    is_ordered = _is_number(field.type) or pt.is_temporal(field.type) or pt.is_string(field.type)
    value = f"nullif({name}, 'nan')" if pt.is_floating(field.type) else name
    order = f"min({value}) least, max({value}) most" if is_ordered else "null least, null most"
    (row,) = reader.sql(
        f"select count(*) total, count({value}) known, {order}, approx_count_distinct({value}) about from this"
    ).to_pylist()
    values: list[Any] = []
    distinct = row["about"]
    if is_ordered and row["about"] <= 2 * DOMAIN_SIZE:
        listed = reader.sql(f"select distinct {value} v from this where {value} is not null order by v")
        values = listed["v"].to_pylist()
        distinct = len(values)
    elif row["known"] == row["total"] and row["about"] >= 0.9 * row["known"]:
        (exact,) = reader.sql(f"select count(distinct {name}) n from this").to_pylist()
        distinct = exact["n"]
    return _Column(field.name, field.type, row["total"], row["known"], row["least"], row["most"], distinct, values)


def _shared_by_none(reader: TableReader, columns: list[_Column]) -> list[str]:
    """A comment that names a column and a time which together are a key so far, where none is by itself."""
    rows = reader.snapshot.row_count
    whole = [column for column in columns if column.known == rows > DOMAIN_SIZE]
    times = [column for column in whole if pt.is_timestamp(column.type) or pt.is_date(column.type)]
    named = [column for column in whole if pt.is_string(column.type) or pt.is_integer(column.type)]
    most_different = sorted(named, key=lambda column: -column.distinct)[:1]
    for entity, time in itertools.product(most_different, times):
        names = ", ".join(quoted(one.name) for one in (entity, time))
        (found,) = reader.sql(f"select count(*) n from (select distinct {names} from this)").to_pylist()
        if found["n"] == rows:
            key = f"({_python(entity.name)}, {_python(time.name)})"
            return [f"    # unique=[{key}],  no two rows share these so far"]
    return []


def _declared(column: _Column) -> str:
    plain, nullable = _TYPES.get(str(column.type), ("None", "None"))
    is_nullable = column.known < column.rows or not column.rows
    parts = [nullable if is_nullable else plain]
    check = _check(column)
    if check:
        parts.append(check)
    if is_nullable:
        parts.append("nullable=True")
    return f"pa.Column({', '.join(parts)})"


def _check(column: _Column) -> str:
    if not column.known:
        return ""
    is_code = 0 < len(column.values) <= DOMAIN_SIZE and column.known >= _ROWS_PER_VALUE * column.distinct
    if pt.is_string(column.type):
        return f"pa.Check.isin({_python(column.values)})" if is_code else ""
    if not _is_number(column.type) or pt.is_decimal(column.type) or _is_key(column):
        return ""  # keys mostly count on: the range of this snapshot's would keep the next rows out
    if not (math.isfinite(column.least) and math.isfinite(column.most)):
        return ""
    least, most = column.least, column.most
    if not (pt.is_integer(column.type) and is_code):
        least, most = _widened(least, most)
    if pt.is_integer(column.type):
        least, most = math.floor(least), math.ceil(most)
    return f"pa.Check.in_range({least!r}, {most!r})"


def _widened(least: float, most: float) -> tuple[float, float]:
    """A tenth of the span more on either side, to a round number; what was never negative stays so."""
    margin = (most - least) / 10 or abs(most) / 10 or 1
    step = 10.0 ** math.floor(math.log10(margin))
    low, high = math.floor((least - margin) / step) * step, math.ceil((most + margin) / step) * step
    low = 0.0 if least >= 0 > low else low
    return float(f"{low:.12g}"), float(f"{high:.12g}")


def _is_key(column: _Column) -> bool:
    is_kind = pt.is_integer(column.type) or pt.is_string(column.type)
    return is_kind and column.rows > DOMAIN_SIZE and column.known == column.distinct == column.rows


def _is_past(column: _Column, at: datetime) -> bool:
    most: datetime = column.most
    return (most if most.tzinfo else most.replace(tzinfo=at.tzinfo)) <= at


def _is_number(type_: pa.DataType) -> bool:
    return bool(pt.is_integer(type_) or pt.is_floating(type_) or pt.is_decimal(type_))


def _rounded_share(share: float) -> float:
    return min(1.0, math.ceil(200 * share + 1) / 100)


def _identifier(table: str) -> str:
    name = re.sub(r"\W", "_", table)
    return f"{name}_" if keyword.iskeyword(name) else name


def _python(value: Any) -> str:
    """A value as Python writes it, texts in double quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_python(key)}: {_python(one)}' for key, one in value.items())}}}"
    return repr(value)
