"""Search spaces: plain data that says, for each algorithm, where each of its parameters may lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from tidewheel.core.errors import ParametersError

Scalar = str | int | float | bool | None
Parameters = dict[str, Scalar]
Direction = Literal["maximize", "minimize"]

_KEYS = ("low", "high", "log", "step")
_FORM = 'write {"algorithm": {"parameter": {"low": 0.01, "high": 0.3, "log": True}, "other": ["a", "b"], "third": 7}}'


class Range(msgspec.Struct, frozen=True):
    """Numbers from `low` to `high`, both included; whole ones when both are."""

    low: float | int
    high: float | int
    is_log: bool = False
    step: float | int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Choices(msgspec.Struct, frozen=True):
    """One of some values; of one value only, there is nothing to search."""

    values: tuple[Scalar, ...]


Dimension = Range | Choices
Space = dict[str, dict[str, Dimension]]


class Question(msgspec.Struct, frozen=True):
    """What is to be tried."""

    number: int
    algorithm: str
    parameters: Parameters


def read_space(space: Any) -> Space:
    """The dimensions of a search space, by algorithm and parameter.

    Args:
        space: algorithm -> parameter -> a range `{"low": 1, "high": 9}` with `log` or `step`, a list of choices, or the
            one value that it has. A parameter that only one algorithm knows stands under that one: it is asked for only
            where it counts. JSON types, so that a space can be a pipeline's parameter.

    Raises:
        ParametersError: with everything that is wrong at once, each with its place.

    Example:
        >>> read_space({"forest": {"depth": {"low": 2, "high": 8}}})
        {'forest': {'depth': Range(low=2, high=8, is_log=False, step=None)}}
        >>> read_space({"forest": {"depth": {"low": 8, "high": 2}}})
        Traceback (most recent call last):
        ...
        tidewheel.core.errors.ParametersError: the search space is not fit for a search
          - low 8 is not below high 2 @ forest.depth
          next:  ...
    """
    problems: list[str] = []
    found: Space = {}
    if not isinstance(space, Mapping) or not space:
        problems.append("it names no algorithm")
        space = {}
    for algorithm, parameters in space.items():
        if not isinstance(parameters, Mapping) or {"low", "high"} & parameters.keys():
            problems.append(f"it has no parameters by name: parameters stand under their algorithm @ {algorithm}")
            continue
        found[str(algorithm)] = {}
        for name, given in parameters.items():
            dimension = _read(given)
            if isinstance(dimension, str):
                problems.append(f"{dimension} @ {algorithm}.{name}")
            else:
                found[str(algorithm)][str(name)] = dimension
    if problems:
        raise ParametersError("the search space is not fit for a search", problems, next_step=_FORM)
    return found


def _read(given: Any) -> Dimension | str:
    """The dimension, or what is wrong with it."""
    if isinstance(given, Mapping):
        return _read_range(given)
    if isinstance(given, list | tuple):
        return _read_choices(tuple(given))
    if given is None or isinstance(given, str | int | float):
        return _read_choices((given,))
    return f"{type(given).__name__} is neither a range, a list of choices nor a value"


def _read_choices(values: tuple[Any, ...]) -> Choices | str:
    if not values:
        return "the list of choices is empty"
    for value in values:
        if isinstance(value, np.generic):
            return f"choice {value} is a number of NumPy: write `.tolist()` behind the array"
        if value is not None and not isinstance(value, str | int | float):
            return f"choice {value!r} is no text, number, boolean or None"
        if isinstance(value, float) and not math.isfinite(value):
            return f"choice {value} is not finite"
    if len({(type(value), value) for value in values}) < len(values):
        return "a choice stands there twice"
    return Choices(values)


def _read_range(given: Mapping[str, Any]) -> Range | str:
    unknown = sorted(set(map(str, given)) - set(_KEYS))
    if unknown:
        return f"{unknown[0]!r} says nothing about a range: it has {', '.join(_KEYS)}"
    missing = [key for key in ("low", "high") if given.get(key) is None]
    if missing:
        return f"the range has no {' and no '.join(missing)}"
    low, high, step = given["low"], given["high"], given.get("step")
    for key, number in (("low", low), ("high", high), ("step", step)):
        if isinstance(number, np.generic):
            return f"{key} {number} is a number of NumPy: write {key} as `{key}.item()`"
        if isinstance(number, bool) or not isinstance(number, int | float | None):
            return f"{key} {number!r} is no number"
        if number is not None and not math.isfinite(number):
            return f"{key} {number} is not finite"
    return _problem(low, high, bool(given.get("log")), step) or Range(low, high, bool(given.get("log")), step)


def _problem(low: float, high: float, is_log: bool, step: float | None) -> str:
    if low >= high:
        return f"low {low} is not below high {high}"
    if is_log and low <= 0:
        return f"low {low} has no logarithm: it must be above 0"
    if step is None:
        return ""
    if is_log:
        return "a logarithmic range has no step"
    is_whole = isinstance(low, int) and isinstance(high, int)
    if step <= 0 or step > high - low:
        return f"step {step} does not fit between {low} and {high}"
    return "a range of whole numbers has a whole step" if is_whole and not isinstance(step, int) else ""
