"""Hashes of whole columns: 64 bits, the same in every process and on every machine of either byte order."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_LONG = 512
"""Texts of more bytes are hashed one by one; word by word is quicker below."""
_FIRST, _SECOND, _WORD = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)


def hash_words(words: Hashes) -> Hashes:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): equal words give equal hashes, others hardly ever.

    Example:
        >>> hash_words(np.array([1, 2], dtype=np.uint64)).tolist()
        [6238072747940578789, 15839785061582574730]
    """
    return _finished(_mixed(words))


def hash_words_below(limit: int, words: Hashes) -> Hashes:
    """Those hashes of the words that are below a limit (0 to 2 ** 64 - 1), in their order.

    Example:
        >>> hash_words_below(2**63, np.array([1, 2], dtype=np.uint64)).tolist()
        [6238072747940578789]
    """
    mixed = _mixed(words)
    # The last step leaves the upper 31 bits as they are; they tell of nearly every word on which side it is.
    hashes = _finished(mixed[mixed <= np.uint64(limit | 0x1_FFFF_FFFF)])
    return hashes[hashes < np.uint64(limit)]


def _mixed(words: Hashes) -> Hashes:
    mixed = words >> np.uint64(30)
    mixed ^= words
    mixed *= _FIRST
    shifted = mixed >> np.uint64(27)
    mixed ^= shifted
    mixed *= _SECOND
    return mixed


def _finished(mixed: Hashes) -> Hashes:
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_bytes(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> Hashes:
    """The hash of each run of bytes `data[offsets[i]:offsets[i + 1]]`.

    Example:
        >>> both = np.frombuffer(b"UAAAUA", dtype=np.uint8)
        >>> a, b, c = hash_bytes(np.array([0, 2, 4, 6]), both)
        >>> bool(a == c), bool(a == b)
        (True, False)
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    # Eight zero bytes at the end let every word be read whole; bytes beyond a text's end are masked away.
    padded = np.concatenate([data[: offsets[-1]], np.zeros(8, np.uint8)])
    words = np.lib.stride_tricks.sliding_window_view(padded, 8)
    state = hash_words(lengths.astype(np.uint64) + _WORD)
    active = np.flatnonzero((lengths > 0) & (lengths <= _LONG))
    position = 0
    while len(active):
        left = np.minimum(lengths[active] - position, 8)
        word = words[starts[active] + position].copy().view("<u8").ravel().astype(np.uint64)
        word &= ~np.uint64(0) >> (np.uint64(64) - (left.astype(np.uint64) << np.uint64(3)))
        state[active] = hash_words((state[active] ^ word) * _WORD)
        position += 8
        active = active[lengths[active] > position]
    for index in np.flatnonzero(lengths > _LONG):
        state[index] = _hash_long(data[offsets[index] : offsets[index + 1]])
    return state


def _hash_long(content: npt.NDArray[np.uint8]) -> Any:
    digest = hashlib.blake2b(content.tobytes(), digest_size=8).digest()
    return np.frombuffer(digest, dtype="<u8")[0]
