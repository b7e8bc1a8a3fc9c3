"""Feature views: which features a table holds about which entities, since when, and for how long they count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import DefinitionError
from tidewheel.core.records.record import Record

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INPUT_TYPES = ("bigint", "double", "text", "boolean", "timestamptz")
_MICROSECOND = timedelta(microseconds=1)


class ViewDefinition(Record, frozen=True, kw_only=True):
    """A declared `FeatureView` as data, the same for equal meanings.

    Attributes:
        keys: SQL by the name that an entity key has in spines and requests.
        event_time: SQL of the time from which a row's values are true.
        ttl_us: microseconds for which they count; None for ever.
        features: SQL by name.
        created_time: SQL of the time when the row became known; empty when the table does not tell.
    """

    name: str
    table: str
    keys: dict[str, str]
    event_time: str
    ttl_us: int | None
    features: dict[str, str]
    created_time: str = ""
    owner: str = ""
    description: str = ""

    def meaning(self) -> dict[str, Any]:
        """What the values depend on: all but owner and description."""
        return {key: value for key, value in self.to_dict().items() if key not in ("owner", "description")}

    @property
    def digest(self) -> str:
        """Names the meaning, whatever the view is called."""
        return _digest(self.meaning())


class OnDemandDefinition(Record, frozen=True, kw_only=True):
    """A declared `OnDemandView` as data.

    Attributes:
        inputs: the types of what comes from the spine or request.
        features: expressions by name, over inputs and features of the views before it.
    """

    name: str
    inputs: dict[str, str]
    features: dict[str, str]
    owner: str = ""
    description: str = ""

    def meaning(self) -> dict[str, Any]:
        """What the values depend on."""
        return {"name": self.name, "inputs": self.inputs, "features": self.features}

    @property
    def digest(self) -> str:
        """Names the meaning, whatever the view is called."""
        return _digest(self.meaning())


Definition = ViewDefinition | OnDemandDefinition


def read_definition(data: Mapping[str, Any]) -> Definition:
    """A definition from what its `meaning` or `to_dict` gave.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return ViewDefinition.from_dict(dict(data)) if "table" in data else OnDemandDefinition.from_dict(dict(data))


def _digest(meaning: Mapping[str, Any]) -> str:
    return digest_value("feature view definition", {key: meaning[key] for key in meaning if key != "name"})


class FeatureView(msgspec.Struct, frozen=True):
    """Features of entities, read from a table; declared at the top of one of the project's modules.

    A row of the table says what was true of an entity from `event_time` on. A late or corrected row is a further row
    with a later `created_time`; of rows with equal event time the one created last counts, and of those the one that
    was ingested last.

    Args:
        name: joins, online lookups and `tidewheel features` know it by this.
        table: where the rows are.
        keys: the entity's key: columns, or SQL expressions by the name that spines and requests use.
        event_time: a column or SQL expression with a time zone.
        ttl: how long a value counts, its last microsecond included; None for ever.
        features: columns, or SQL expressions by name, over one row of the table.
        created_time: a column or SQL expression with a time zone: when the row became known.
        owner: whom to ask.
        description: what the features mean, with units.

    Raises:
        DefinitionError: a name cannot be used, something is empty, or `ttl` is not positive.

    Example:
        >>> weather = FeatureView(
        ...     "weather",
        ...     table="weather",
        ...     keys=["origin"],
        ...     event_time="observed_at",
        ...     ttl=timedelta(hours=3),
        ...     features={"temp_c": "(temp - 32) / 1.8", "visib": "visib"},
        ...     owner="operations",
        ... )
        >>> weather.definition.keys
        {'origin': '"origin"'}
    """

    name: str
    table: str
    keys: Sequence[str] | Mapping[str, str]
    event_time: str
    ttl: timedelta | None
    features: Sequence[str] | Mapping[str, str]
    created_time: str | None = None
    owner: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        problems = _name_problems("FeatureView.name", [self.name])
        for field in ("table", "event_time"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                problems.append(f"it names nothing @ FeatureView.{field}")
        ttl: object = self.ttl
        if ttl is not None and (not isinstance(ttl, timedelta) or ttl <= timedelta(0)):
            problems.append(f"{ttl!r} is no positive timedelta @ FeatureView.ttl")
        for field in ("keys", "features"):
            problems += _column_problems(f"FeatureView.{field}", getattr(self, field))
        if not problems:
            twice = sorted({*_expressions(self.keys)} & {*_expressions(self.features)})
            problems += [f"{name!r} is an entity key already @ FeatureView.features" for name in twice]
        if problems:
            raise DefinitionError(f"feature view {self.name!r} is declared wrongly", problems)

    @property
    def definition(self) -> ViewDefinition:
        """The declaration as data."""
        return ViewDefinition(
            name=self.name,
            table=self.table,
            keys=_expressions(self.keys),
            event_time=_time(self.event_time),
            ttl_us=None if self.ttl is None else self.ttl // _MICROSECOND,
            features=_expressions(self.features),
            created_time=_time(self.created_time) if self.created_time else "",
            owner=self.owner,
            description=self.description,
        )


class OnDemandView(msgspec.Struct, frozen=True):
    """Features that are computed from what a request or spine brings, and from features of views before it.

    The expressions are a part of SQL that one evaluator carries out, offline on whole columns and online on one
    request; see `tidewheel.feature_store.expression` for what they may say.

    Args:
        name: joins and online lookups know it by this.
        inputs: what the spine or request brings, by name: `bigint`, `double`, `text`, `boolean` or `timestamptz`.
        features: expressions by name.
        owner: whom to ask.
        description: what the features mean, with units.

    Raises:
        DefinitionError: a name cannot be used, a type is not known, or there is no feature.

    Example:
        >>> types = {"miles": "double", "hours": "double"}
        >>> trip = OnDemandView("trip", inputs=types, features={"mph": "miles / hours"})
        >>> trip.definition.features
        {'mph': 'miles / hours'}
    """

    name: str
    inputs: Mapping[str, str]
    features: Mapping[str, str]
    owner: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        problems = _name_problems("OnDemandView.name", [self.name])
        features: object = self.features
        if not isinstance(features, Mapping):
            problems.append("it is no dict of expressions by name @ OnDemandView.features")
        else:
            problems += _column_problems("OnDemandView.features", self.features)
        problems += _name_problems("OnDemandView.inputs", self.inputs)
        problems += [
            f"{kind!r} of {name!r} is none of {', '.join(INPUT_TYPES)} @ OnDemandView.inputs"
            for name, kind in dict(self.inputs).items()
            if kind not in INPUT_TYPES
        ]
        if problems:
            raise DefinitionError(f"on-demand view {self.name!r} is declared wrongly", problems)

    @property
    def definition(self) -> OnDemandDefinition:
        """The declaration as data."""
        return OnDemandDefinition(
            name=self.name,
            inputs=dict(self.inputs),
            features=dict(self.features),
            owner=self.owner,
            description=self.description,
        )


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _expressions(columns: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    return dict(columns) if isinstance(columns, Mapping) else {name: quoted(name) for name in columns}


def _time(expression: str) -> str:
    """A column's name is quoted, as it may be a word of SQL, such as `at`."""
    return quoted(expression) if _COLUMN.fullmatch(expression) else expression


def _column_problems(place: str, columns: Any) -> list[str]:
    if isinstance(columns, str) or not isinstance(columns, Mapping | Sequence):
        return [f"it is {columns!r}, not a list of columns or a dict of expressions @ {place}"]
    if not columns:
        return [f"it is empty @ {place}"]
    problems = _name_problems(place, columns)
    if isinstance(columns, Mapping):
        problems += [
            f"{n!r} has no expression @ {place}"
            for n, sql in columns.items()
            if not isinstance(sql, str) or not sql.strip()
        ]
    elif len(set(columns)) < len(columns):
        problems.append(f"a column is named twice @ {place}")
    return problems


def _name_problems(place: str, names: Iterable[object]) -> list[str]:
    return [
        f"{name!r} is no name: letters, digits, '_', '.' and '-', the first a letter or '_' @ {place}"
        for name in names
        if not isinstance(name, str) or not _NAME.fullmatch(name)
    ]
