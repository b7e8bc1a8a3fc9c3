from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.core.digest import Hasher, digest_bytes, digest_file, digest_stream, digest_value
from tidewheel.core.records import Evidence

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


def typed(value):
    """A form in which two values are equal only when they are the same, types and the sign of zero included."""
    if isinstance(value, dict):
        return ("dict", tuple(sorted((key, typed(one)) for key, one in value.items())))
    if isinstance(value, list):
        return ("list", tuple(typed(one) for one in value))
    return (type(value).__name__, repr(value))


@given(values, values)
def test_two_values_share_a_digest_only_when_they_are_the_same(one, other):
    assert (digest_value("kind", one) == digest_value("kind", other)) == (typed(one) == typed(other))


@given(st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_neighbours_do_not_run_together(left, right):
    moved = [left[:-1], [*left[-1:], *right]]
    if typed(moved) != typed([left, right]):
        assert digest_value("kind", [left, right]) != digest_value("kind", moved)


@given(st.text(max_size=6), st.text(max_size=6), st.binary(max_size=20))
def test_equal_bytes_of_two_kinds_never_share_a_digest(kind, other, data):
    assert (digest_bytes(kind, data) == digest_bytes(other, data)) == (kind == other)


@given(st.dictionaries(st.text(max_size=5), values, max_size=6), st.randoms())
def test_the_order_of_a_dict_does_not_matter(value, random):
    keys = list(value)
    random.shuffle(keys)
    assert digest_value("kind", {key: value[key] for key in keys}) == digest_value("kind", value)


def test_the_look_alikes_of_one_differ():
    look_alikes = [1, 1.0, "1", True, b"1", [1], {"1": 1}, None]
    assert len({digest_value("kind", value) for value in look_alikes}) == len(look_alikes)


def test_a_record_has_the_digest_of_its_fields():
    record = Evidence(kind="run", ref="7")
    assert digest_value("kind", record) == digest_value("kind", {"ref": "7", "note": "", "kind": "run"})


def test_what_has_a_json_form_has_its_digest():
    assert digest_value("kind", (1, date(2013, 4, 1))) == digest_value("kind", [1, "2013-04-01"])


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**64, -(2**63) - 1, {"a": [object()]}, 1j])
def test_what_has_no_canonical_encoding_is_refused(value):
    with pytest.raises(TypeError):
        digest_value("kind", value)


def test_a_digest_stays_what_it_was():
    """Digests are stored: a change of these breaks every workspace."""
    assert digest_bytes("kind", b"tide") == "19ec7abda3850cd163171867bed1e5ec534be37c79e6bb749ccd4c81b1c306ed"
    assert (
        digest_value("kind", {"a": [1, 2.5, "x", None, True]})
        == "c250bdce2b4d4ca74964d2d2697d203261f5c38700371a04d002ad60437dd487"
    )


PROGRAM = """
import json, sys
from tidewheel.core.digest import digest_value
value = {f"key{n}": {f"inner{m}" for m in range(9)} for n in range(9)}
print(digest_value("kind", {"value": value, **json.loads(sys.argv[1])}))
"""


def test_two_processes_with_different_hash_seeds_agree():
    document = json.dumps({"z": 1, "a": {"y": [1, 2], "b": None}})
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, document],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(set(told)) == 1
    assert len(told[0].strip()) == 64


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, (1 << 22) - 1, 1 << 22, (1 << 22) + 5])
def test_bytes_streams_files_and_pieces_have_one_digest(tmp_path, size):
    data = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    data = data[:size]
    path = tmp_path / "value"
    path.write_bytes(data)
    hasher = Hasher("kind")
    for start in range(0, size, 700_001):
        hasher.update(memoryview(data)[start : start + 700_001])
    expected = digest_bytes("kind", data)
    assert hasher.hexdigest() == expected
    assert digest_stream("kind", io.BytesIO(data)) == expected
    assert digest_file("kind", path) == expected
    assert digest_bytes("kind", memoryview(data)) == expected


def test_a_file_that_is_missing_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        digest_file("kind", tmp_path / "missing")


def test_a_struct_that_holds_no_json_is_refused():
    class Odd(msgspec.Struct):
        thing: object

    with pytest.raises(TypeError):
        digest_value("kind", Odd(object()))
