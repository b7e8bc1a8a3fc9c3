"""On-demand features: one expression, carried out by one evaluator for a column of history and for one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from tidewheel.core.errors import ParameterError, SchemaMismatchError, suggest
from tidewheel.feature_store.expression_functions import TYPES, apply, as_type, cast, normal
from tidewheel.feature_store.expression_syntax import Call, Cast, Column, Literal, Node, columns_of, parse
from tidewheel.pipeline.feature_view import OnDemandDefinition

Evaluation = Callable[[Mapping[str, Any]], Any]


class Expression:
    """A parsed expression.

    Example:
        >>> mph = Expression("miles / nullif(hours, 0)")
        >>> mph.evaluate({"miles": pa.array([900.0, 50.0]), "hours": pa.array([2.0, 0.0])}, 2).to_pylist()
        [450.0, None]
        >>> sorted(mph.columns)
        ['hours', 'miles']
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tree = parse(text)
        self.columns = columns_of(tree)
        self._evaluation = _compiled(tree)

    def evaluate(self, columns: Mapping[str, Any], rows: int) -> Any:
        """Its values for rows of normal columns, see `expression_functions.normal`.

        Raises:
            ParameterError: a name is not among the columns, or a function does not take what it is given.
        """
        try:
            found = self._evaluation(columns)
        except pa.ArrowInvalid as error:
            raise ParameterError(str(error).splitlines()[0], where=f"expression {self.text!r}") from None
        except ParameterError as error:
            raise ParameterError(error.what, where=f"expression {self.text!r}", next_step=error.next_step) from None
        return pa.repeat(found, rows) if isinstance(found, pa.Scalar) else found


class OnDemand:
    """The features of an on-demand view.

    Raises:
        ParameterError: an expression is none.
    """

    def __init__(self, definition: OnDemandDefinition) -> None:
        self.definition = definition
        self._expressions = {name: Expression(text) for name, text in definition.features.items()}
        self.columns = {name for expression in self._expressions.values() for name in expression.columns}

    def compute(self, given: Mapping[str, Any], features: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """The features by name.

        Args:
            given: columns of the spine or request; those among the inputs are cast to their declared types.
            features: columns of the views before.
            rows: how many there are.

        Raises:
            SchemaMismatchError: an input is missing or has a value of another type.
        """
        columns = {name: normal(features[name]) for name in self.columns if name in features}
        for name, kind in self.definition.inputs.items():
            columns[name] = self._input(name, kind, given)
        return {name: expression.evaluate(columns, rows) for name, expression in self._expressions.items()}

    def _input(self, name: str, kind: str, given: Mapping[str, Any]) -> Any:
        where = f"on-demand view {self.definition.name!r}"
        if name not in given:
            raise SchemaMismatchError(
                f"input {name!r} is missing", where=where, next_step=suggest(name, given, "column")
            )
        column = given[name]
        if pa.types.is_null(column.type):
            return column.cast(TYPES[kind])
        try:
            value = normal(column)
            if value.type != TYPES[kind] and (value.type, TYPES[kind]) != (pa.int64(), pa.float64()):
                raise TypeError(str(value.type))
            return as_type(value, TYPES[kind])
        except (TypeError, pa.ArrowInvalid) as error:
            raise SchemaMismatchError(f"input {name!r} is declared as {kind}, but is {error}", where=where) from None


def _compiled(tree: Node) -> Evaluation:
    """The tree as one function of the columns: what is the same for all requests is done here, once."""
    match tree:
        case Literal(value):
            literal = pa.scalar(value, pa.int64()) if type(value) is int else pa.scalar(value)
            return lambda columns: literal
        case Column(name):
            return partial(_column, name)
        case Cast(value, type_name):
            inner = _compiled(value)
            return lambda columns: cast(inner(columns), type_name)
        case Call(name, arguments):
            parts = tuple(map(_compiled, arguments))
            return lambda columns: apply(name, [part(columns) for part in parts])


def _column(name: str, columns: Mapping[str, Any]) -> Any:
    if name not in columns:
        raise ParameterError(f"{name!r} is no input or feature", next_step=suggest(name, columns, "name"))
    return columns[name]
