"""What a step takes and gives, read from its annotations once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from tidewheel.pipeline.parameters import to_json
from tidewheel.pipeline.plan import OutputSpec
from tidewheel.pipeline.type_names import told, type_names

SINGLE = "output"


class StepSignature(msgspec.Struct, frozen=True):
    """A step's arguments, outputs and what is wrong with their declaration.

    Attributes:
        inputs: names of the positional-or-keyword arguments: data.
        parameters: names of the keyword-only ones.
        defaults: JSON defaults of parameters.
        hints: resolved annotations.
        outputs: declared outputs.
        result: the NamedTuple that bundles several outputs; None for a single one.
        problems: in words.
    """

    signature: inspect.Signature
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    defaults: dict[str, Any]
    hints: dict[str, Any]
    outputs: tuple[OutputSpec, ...]
    result: type | None
    problems: tuple[str, ...]


def read_signature(function: Callable[..., Any]) -> StepSignature:
    """Reads a function's declaration; never raises, problems are told when it is called in a pipeline."""
    signature = inspect.signature(function)
    problems: list[str] = []
    if "<locals>" in function.__qualname__ or function.__name__ == "<lambda>":
        problems.append("it is not defined at the top of a module, so a worker cannot import it")
    try:
        hints = typing.get_type_hints(function)
    except Exception as error:
        hints = {}
        problems.append(f"its annotations cannot be resolved: {error}")
    inputs, parameters, defaults = [], [], {}
    for name, one in signature.parameters.items():
        if one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            problems.append(f"argument {one} has no fixed name")
            continue
        if one.annotation is inspect.Parameter.empty:
            problems.append(f"argument {name!r} has no type annotation")
        if one.kind is not inspect.Parameter.KEYWORD_ONLY:
            inputs.append(name)
            continue
        parameters.append(name)
        if one.default is not inspect.Parameter.empty:
            try:
                defaults[name] = to_json(one.default)
            except TypeError:
                problems.append(f"the default of parameter {name!r} is no JSON value: {one.default!r}")
    if signature.return_annotation is inspect.Signature.empty:
        problems.append("it has no return annotation")
    declared = hints.get("return", Any)
    return StepSignature(
        signature=signature,
        inputs=tuple(inputs),
        parameters=tuple(parameters),
        defaults=defaults,
        hints=hints,
        outputs=_outputs(declared, problems),
        result=declared if _is_bundle(declared) else None,
        problems=tuple(problems),
    )


def _is_bundle(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, tuple) and hasattr(declared, "_fields")


def _outputs(declared: Any, problems: list[str]) -> tuple[OutputSpec, ...]:
    if not _is_bundle(declared):
        return (OutputSpec(name=SINGLE, annotation=told(declared), type_names=type_names(declared)),)
    try:
        fields = typing.get_type_hints(declared)
    except Exception as error:
        problems.append(f"the annotations of {declared.__name__} cannot be resolved: {error}")
        fields = dict.fromkeys(declared._fields, Any)
    return tuple(
        OutputSpec(name=name, annotation=told(fields.get(name, Any)), type_names=type_names(fields.get(name, Any)))
        for name in declared._fields
    )
