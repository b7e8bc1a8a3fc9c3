from __future__ import annotations

import math
import operator

import pytest

from example_steps import double, number, outer
from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline import Ref, pipeline

REF = Ref("train", "model", ("object",))


def use_with(ref):
    with ref:
        pass


def change(ref):
    ref["key"] = 1


def unpack(ref):
    first, second = ref
    return first, second


MISUSES = {
    "if": lambda ref: 1 if ref else 2,
    "not": lambda ref: not ref,
    "and": lambda ref: ref and 1,
    "while": lambda ref: next(1 for _ in [0] if ref),
    "==": lambda ref: ref == 1,
    "1 ==": lambda ref: 1 == ref,  # noqa: SIM300
    "!=": lambda ref: ref != 1,
    "<": lambda ref: ref < 1,
    "1 <": lambda ref: 1 < ref,  # noqa: SIM300
    ">=": lambda ref: ref >= 1,
    "in a list": lambda ref: 3 in [ref],
    "+": lambda ref: ref + 1,
    "1 +": lambda ref: 1 + ref,
    "sum": lambda ref: sum([ref]),
    "-": lambda ref: -ref,
    "@": lambda ref: ref @ ref,
    "**": lambda ref: 2**ref,
    "divmod": lambda ref: divmod(ref, 2),
    "+=": lambda ref: operator.iadd(ref, 1),
    "abs": abs,
    "round": round,
    "floor": math.floor,
    "int": int,
    "float": float,
    "range": range,
    "iterate": list,
    "unpack": unpack,
    "reversed": reversed,
    "len": len,
    "index": lambda ref: ref[0],
    "change": change,
    "search": lambda ref: 1 in ref,
    "call": lambda ref: ref(),
    "f-string": lambda ref: f"{ref}",
    "f-string with a format": lambda ref: f"{ref:.2f}",
    "str": str,
    "attribute": lambda ref: ref.shape,
    "method": lambda ref: ref.head(3),
    "with": use_with,
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_a_value_that_is_not_there_yet_cannot_be_used(misuse):
    with pytest.raises(DefinitionError, match=r"train\.model is no value yet") as caught:
        misuse(REF)
    assert "inside a step" in caught.value.next_step
    assert "'train'" in caught.value.where


def test_what_debuggers_and_the_library_need_works():
    assert repr(REF) == "<ref train.model>"
    assert {REF: 1}[REF] == 1
    assert not hasattr(REF, "__array__")
    assert isinstance(REF, Ref)


def test_misuse_comes_together_with_what_was_wrong_before():
    @pipeline
    def flow():
        one = double(number(valeu=3))
        if one:
            return one
        return None

    with pytest.raises(DefinitionError) as caught:
        flow()
    first, last = caught.value.problems
    assert "valeu" in first
    assert "double.output is no value yet" in last


def test_misuse_alone_is_told_as_it_is():
    @pipeline
    def flow():
        return outer(start=number() + 1)

    with pytest.raises(DefinitionError, match="computed with"):
        flow()
