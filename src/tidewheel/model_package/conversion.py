"""What a converter hands over: an ONNX form to be judged, and the values at which it should be tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from tidewheel.model_package.native_model import frame_of
from tidewheel.model_package.original_model import OriginalModel
from tidewheel.model_package.signature import Signature, columns_of


@dataclass(frozen=True)
class Conversion:
    """A converted model that nobody has compared yet.

    Attributes:
        data: the ONNX file.
        signature: what it takes and gives.
        values: by field, what to try; see `boundary_rows`.
        is_searched: whether jumps of the model's answers are to be looked for too, as not every boundary is known.
        rounding: how far the model's own sums may be off, where it sums in float32; less cannot be asked of a form.
    """

    data: bytes
    signature: Signature
    values: dict[str, list[Any]]
    is_searched: bool = True
    rounding: float = 0.0


class Converter(Protocol):
    """Makes an ONNX form; the comparison does not trust it.

    Attributes:
        name: who converts, as the package tells.
    """

    name: str

    def convert(self, original: OriginalModel) -> Conversion | None:
        """The ONNX form, or None for a model that is not of its kind.

        Raises:
            ConversionError: the model, or a part of it, has no exact form.
        """


def with_missing(signature: Signature, names: Iterable[str]) -> Signature:
    """The signature, with null allowed in more fields."""
    allowed = set(names)
    fields = tuple(
        msgspec.structs.replace(field, allows_null=field.allows_null or field.name in allowed)
        for field in signature.inputs
    )
    return msgspec.structs.replace(signature, inputs=fields)


def answered_when_missing(original: OriginalModel, signature: Signature) -> list[str]:
    """Fields that the model answers without, also where the sample happened to be whole; found by asking it."""
    whole = columns_of(original.rows.iloc[:1])
    return [field.name for field in signature.inputs if _is_answered(original, signature, whole | {field.name: [None]})]


def _is_answered(original: OriginalModel, signature: Signature, columns: dict[str, list[Any]]) -> bool:
    try:
        answers = original.answers(signature, frame_of(signature, columns))
    except Exception:  # each library has its own way to say that it needs a value
        return False
    return all(np.isfinite(one).all() for one in answers.values() if one.dtype.kind == "f")
