"""What a codec promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Protocol


class Codec(Protocol):
    """Turns values of some types into bytes, and back.

    Guarantees:
        * Deterministic: equal values give equal bytes, in any process, whatever its hash seed, clock or host. Floats
          are equal when their bits are.
        * Exact: `decode` gives a value that equals what `encode` took; what would be lost is refused on `encode`.
        * Safe: `decode` runs no code that the bytes name. There is no pickle.
        * Stateless: one instance may be used by many threads.
        * A change of the bytes for equal values, or of what `decode` understands, is a new `version`. A codec reads
          its own version only: an older version stays a codec of its own.

    `encode` streams into `stream`, which is not seekable, and may leave it half written when it raises. `decode` may
    return a value that is backed by the read-only file at `path`.

    Errors of `encode`: CodecNotFoundError for a type within the value that cannot be stored (`where` is its path),
    ParameterError for a value that has no exact or no deterministic form, StorageError from the stream. Errors of
    `decode`: UnreadableFileError for bytes that are not of this codec, SchemaMismatchError when the value does not fit
    `as_type`.
    """

    name: str
    version: int

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the value's bytes; returns a summary of JSON types, such as rows and columns."""
        ...

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The value in the file; `as_type` is the annotation that its reader has, where there is one."""
        ...


def identity_of(codec: Codec) -> str:
    """What enters digests and fingerprints, such as `arrow/1`."""
    return f"{codec.name}/{codec.version}"
