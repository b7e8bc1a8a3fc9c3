"""The one physical form of an Arrow array.

An array's buffers hold more than its values: an offset into larger buffers, bits after the last one, bytes under
nulls, a bitmap of ones. Here each buffer is cut to size, what no value depends on is zero, and a bitmap stands only
where there is a null. Buffers that are so already are passed on without a copy.
Layouts: https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tidewheel.core.errors import ParameterError

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def canonical_array(array: Any, under: Mask | None = None) -> Any:
    """An equal array in canonical form.

    Args:
        array: any array but unions, views and run-end encoded ones.
        under: which slots exist at all; False where a parent is null.

    Raises:
        ParameterError: the layout has no canonical form here.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return kind.wrap_array(canonical_array(array.storage, under))
    if pa.types.is_null(kind):
        return pa.nulls(len(array))
    if pa.types.is_dictionary(kind):
        return _dictionary(array, under)
    valid = _valid(array, under)
    if pa.types.is_struct(kind):
        children = [canonical_array(array.field(index), valid) for index in range(kind.num_fields)]
        return _build(array, valid, [], children)
    if pa.types.is_fixed_size_list(kind):
        return _fixed_list(array, valid)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _list(array, valid)
    if _is_binary(kind):
        return _binary(array, valid)
    if pa.types.is_boolean(kind):
        bits = _bits(array.buffers()[1], array.offset, len(array))
        return _build(array, valid, [_packed(bits if valid is None else bits & valid)])
    return _build(array, valid, [_fixed_width(array, valid)])


def _is_binary(kind: Any) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def _build(array: Any, valid: Mask | None, buffers: list[Any], children: list[Any] | None = None) -> Any:
    bitmap = None if valid is None else _packed(valid)
    nulls = 0 if valid is None else len(valid) - int(valid.sum())
    return pa.Array.from_buffers(array.type, len(array), [bitmap, *buffers], nulls, children=children or [])


def _valid(array: Any, under: Mask | None) -> Mask | None:
    """Which slots hold a value; None for all."""
    if array.null_count:
        own = _bits(array.buffers()[0], array.offset, len(array))
        valid = own if under is None else own & under
    elif under is None:
        return None
    else:
        valid = under
    return None if valid.all() else valid


def _bits(buffer: Any, offset: int, length: int) -> Mask:
    if length == 0:
        return np.zeros(0, np.bool_)
    first, skip = divmod(offset, 8)
    count = (skip + length + 7) // 8
    packed = np.frombuffer(buffer, np.uint8, count, first)
    return np.unpackbits(packed, bitorder="little")[skip : skip + length].astype(np.bool_)


def _packed(bits: Mask) -> Any:
    return pa.py_buffer(np.packbits(bits, bitorder="little"))


def _fixed_width(array: Any, valid: Mask | None) -> Any:
    try:
        width = array.type.bit_width // 8
    except ValueError:
        raise ParameterError(f"type {array.type} has no canonical form") from None
    buffer = array.buffers()[1]
    if len(array) == 0 or width == 0 or buffer is None:
        return pa.py_buffer(b"")
    data = buffer.slice(array.offset * width, len(array) * width)
    if valid is None:
        return data
    values = np.frombuffer(data, np.uint8).reshape(len(array), width).copy()
    values[~valid] = 0
    return pa.py_buffer(values)


def _offsets(array: Any) -> Any:
    """The offsets of the slots that the array has, as integers of their own width."""
    kind = array.type
    is_large = pa.types.is_large_list(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    dtype = np.dtype(np.int64 if is_large else np.int32)
    if len(array) == 0:
        return np.zeros(1, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array) + 1, array.offset * dtype.itemsize)


def _rebased(offsets: Any, valid: Mask | None) -> tuple[Any, Mask | None]:
    """Offsets from zero in which nulls are empty, and which elements stay (None for all between first and last)."""
    lengths = np.diff(offsets)
    if valid is None or not lengths[~valid].any():
        return (offsets - offsets[0] if offsets[0] else offsets), None
    kept = np.repeat(valid, lengths)
    rebased = np.zeros(len(offsets), offsets.dtype)
    np.cumsum(np.where(valid, lengths, 0), out=rebased[1:])
    return rebased, kept


def _binary(array: Any, valid: Mask | None) -> Any:
    offsets = _offsets(array)
    rebased, kept = _rebased(offsets, valid)
    buffer = array.buffers()[2]
    if buffer is None or offsets[-1] == offsets[0]:
        data = pa.py_buffer(b"")
    else:
        data = buffer.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        if kept is not None:
            data = pa.py_buffer(np.frombuffer(data, np.uint8)[kept])
    return _build(array, valid, [pa.py_buffer(rebased), data])


def _list(array: Any, valid: Mask | None) -> Any:
    offsets = _offsets(array)
    rebased, kept = _rebased(offsets, valid)
    children = _map_entries(array) if pa.types.is_map(array.type) else array.values
    children = children.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    if kept is not None:
        children = children.take(pa.array(np.flatnonzero(kept)))
    return _build(array, valid, [pa.py_buffer(rebased)], [canonical_array(children)])


def _map_entries(array: Any) -> Any:
    fields = [array.type.key_field, array.type.item_field]
    return pa.StructArray.from_arrays([array.keys, array.items], fields=fields)


def _fixed_list(array: Any, valid: Mask | None) -> Any:
    size = array.type.list_size
    children = array.values.slice(array.offset * size, len(array) * size)
    under = None if valid is None else np.repeat(valid, size)
    return _build(array, valid, [], [canonical_array(children, under)])


def _dictionary(array: Any, under: Mask | None) -> Any:
    indices = canonical_array(array.indices, under)
    dictionary = canonical_array(array.dictionary)
    return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=array.type.ordered, safe=True)
