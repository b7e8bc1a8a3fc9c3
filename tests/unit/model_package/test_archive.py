"""A package's file may come from anyone: nothing of it is run, unpacked or believed."""

from __future__ import annotations

import io
import json
import pickle
import tracemalloc
import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from tidewheel.core.errors import UnreadableFileError
from tidewheel.model_package import Package, package_model
from tidewheel.model_package import archive as archive_file
from tidewheel.model_package.archive import read_archive, write_archive
from tidewheel.model_package.native_model import open_native
from tidewheel.model_package.onnx_inspection import inspect_onnx
from tidewheel.model_package.packaging import CONVERTERS


@cache
def good(kind: type = HistGradientBoostingClassifier) -> bytes:
    """A package: of boosting in ONNX, of another kind in the native form."""
    x = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60) % 7})
    buffer = io.BytesIO()
    converters = CONVERTERS if kind is HistGradientBoostingClassifier else ()
    package_model(kind().fit(x, np.arange(60) // 30), x, converters=converters).write(buffer)
    return buffer.getvalue()


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the names that these tests plant
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in sorted(files):  # as a package's file is, but for what a test plants
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                entry.compress_type = compression
                archive.writestr(entry, content)
    return buffer.getvalue()


def commented(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"me too"
    return buffer.getvalue()


def read(tmp_path: Path, data: bytes) -> Package:
    path = tmp_path / "package"
    path.write_bytes(data)
    return Package.read(path)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def reordered(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files, reverse=True):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def test_the_tests_write_archives_as_packages_are_written():
    assert zipped(list(entries(good()).items())) == good()


HOSTILE = {
    "a pickle beside": lambda files: zipped([*files, ("model.pkl", pickle.dumps(Bomb()))]),
    "a path that leaves": lambda files: zipped([*files, ("../../evil", b"x")]),
    "an absolute path": lambda files: zipped([*files, ("/etc/evil", b"x")]),
    "a folder": lambda files: zipped([*files, ("sub/", b"")]),
    "an entry twice": lambda files: zipped([*files, files[0]]),
    "compressed": lambda files: zipped(files, zipfile.ZIP_DEFLATED),
    "without its manifest": lambda files: zipped([one for one in files if one[0] != "package.json"]),
    "without examples": lambda files: zipped([one for one in files if one[0] != "examples.json"]),
    "without parity": lambda files: zipped([one for one in files if one[0] != "parity.json"]),
    "truncated": lambda files: zipped(files)[:-30],
    "half": lambda files: zipped(files)[: len(zipped(files)) // 2],
    "empty": lambda files: b"",
    "no archive": lambda files: b"PK\x03\x04" + b"x" * 100,
    "no entries": lambda files: zipped([]),
    "bytes before": lambda files: b"#!/bin/sh\n" + zipped(files),
    "another archive before": lambda files: zipped([("a", b"b")]) + zipped(files),
    "bytes after": lambda files: zipped(files) + b"x",
    "a comment": lambda files: commented(zipped(files)),
    "another time": lambda files: zipped(files).replace(b"\x00\x00\x21\x00", b"\x00\x00\x22\x00"),
    "another order": reordered,
    "a manifest that is no JSON": lambda files: zipped([(n, b"{" if n == "package.json" else c) for n, c in files]),
    "a manifest in another encoding": lambda files: zipped(
        [(n, b'{"format":1,"runtime":"\xff\xfe"}' if n == "package.json" else c) for n, c in files]
    ),
    "a deep manifest": lambda files: zipped(
        [(n, b'{"format":1,"x":' + b"[" * 100_000 if n == "package.json" else c) for n, c in files]
    ),
    "deep examples": lambda files: zipped(
        [(n, b'{"inputs":{"a":' + b"[" * 100_000 if n == "examples.json" else c) for n, c in files]
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFileError) as caught:
        read(tmp_path, HOSTILE[kind](list(entries(good()).items())))
    assert caught.value.where == str(tmp_path / "package")
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_an_archive_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_file, "MAXIMUM_BYTES", 1000)
    with pytest.raises(UnreadableFileError, match="at most 1,000 bytes"):
        read(tmp_path, good())


def test_a_size_that_lies_takes_no_memory(tmp_path):
    data = bytearray(good())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(UnreadableFileError):
        read(tmp_path, bytes(data))


def manifest(**changes: object) -> bytes:
    files = entries(good())
    document = {**json.loads(files["package.json"]), **changes}
    return zipped(list({**files, "package.json": json.dumps(document).encode()}.items()))


def test_a_later_format_is_told_before_its_fields_are_read(tmp_path):
    with pytest.raises(UnreadableFileError, match="format 2, this version reads 1"):
        read(tmp_path, manifest(format=2, signature="of another shape"))


@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "pickle"},
        {"signature": {"inputs": [], "outputs": [], "task": "regression"}},
        {"signature": {"inputs": [{"name": "a", "kind": "float"}], "outputs": [], "task": "binary"}},
    ],
    ids=["runtime", "no inputs", "no classes"],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path, changes):
    with pytest.raises(UnreadableFileError):
        read(tmp_path, manifest(**changes))


def test_a_model_of_another_signature_is_not_opened(tmp_path):
    document = json.loads(entries(good())["package.json"])["signature"]
    document["inputs"][0]["name"] = "other"
    with pytest.raises(UnreadableFileError, match="does not take the fields"):
        read(tmp_path, manifest(signature=document)).open()


def test_a_package_without_its_model_is_told_when_opened(tmp_path):
    files = entries(good())
    del files["model.onnx"]
    with pytest.raises(UnreadableFileError, match=r"no model\.onnx"):
        read(tmp_path, zipped(list(files.items()))).open()
    with pytest.raises(UnreadableFileError, match=r"no model\.skops"):
        read(tmp_path, manifest(runtime="sklearn")).open()


def test_bytes_that_are_no_onnx_are_told(tmp_path):
    files = {**entries(good()), "model.onnx": b"nothing"}
    with pytest.raises(UnreadableFileError, match="cannot be loaded"):
        read(tmp_path, zipped(list(files.items()))).open()


def with_onnx(tmp_path: Path, change) -> Package:
    model = onnx.load_from_string(entries(good())["model.onnx"])
    change(model)
    files = {**entries(good()), "model.onnx": model.SerializeToString()}
    return read(tmp_path, zipped(list(files.items())))


def external(location: str):
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL

    return change


def oversized(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def overflowing(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 33, 1 << 33]


def negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-1]


def in_an_attribute(model: onnx.ModelProto) -> None:
    tensor = onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[1 << 40])
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("value", tensor))


def in_a_branch(model: onnx.ModelProto) -> None:
    branch = onnx.GraphProto(name="branch")
    branch.initializer.append(onnx.TensorProto(data_type=onnx.TensorProto.DOUBLE, dims=[1 << 40]))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("then_branch", branch))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def foreign_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))


def function(model: onnx.ModelProto) -> None:
    model.functions.append(onnx.FunctionProto(name="f", domain="evil"))


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(dims=[1 << 40]))


def growing_text(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, onnx.helper.make_node("StringConcat", ["a", "a"], ["aa"]))


def replaced_text(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, onnx.helper.make_node("RegexFullReplace", ["a"], ["aa"], pattern="a", replacement="aa"))


HOSTILE_ONNX = {
    "a tensor from another file": (external("../../etc/passwd"), "another file"),
    "a tensor from an absolute path": (external("/etc/passwd"), "another file"),
    "an oversized tensor": (oversized, "does not hold"),
    "a tensor whose size overflows": (overflowing, "does not hold"),
    "a tensor of negative size": (negative, "does not hold"),
    "an oversized tensor in an attribute": (in_an_attribute, "does not hold"),
    "an oversized tensor in a branch": (in_a_branch, "does not hold"),
    "an operator of a foreign library": (foreign_operator, "com.evil"),
    "operators of a foreign library": (foreign_domain, "com.evil"),
    "a function": (function, "functions of its own"),
    "a sparse tensor": (sparse, "sparse"),
    "texts that grow": (growing_text, "makes texts by StringConcat"),
    "texts that are replaced": (replaced_text, "makes texts by RegexFullReplace"),
}


@pytest.mark.parametrize("kind", HOSTILE_ONNX)
def test_a_hostile_onnx_file_is_refused_before_the_runtime_sees_it(tmp_path, monkeypatch, kind):
    change, told = HOSTILE_ONNX[kind]
    package = with_onnx(tmp_path, change)
    seen = []
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: seen.append(1))
    with pytest.raises(UnreadableFileError, match=told):
        package.open()
    assert seen == []
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_an_honest_onnx_file_is_let_pass(tmp_path):
    assert with_onnx(tmp_path, lambda model: None).open()


@settings(max_examples=200)
@given(st.data())
def test_the_inspection_of_flipped_bytes_raises_nothing_else(data):
    content = bytearray(entries(good())["model.onnx"])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect_onnx(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except UnreadableFileError:
        pass  # anything else fails the test


def bomb() -> bytes:
    return zipped([*entries(good()).items(), ("model.skops", b"\0" * 50_000_000)], zipfile.ZIP_DEFLATED)


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    data = bomb()
    assert len(data) < 1_000_000
    tracemalloc.start()
    with pytest.raises(UnreadableFileError, match="neither compressed"):
        read(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


FORBIDDEN = ["builtins.eval", "builtins.exec", "os.system", "sklearn.datasets._base.load_files", "numpy.memmap"]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forged_native_model_builds_nothing(tmp_path, name):
    module, _, function = name.rpartition(".")
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": f'"touch {tmp_path}/x"'}
    schema = {
        "__class__": function,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]},
        "protocol": 2,
    }
    files = {**entries(good(LogisticRegression)), "model.skops": zipped([("schema.json", json.dumps(schema).encode())])}
    package = read(tmp_path, zipped(list(files.items())))
    with pytest.raises(UnreadableFileError, match=f"would load {name}"):
        package.open()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", pickle.dumps({"a": 1}), zipped([("a", b"b")])])
def test_a_damaged_native_model_is_told(tmp_path, content):
    package = read(tmp_path, good(LogisticRegression))
    with pytest.raises(UnreadableFileError):
        open_native({"model.skops": content}, package.signature)


def test_what_is_no_model_is_not_taken_for_one(tmp_path):
    package = read(tmp_path, good(LogisticRegression))
    with pytest.raises(UnreadableFileError, match="no model"):
        open_native({"model.skops": skops.io.dumps([1, 2])}, package.signature)


@settings(max_examples=300)
@given(st.data())
def test_flipped_bytes_raise_nothing_else(tmp_path_factory, data):
    content = bytearray(good())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    try:
        Package.read(path)
    except UnreadableFileError:
        pass  # anything else fails the test


@given(st.dictionaries(st.sampled_from(sorted(archive_file.ALLOWED)), st.binary(max_size=200)))
def test_what_is_written_is_read(tmp_path_factory, files):
    files = {**files, "package.json": b"{}"}
    path = tmp_path_factory.getbasetemp() / "round"
    with open(path, "wb") as stream:
        write_archive(files, stream)
    assert read_archive(path) == files
    backwards = io.BytesIO()
    write_archive(dict(reversed(files.items())), backwards)
    assert backwards.getvalue() == path.read_bytes()


class OneWay:
    """A stream that can only be written, such as a socket or the artifact store's."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += bytes(data)
        return len(data)


def test_the_bytes_do_not_depend_on_the_stream(tmp_path):
    stream = OneWay()
    read(tmp_path, good()).write(stream)
    assert stream.data == good()
