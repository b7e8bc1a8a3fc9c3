from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.statistics.hashing import hash_words, hash_words_below
from tidewheel.statistics.profile_pass import profile_batches, profile_table
from tidewheel.statistics.text_column import count_texts

TEXTS = st.lists(st.one_of(st.none(), st.text("abé", max_size=3)), max_size=40)
SCHEMA = pa.schema({"text": pa.string()})


def batch(array: pa.Array) -> pa.RecordBatch:
    return pa.record_batch([array], ["text"])


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=5), st.integers(1, 3))
def test_pieces_of_any_encoding_give_the_profile_of_their_texts(pieces, threads):
    arrays = [pa.array(texts, pa.string()) for texts, _ in pieces]
    encoded = [
        array.dictionary_encode() if is_encoded else array
        for array, (_, is_encoded) in zip(arrays, pieces, strict=True)
    ]
    profile = profile_batches(map(batch, encoded), SCHEMA, threads=threads)
    plain = profile_batches(map(batch, arrays), SCHEMA, threads=1)
    assert profile.to_bytes() == plain.to_bytes()
    assert dict(profile.column("text").frequent.counts) == Counter(
        text for texts, _ in pieces for text in texts if text is not None
    )


def test_many_pieces_of_one_dictionary_and_then_of_another_are_all_counted():
    first, second = pa.array(["a", "b", "unused"]), pa.array(["b", "c"])
    codes = pa.array([0, 1, None, 1])
    pieces = [pa.DictionaryArray.from_arrays(codes, values) for values in [first] * 40 + [second] * 40 + [first]]
    found = profile_batches(map(batch, pieces), SCHEMA).column("text")
    assert dict(found.frequent.counts) == {"a": 41, "b": 122, "c": 80}
    assert (found.row_count, found.null_count, found.distinct_count) == (324, 81, 3)


@pytest.mark.parametrize("index", [pa.int8(), pa.uint8(), pa.int64(), pa.uint64()])
def test_indices_may_be_of_any_type(index):
    array = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], index), pa.array(["a", "b"]))
    assert count_texts(array).counts.tolist() == [1, 2]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(0, 2**64 - 1))
def test_hashes_below_a_limit_are_those_of_all_hashes(numbers, limit):
    words = np.array(numbers, np.uint64)
    hashes = hash_words(words)
    assert hash_words_below(limit, words).tolist() == hashes[hashes < np.uint64(limit)].tolist()
    for one in hashes.tolist()[:3]:  # at the very limit
        assert hash_words_below(one, words).tolist() == hashes[hashes < np.uint64(one)].tolist()


def test_both_zeros_are_one_cell_beside_negative_numbers():
    numbers = np.concatenate([np.linspace(-90, 80, 40_000), [0.0, -0.0]])
    found = profile_table(pa.table({"x": numbers})).column("x").cells
    low, high = found.edges
    zero = (low <= 0) & (high >= 0)
    assert found.total == len(numbers)
    assert int(found.counts[zero].sum()) >= 2
    assert not (found.keys == -1).any()
