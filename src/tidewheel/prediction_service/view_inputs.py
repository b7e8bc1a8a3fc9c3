"""Inputs that come from feature views: what a request brings for them, and how they come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidewheel.core.errors import ConflictError, ParameterError, SchemaMismatchError, StorageError, TidewheelError
from tidewheel.core.records import EndpointSpec
from tidewheel.feature_store.pinned_views import PinnedViews
from tidewheel.model_package.signature import Field, Signature
from tidewheel.pipeline.feature_view import read_definition
from tidewheel.prediction_service.refusal import Refusal
from tidewheel.prediction_service.request_form import AskedField, RequestForm

_ATTEMPTS = 5
_KINDS = {"text": "string", "bigint": "integer", "double": "float", "timestamptz": "instant"}


class ViewInputs:
    """Fills in the inputs of a model that a request leaves out.

    Args:
        spec: with the definitions of the views and the path of the online store.
        signature: of the model.

    Raises:
        NotFoundError, SchemaMismatchError, StorageError: the views are not online as the model needs them.
    """

    def __init__(self, spec: EndpointSpec, signature: Signature) -> None:
        definitions = [read_definition(one) for one in spec.features]
        wanted = {field.name: field.kind for field in signature.inputs}
        self._signature = signature
        self._views = PinnedViews(Path(spec.online_path), definitions, wanted)
        self._views.open()
        self._plan = self._views.plan
        self._kinds = {name: _KINDS.get(kind, kind) for name, kind in self._views.key_types().items()}
        self._kinds |= {name: _KINDS.get(kind, kind) for name, kind in self._plan.inputs().items()}
        self._readers = {name: _READERS[kind] for name, kind in self._kinds.items() if kind in _READERS}
        self._views.close()  # it is used by another thread

    def form(self) -> RequestForm:
        """What a request may bring: the model's inputs, entity keys and inputs of on-demand views."""
        owners, keys, asks = self._plan.owners, self._plan.keys(), self._plan.needs(frozenset()).asks
        fields = {
            field.name: AskedField(field.kind, view=owners.get(field.name, "")) for field in self._signature.inputs
        }
        for name, views in asks.items():
            key_of = tuple(view for view in views if view in keys.get(name, ()))
            input_of = tuple(view for view in views if view not in key_of)
            known = fields.get(name)
            fields[name] = AskedField(
                known.kind if known else self._kinds[name],
                view=known.view if known else "",
                key_of=key_of,
                input_of=input_of,
            )
        return RequestForm(fields, self._missing)

    def _missing(self, names: Sequence[str]) -> str:
        given = self._plan.given(names)
        needs = self._plan.needs(given)
        lacks = [field.name for field in self._signature.inputs if field.name not in names]
        lacks = [name for name in lacks if name not in self._plan.owners]
        told = [f"missing input {', '.join(map(repr, lacks))}"] if lacks else []
        for name, views in needs.asks.items():
            if name not in names and name not in lacks:
                features = sorted(one for one, view in self._plan.owners.items() if view in views and one not in given)
                gives = f"with which view {views[0]!r} gives {', '.join(features)}" if features else f"for {views[0]!r}"
                told.append(f"missing input {name!r}, {gives}")
        return "; ".join(told)

    def trouble(self) -> str:
        """Why features cannot be looked up now; empty when they can."""
        try:
            self._views.open()
        except TidewheelError as error:
            return error.what
        return ""

    def complete(self, columns: Mapping[str, Sequence[Any]], rows: int, at: datetime | None) -> dict[str, list[Any]]:
        """The model's inputs, those that the request does not bring from the views.

        Args:
            columns: what was asked, every name of `fields` at most once and nothing missing.
            rows: how many.
            at: when it was asked; None when the workspace's clock is virtual and the request does not tell.

        Raises:
            Refusal: 400 for a wrong value, a missing time, or a null that the model does not take; 409 when the store
                knows more than was known then; 503 when it cannot be read.
        """
        needs = self._plan.needs(self._plan.given(columns))
        found = self._find(columns, rows, at) if needs.stored or needs.computed else {}
        inputs = {}
        for field in self._signature.inputs:
            if field.name in columns:
                inputs[field.name] = list(columns[field.name])
            else:
                inputs[field.name] = [None if one is None or one != one else one for one in found[field.name]]
                self._check(field, inputs[field.name])
        return inputs

    def _find(self, columns: Mapping[str, Sequence[Any]], rows: int, at: datetime | None) -> dict[str, list[Any]]:
        if at is None:
            raise Refusal(
                400, "the workspace's clock is virtual: say the time of the request in the header Tidewheel-At"
            )
        given = self._plan.given(columns)
        read = {name: self._read(name, columns[name]) for name in self._readers if name in columns}
        asked = {**columns, **read}
        try:
            for _ in range(_ATTEMPTS):
                if self._plan.needs(given).stored and (trouble := self.trouble()):
                    raise Refusal(503, trouble)
                found = self._views.find(asked, rows, at)
                if found is not None:
                    return found
        except (ParameterError, SchemaMismatchError) as error:
            raise Refusal(400, error.what) from None
        except ConflictError as error:
            raise Refusal(409, error.what) from None
        except StorageError as error:
            raise Refusal(503, error.what) from None
        raise Refusal(503, "the online store is replaced again and again")

    def _check(self, field: Field, values: Sequence[Any]) -> None:
        """A null of the views is told as such; others are found by the model."""
        if field.allows_null or None not in values:
            return
        view = self._plan.owners[field.name]
        raise Refusal(
            400,
            f"field {field.name!r} takes no null, but for row {values.index(None)} feature view {view!r} gives none: "
            "nothing is known online of the entity, or it is older than the time to live",
        )

    def _read(self, name: str, values: Sequence[Any]) -> list[Any]:
        reader, kind = self._readers[name], self._kinds[name]
        try:
            return [None if value is None else reader(value) for value in values]
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refusal(400, f"input {name!r} takes {kind} as text: {error}") from None


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def _local_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(f"{text!r} has a time zone")
    return moment


_READERS: dict[str, Callable[[Any], Any]] = {
    "instant": _instant,
    "local time": _local_time,
    "date": date.fromisoformat,
    "decimal": Decimal,
}
