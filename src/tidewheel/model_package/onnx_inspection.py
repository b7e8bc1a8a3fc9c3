"""What an ONNX file would do, read from its bytes alone, before a runtime sees it.

ONNX is protobuf (https://protobuf.dev/programming-guides/encoding); the few messages that matter here are walked
without building anything. A file may name others to read its tensors from, tell sizes that it does not have, bring
operators of foreign libraries, or make texts grow: each is refused. Numbers that a graph computes are bounded where it
runs, see `onnxruntime_memory`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tidewheel.core.errors import UnreadableFileError

_DOMAINS = {b"", b"ai.onnx", b"ai.onnx.ml"}
# TensorProto.data_type -> bytes of an element; of text and what is packed no size is told.
_SIZES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}
_DEEPEST = 16
# Texts are held outside of the memory that is bounded, and no model needs longer ones than it was sent.
_TEXT_MAKERS = {b"StringConcat", b"RegexFullReplace"}

_Value = int | memoryview


def inspect_onnx(data: bytes) -> None:
    """Looks through a model file.

    Raises:
        UnreadableFileError: it reads other files, has tensors larger than itself, brings functions or operators of its
            own, makes longer texts, or is no such file.
    """
    try:
        for number, value in _fields(memoryview(data)):
            if number == 7:
                _check_graph(_message(value), 0)
            elif number == 8:
                _check_opset(_message(value))
            elif number in (20, 25):
                raise UnreadableFileError("model.onnx brings functions of its own")
    except (ValueError, IndexError) as error:
        raise UnreadableFileError(f"model.onnx cannot be loaded: {error}") from None


def _check_opset(opset: memoryview) -> None:
    for number, value in _fields(opset):
        if number == 1 and bytes(_message(value)) not in _DOMAINS:
            raise UnreadableFileError(f"model.onnx needs operators of {bytes(_message(value))!r}")


def _check_graph(graph: memoryview, depth: int) -> None:
    if depth > _DEEPEST:
        raise UnreadableFileError("model.onnx has graphs too deep in each other")
    for number, value in _fields(graph):
        if number == 1:
            _check_node(_message(value), depth)
        elif number == 5:
            _check_tensor(_message(value))
        elif number == 15:
            raise UnreadableFileError("model.onnx has sparse tensors")


def _check_node(node: memoryview, depth: int) -> None:
    for number, value in _fields(node):
        if number == 4 and bytes(_message(value)) in _TEXT_MAKERS:
            raise UnreadableFileError(f"model.onnx makes texts by {bytes(_message(value)).decode()}")
        if number == 7 and bytes(_message(value)) not in _DOMAINS:
            raise UnreadableFileError(f"model.onnx needs an operator of {bytes(_message(value))!r}")
        if number == 5:
            _check_attribute(_message(value), depth)


def _check_attribute(attribute: memoryview, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):
            _check_tensor(_message(value))
        elif number in (6, 11):
            _check_graph(_message(value), depth + 1)
        elif number in (22, 23):
            raise UnreadableFileError("model.onnx has sparse tensors")


def _check_tensor(tensor: memoryview) -> None:
    sizes: list[int] = []
    kind = 0
    for number, value in _fields(tensor):
        if number in (13, 14) and value != 0:
            raise UnreadableFileError("model.onnx would read a tensor from another file")
        if number == 1:
            sizes += [value] if isinstance(value, int) else list(_varints(value))
        elif number == 2:
            kind = value if isinstance(value, int) else 0
    count = math.prod(sizes)
    # Narrow numbers may stand in a wider field, never in a narrower one; a text takes at least its length.
    if any(size >= 1 << 63 for size in sizes) or count * _SIZES.get(kind, 1) // 8 > len(tensor):
        raise UnreadableFileError(f"model.onnx tells of a tensor of {count:,} values, which it does not hold")


def _message(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a message is a number")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
    """Field numbers with their values: numbers, or bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            number, place = _varint(message, place)
            yield tag >> 3, number
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, place = _varint(message, place)
        if length is None or place + length > len(message):
            raise ValueError(f"it breaks off at byte {place}")
        yield tag >> 3, message[place : place + length]
        place += length


def _varints(packed: memoryview) -> Iterator[int]:
    place = 0
    while place < len(packed):
        number, place = _varint(packed, place)
        yield number


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
        if shift > 63:
            raise ValueError(f"a number is too long at byte {place}")
