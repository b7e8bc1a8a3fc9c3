"""Arrays of numpy in numpy's own file format, written without a copy and read by mapping."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.core.errors import ParameterError, UnreadableFileError

_MAP_FROM_BYTES = 1 << 20


class NumpyCodec:
    """Stores `numpy.ndarray` as `.npy` in C order, and numpy's scalars that Python has no equal for.

    Arrays come back read-only; from a megabyte on they stay in the mapped file. A scalar is an array without dimensions
    whose header says Fortran order, which arrays never say here.
    """

    name = "numpy"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes header and data.

        Raises:
            ParameterError: an array of objects, or of a type whose bytes are not all defined.
        """
        import numpy as np

        is_scalar = isinstance(value, np.generic)
        if not is_scalar and type(value) not in (np.ndarray, np.memmap):
            raise ParameterError(
                f"an array of the subclass {type(value).__qualname__} would come back as a plain array",
                next_step="return its plain arrays, such as numpy.asarray(value), or data and mask",
            )
        array = canonical_array(np.asarray(value))
        descr = np.lib.format.dtype_to_descr(array.dtype)
        header = io.BytesIO()
        np.lib.format.write_array_header_2_0(header, {"descr": descr, "fortran_order": is_scalar, "shape": array.shape})
        stream.write(header.getvalue())
        if array.nbytes:
            stream.write(memoryview(array.reshape(-1).view(np.uint8)))
        return {"shape": list(array.shape), "dtype": str(array.dtype)}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The array, read-only."""
        import numpy as np

        try:
            with open(path, "rb") as stream:
                np.lib.format.read_magic(stream)
                shape, is_scalar, _ = np.lib.format.read_array_header_2_0(stream)
            if path.stat().st_size >= _MAP_FROM_BYTES:
                return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise UnreadableFileError(
                f"this is no stored array: {error}", where=str(path), next_step="run the step that made it again"
            ) from error
        if is_scalar and shape == ():
            return array[()]
        array.flags.writeable = False
        return array


def canonical_array(array: Any) -> Any:
    """The array in C order, with zeros where its type leaves bytes undefined; itself if it is so already.

    Raises:
        ParameterError: elements are objects, or have bytes that carry no value.
    """
    import numpy as np

    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T":
        raise ParameterError(
            f"an array of dtype {dtype} holds Python objects, which have no bytes of their own",
            next_step="give it a dtype of fixed size, such as float64 or U32, or return a list or a table",
        )
    if _has_long_double(dtype):
        raise ParameterError(
            f"dtype {dtype} has undefined bytes and differs between platforms", next_step="convert it to float64"
        )
    if dtype.fields is not None and _is_padded(dtype):
        filled = np.zeros(array.shape, dtype)
        _copy_fields(filled, array)
        return filled
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _has_long_double(dtype: Any) -> bool:
    if dtype.subdtype is not None:
        return _has_long_double(dtype.subdtype[0])
    if dtype.fields is not None:
        return any(_has_long_double(field[0]) for field in dtype.fields.values())
    return dtype.char in "gG"


def _is_padded(dtype: Any) -> bool:
    if dtype.subdtype is not None:
        return _is_padded(dtype.subdtype[0])
    if dtype.fields is None:
        return False
    parts = [field[0] for field in dtype.fields.values()]
    return sum(part.itemsize for part in parts) != dtype.itemsize or any(map(_is_padded, parts))


def _copy_fields(target: Any, source: Any) -> None:
    """Field by field: assigning whole records may copy the padding too."""
    for name in source.dtype.names:
        if source.dtype[name].fields is not None:
            _copy_fields(target[name], source[name])
        else:
            target[name] = source[name]
