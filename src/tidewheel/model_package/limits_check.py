"""Whether limits are about the model that they are packaged with."""

from __future__ import annotations

import math

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records.served_limits import ServedLimits
from tidewheel.model_package.signature import Signature


def check_limits(limits: ServedLimits, signature: Signature) -> None:
    """Holds limits against the signature that they are for.

    Raises:
        SchemaMismatchError: a limit is about no input of numbers, or is none, or the fallback is no such answer.
    """
    numbers = {field.name for field in signature.inputs if field.kind in ("float", "integer") and not field.domain}
    for one in limits.limits:
        if one.column not in numbers:
            raise SchemaMismatchError(
                f"a limit is about {one.column!r}, which is no input of numbers",
                next_step=f"name one of {', '.join(sorted(numbers)) or 'none: the model takes no number'}",
            )
        low, high = (-math.inf if one.low is None else one.low), (math.inf if one.high is None else one.high)
        if not low <= high:
            raise SchemaMismatchError(f"the limits of {one.column!r}, {one.low} and {one.high}, leave no number")
    _check_fallback(limits, signature)


def _check_fallback(limits: ServedLimits, signature: Signature) -> None:
    falls_back = any(one.policy == "fall_back" for one in limits.limits)
    width = next((field.width for field in signature.outputs if field.name in ("probability", "prediction")), 1)
    is_probability = signature.task != "regression"
    is_answer = len(limits.fallback) == width and all(
        math.isfinite(one) and (not is_probability or 0 <= one <= 1) for one in limits.fallback
    )
    if (falls_back or limits.fallback) and not is_answer:
        what = "probability from 0 to 1" if is_probability else "finite number"
        raise SchemaMismatchError(
            f"the fallback {list(limits.fallback)} is no answer of the model",
            next_step=f"give one {what}" if width == 1 else f"give one {what} for each of {width} classes",
        )
