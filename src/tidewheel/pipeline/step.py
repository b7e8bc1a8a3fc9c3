"""Steps: plain functions outside of a pipeline, calls in a plan inside of one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, overload

from tidewheel.core.errors import ParameterError
from tidewheel.pipeline.literals import check_argument
from tidewheel.pipeline.parameters import bind_value, to_json
from tidewheel.pipeline.plan import InputSpec, StepOptions
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.step_signature import StepSignature, read_signature
from tidewheel.pipeline.tracing import Trace, current_trace, input_spec, is_inside_step
from tidewheel.pipeline.type_names import told, type_names

P = ParamSpec("P")
R = TypeVar("R")

_LOOKED_UP = ("tidewheel.Table", "tidewheel.Champion", "tidewheel.Reference", "pyarrow.lib.Table")
"""Types of outputs that a worker adapts to what the step asks for."""


class Step(Generic[P, R]):
    """A decorated function.

    Attributes:
        function: the function itself.
        name: the function's name.
        options: how it is carried out.
    """

    def __init__(self, function: Callable[P, R], options: StepOptions) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.options = options

    @property
    def address(self) -> str:
        """`module:function`, by which a worker imports it."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @cached_property
    def signature(self) -> StepSignature:
        """Its arguments and outputs."""
        return read_signature(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        trace = current_trace()
        if trace is None or is_inside_step():
            return self.function(*args, **kwargs)
        recorded: R = self._record(trace, args, kwargs)
        return recorded

    def __repr__(self) -> str:
        return f"<step {self.address}>"

    def _record(self, trace: Trace, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        declared = self.signature
        for problem in declared.problems:
            trace.note(problem, self.name)
        try:
            given = declared.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            trace.note(str(error), self.name)
            given = {}
        inputs: dict[str, InputSpec] = {}
        parameters: dict[str, Any] = dict(declared.defaults)
        for name, value in given.items():
            if name in declared.parameters and not isinstance(value, Ref):
                self._take_parameter(trace, name, value, parameters)
            else:
                parameters.pop(name, None)
                self._take_input(trace, name, value, inputs)
        for name in declared.inputs:  # a default of a data argument is a literal like any other
            default = declared.signature.parameters[name].default
            if name not in given and default is not declared.signature.empty:
                self._take_input(trace, name, default, inputs)
        node = trace.add(
            "step",
            self.name,
            declared.outputs,
            step=self.address,
            step_name=self.name,
            parameters=parameters,
            inputs=inputs,
            input_types={name: type_names(declared.hints.get(name, Any)) for name in inputs},
            options=self.options,
        )
        refs = [Ref(node.id, output.name, output.type_names) for output in node.outputs]
        return declared.result(*refs) if declared.result else refs[0]

    def _take_parameter(self, trace: Trace, name: str, value: Any, parameters: dict[str, Any]) -> None:
        annotation = self.signature.hints.get(name, Any)
        try:
            parameters[name] = to_json(bind_value(value, annotation) if isinstance(value, str) else value)
            bind_value(value, annotation)
        except ParameterError as error:
            trace.note(f"parameter {name!r}: {error.what}", self.name)
        except TypeError:
            trace.note(f"parameter {name!r} is no JSON value: {value!r}", self.name)

    def _take_input(self, trace: Trace, name: str, value: Any, inputs: dict[str, InputSpec]) -> None:
        annotation = self.signature.hints.get(name, Any)
        try:
            inputs[name] = input_spec(value)
            check_argument(value, annotation)
        except ParameterError as error:
            trace.note(f"argument {name!r}: {error.what}", self.name)
            return
        except TypeError:
            kind = type(value).__name__
            trace.note(f"argument {name!r} is neither a step's output nor a JSON value: {kind}", self.name)
            return
        if isinstance(value, Ref) and not _fits(value, annotation):
            trace.note(
                f"argument {name!r} must be {told(annotation)}, but {value!r} is {value.type_names[0]}", self.name
            )


def _fits(ref: Ref, annotation: Any) -> bool:
    """False only when it is certain that the types exclude each other: two plain classes, neither above the other."""
    wanted = type_names(annotation)
    if not isinstance(annotation, type) or ref.type_names[0] in ("object", *_LOOKED_UP) or wanted[0] == "object":
        return True
    if ref.type_names[0] in wanted or wanted[0] in ref.type_names:
        return True
    return {wanted[0], ref.type_names[0]} <= {"int", "float"} or _are_frames(wanted[0], ref.type_names[0])


def _are_frames(*names: str) -> bool:
    return all(name.split(".")[0] in ("pandas", "pyarrow") for name in names)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    retries: int = ...,
    backoff_s: float = ...,
    timeout_s: float | None = ...,
    cpu: int = ...,
    cache: bool = ...,
    files: Sequence[str] = ...,
    variables: Sequence[str] = ...,
    seed: int = ...,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    retries: int = 0,
    backoff_s: float = 1.0,
    timeout_s: float | None = None,
    cpu: int = 1,
    cache: bool = True,
    files: Sequence[str] = (),
    variables: Sequence[str] = (),
    seed: int = 0,
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Declares a step. Positional arguments are data, keyword-only arguments are parameters.

    Called inside a `@pipeline` it records a call and gives Refs; called anywhere else it is the plain function.

    Args:
        retries: further attempts after one that failed.
        backoff_s: pause before the first of them, doubled each time.
        timeout_s: an attempt that runs longer is ended.
        cpu: threads that its libraries may use.
        cache: whether an equal execution may be taken instead; False for the impure.
        files: paths in the project that it reads.
        variables: environment variables that it reads.
        seed: of its random generators.

    Raises:
        ParameterError: an option is out of its range.

    Example:
        >>> @step
        ... def double(number: int, *, times: int = 2) -> int:
        ...     return number * times
        >>> double(4)
        8
    """
    options = StepOptions(
        retries=retries,
        backoff_s=backoff_s,
        timeout_s=timeout_s,
        cpu=cpu,
        is_cached=cache,
        files=tuple(files),
        variables=tuple(variables),
        seed=seed,
    )
    if retries < 0 or backoff_s < 0 or cpu < 1 or (timeout_s is not None and timeout_s <= 0):
        raise ParameterError(
            f"step options are out of range: {retries=}, {backoff_s=}, {cpu=}, {timeout_s=}",
            next_step="retries and backoff_s are at least 0, cpu at least 1, timeout_s above 0",
        )
    if function is not None:
        return Step(function, options)
    return lambda decorated: Step(decorated, options)
