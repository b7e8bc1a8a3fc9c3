"""Pipelines: pure functions that compose steps; calling one draws its plan."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, overload

from tidewheel.core.errors import DefinitionError, ParametersError, TidewheelError
from tidewheel.pipeline.parameters import Parameter, declared_parameters, parse_parameters, to_json
from tidewheel.pipeline.plan import Plan
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.step_signature import SINGLE
from tidewheel.pipeline.tracing import Trace, current_trace, holds_refs, tracing


class Pipeline:
    """A decorated function that composes steps.

    Attributes:
        name: as it is run by.
        function: the function itself.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name or function.__name__

    @property
    def address(self) -> str:
        """`module:function`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its declared parameters."""
        return declared_parameters(self.function)

    def plan(self, **parameters: Any) -> Plan:
        """Traces the function once; runs no step.

        Args:
            parameters: its arguments, as values or text.

        Raises:
            ParametersError: arguments are missing, unknown or of the wrong type.
            DefinitionError: with everything that is wrong in the definition.
        """
        self._check_arguments()
        values = parse_parameters(self.function, parameters)
        trace = Trace(self.name)
        try:
            with tracing(trace):
                result = self.function(**values)
            outputs = _outputs(result, trace)
        except Exception as error:
            if not trace.problems:
                raise
            # What was found before is most likely its cause, and is to be corrected in any case.
            told = error.what if isinstance(error, TidewheelError) else f"{type(error).__name__}: {error}"
            trace.note(told, "after these")
            raise self._refusal(trace.problems) from error
        if trace.problems:
            raise self._refusal(trace.problems)
        return Plan(
            pipeline=self.name,
            address=self.address,
            parameters={name: to_json(value) for name, value in values.items()},
            nodes=tuple(trace.nodes),
            outputs=outputs,
        )

    def __call__(self, **parameters: Any) -> Any:
        """The plan; inside another pipeline its calls become part of that one, and its result is handed on."""
        trace = current_trace()
        if trace is None:
            return self.plan(**parameters)
        with trace.nested(self.name):
            return self.function(**self._nested_arguments(trace, parameters))

    def __repr__(self) -> str:
        return f"<pipeline {self.name} {self.address}>"

    def _nested_arguments(self, trace: Trace, parameters: dict[str, Any]) -> dict[str, Any]:
        """Outputs of steps and what is no JSON (a step to be called, for one) as they are; the rest typed."""
        self._check_arguments()
        data = {name: value for name, value in parameters.items() if holds_refs(value) or not _is_json(value)}
        rest = {name: value for name, value in parameters.items() if name not in data}
        try:
            return parse_parameters(self.function, rest, elsewhere=data) | data
        except ParametersError as error:
            raise self._refusal([*trace.problems, *error.problems]) from None

    def _refusal(self, problems: Sequence[str], next_step: str = "") -> DefinitionError:
        return DefinitionError(f"pipeline {self.name!r} cannot run", problems, where=self.address, next_step=next_step)

    def _check_arguments(self) -> None:
        positional = [
            name
            for name, one in inspect.signature(self.function).parameters.items()
            if one.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        if positional:
            raise self._refusal(
                [f"argument {name!r} is not keyword-only @ {self.name}" for name in positional],
                "write a * before the parameters: def training(*, until: date)",
            )
        try:
            typing.get_type_hints(self.function)
        except Exception as error:  # an annotation is code, and can fail in any way
            raise self._refusal([f"its annotations cannot be resolved: {error} @ {self.name}"]) from error


def _is_json(value: Any) -> bool:
    try:
        to_json(value)
    except TypeError:
        return False
    return True


def _outputs(result: Any, trace: Trace) -> dict[str, tuple[str, str]]:
    if result is None:
        return {}
    named = {SINGLE: result} if isinstance(result, Ref) else _fields(result)
    if named is None or not all(isinstance(value, Ref) for value in named.values()):
        trace.note(f"it returns {type(result).__name__}, not outputs of steps", "return")
        return {}
    return {name: (ref.node, ref.output) for name, ref in named.items()}


def _fields(result: Any) -> dict[str, Any] | None:
    if isinstance(result, dict):
        return {str(name): value for name, value in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_asdict"):
        return dict(result._asdict())
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return None


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(*, name: str | None = ...) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None
) -> Pipeline | Callable[[Callable[..., Any]], Pipeline]:
    """Declares a pipeline: a pure function with keyword-only parameters whose body calls steps.

    Ordinary loops and conditions over parameters are fine; they are carried out while tracing.

    Example:
        >>> from tidewheel.pipeline import step
        >>> @pipeline
        ... def nothing(*, days: int = 14):
        ...     return None
        >>> nothing().parameters
        {'days': 14}
    """
    if function is not None:
        return Pipeline(function, name)
    return lambda decorated: Pipeline(decorated, name)
