"""What a request may bring and must bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidewheel.model_package.signature import Signature


class AskedField(msgspec.Struct, frozen=True):
    """One input of a request.

    Attributes:
        kind: `float`, `integer`, `boolean` or `string`; of entity keys and inputs of on-demand views also `instant`,
            `local time`, `date` and `decimal`, which are texts in JSON.
        view: the feature view that gives it when the request does not.
        key_of, input_of: the views that it is an entity key of, or an input of.
    """

    kind: str
    view: str = ""
    key_of: tuple[str, ...] = ()
    input_of: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What there is to say about it beyond its type."""
        told: dict[str, Any] = {"feature_view": self.view, "key_of": self.key_of, "input_of": self.input_of}
        return {name: value for name, value in told.items() if value}


class RequestForm(msgspec.Struct, frozen=True):
    """The inputs by name.

    Attributes:
        missing: what a request with certain inputs lacks, in words; empty when it is whole.
    """

    fields: Mapping[str, AskedField]
    missing: Callable[[Sequence[str]], str]


def form_of(signature: Signature) -> RequestForm:
    """The form of a model that takes all its inputs from the request."""
    fields = {field.name: AskedField(field.kind) for field in signature.inputs}

    def missing(names: Sequence[str]) -> str:
        lacks = [name for name in fields if name not in names]
        return f"missing input {', '.join(map(repr, lacks))}" if lacks else ""

    return RequestForm(fields, missing)
