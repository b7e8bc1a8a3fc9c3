"""Identity: every digest that Tidewheel makes is made here.

A digest is BLAKE3-256 in hexadecimal. Its *kind* (a fingerprint, an artifact of a codec, a plan, ...) enters as the
derive-key context of BLAKE3 (section 2.3 of its specification), so equal bytes of two kinds never share a digest.
Structured values are encoded as MessagePack with sorted keys, which is canonical for the JSON types: integers take
their shortest form, `1`, `1.0` and `"1"` differ, maps are ordered, and every element carries its length, so no two
values run together.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from blake3 import blake3

_CONTEXT = "tidewheel 2026 "
_CHUNK_BYTES = 1 << 20
_PARALLEL_FROM_BYTES = 1 << 22

_encoder = msgspec.msgpack.Encoder(order="sorted")


class Hasher:
    """Digests bytes as they come.

    Args:
        kind: what the bytes are; two kinds never share a digest.

    Example:
        >>> hasher = Hasher("note")
        >>> hasher.update(b"tide")
        >>> hasher.hexdigest() == digest_bytes("note", b"tide")
        True
    """

    def __init__(self, kind: str) -> None:
        self._state = blake3(derive_key_context=_CONTEXT + kind, max_threads=blake3.AUTO)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._state.update(data)

    def hexdigest(self) -> str:
        """64 hexadecimal characters."""
        return str(self._state.hexdigest())


def digest_bytes(kind: str, data: bytes | memoryview) -> str:
    """The digest of one run of bytes.

    Example:
        >>> digest_bytes("a", b"x") == digest_bytes("b", b"x")
        False
    """
    threads = blake3.AUTO if len(data) >= _PARALLEL_FROM_BYTES else 1
    return str(blake3(data, derive_key_context=_CONTEXT + kind, max_threads=threads).hexdigest())


def digest_value(kind: str, value: Any) -> str:
    """The digest of a JSON-like value: None, bool, int, float, str, bytes, list, dict, or a record of these.

    What else has a JSON form (a tuple, date, enum, UUID) has the digest of that form.

    Raises:
        TypeError: the value holds something without a canonical encoding, such as a key that is no text, or an integer
            of more than 64 bits.

    Example:
        >>> digest_value("p", {"a": 1, "b": 2}) == digest_value("p", {"b": 2, "a": 1})
        True
        >>> digest_value("p", 1) == digest_value("p", 1.0)
        False
    """
    try:
        return digest_bytes(kind, _encoder.encode(value))
    except OverflowError as error:
        raise TypeError(f"no canonical encoding: {error}") from None


def digest_stream(kind: str, stream: BinaryIO) -> str:
    """The digest of what is left in a binary stream."""
    hasher = Hasher(kind)
    while chunk := stream.read(_CHUNK_BYTES):
        hasher.update(chunk)
    return hasher.hexdigest()


def digest_file(kind: str, path: Path | str) -> str:
    """The digest of a file's content; large files are mapped and hashed on all cores.

    Raises:
        OSError: the file cannot be read.
    """
    if os.path.getsize(path) < _PARALLEL_FROM_BYTES:
        with open(path, "rb") as stream:
            return digest_bytes(kind, stream.read())
    state = blake3(derive_key_context=_CONTEXT + kind, max_threads=blake3.AUTO)
    state.update_mmap(path)
    return str(state.hexdigest())
