"""skops' archive of a model, made canonical.

skops names objects and files by memory address and writes dates. Here a file is named by its place in the model and
written once per content; an object keeps a number only if it is mutable and really shared, such as one random state in
two estimators; sets are sorted; arrays have no undefined bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from typing import Any

import numpy as np

from tidewheel.artifact_store.numpy_codec import canonical_array
from tidewheel.artifact_store.zip_form import repack

# Attributes that hold a memory address: a text vectorizer remembers which list of stop words it has checked, and checks
# again when the number differs.
_ADDRESSES = {"_stop_words_id"}
_SHARED = {"ObjectNode", "RandomStateNode", "RandomGeneratorNode", "TreeNode"}
_SCHEMA = "schema.json"


def canonical_archive(model: Any) -> bytes:
    """The archive; equal for models whose state is equal, bit by bit.

    Raises:
        UnsupportedTypeException, TypeError, ValueError: skops, or JSON, has no form for a part of the model.
    """
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        return repack(_Canon(archive).entries())


class _Canon:
    """One pass over the schema of one archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._schema = json.loads(archive.read(_SCHEMA))
        self._occurrences: Counter[int] = Counter()
        self._numbers: dict[int, int] = {}
        self._names: dict[bytes, str] = {}
        self._read: dict[str, str] = {}

    def entries(self) -> dict[str, bytes]:
        self._count(self._schema)
        schema = self._renamed(self._schema)
        files = {name: content for content, name in self._names.items()}
        return {_SCHEMA: json.dumps(schema, separators=(",", ":")).encode(), **files}

    def _count(self, node: Any) -> None:
        if isinstance(node, dict):
            if node.get("__loader__") in _SHARED:
                self._occurrences[node.get("__id__", 0)] += 1
            for child in node.values():
                self._count(child)
        elif isinstance(node, list):
            for child in node:
                self._count(child)

    def _renamed(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._renamed(child) for child in node]
        if not isinstance(node, dict):
            return node
        if "__loader__" not in node:
            return {
                key: _no_address(child) if key in _ADDRESSES else self._renamed(child) for key, child in node.items()
            }
        result = {key: self._renamed(child) for key, child in node.items() if key not in ("__id__", "file")}
        if isinstance(node.get("file"), str):
            result["file"] = self._file(node["file"])
        if node["__loader__"] == "SetNode":
            result["content"] = sorted(result["content"], key=json.dumps)
        if node["__loader__"] in _SHARED and self._occurrences[node.get("__id__", 0)] > 1:
            result["__id__"] = self._numbers.setdefault(node["__id__"], len(self._numbers) + 1)
        return result

    def _attribute(self, key: str, node: Any) -> Any:
        return _no_address(node) if key in _ADDRESSES else self._renamed(node)

    def _file(self, name: str) -> str:
        """The new name of a file: its rank among the contents seen so far."""
        if name not in self._read:
            content = self._archive.read(name)
            stem, _, suffix = name.rpartition(".")
            if suffix == "npy":
                content = _canonical_npy(content)
            elif suffix == "npz":
                content = _canonical_npz(content)
            self._read[name] = self._names.setdefault(content, f"{len(self._names)}.{suffix}" if stem else name)
        return self._read[name]


def _no_address(node: dict[str, Any]) -> dict[str, Any]:
    return {key: "0" if key == "content" else part for key, part in node.items() if key != "__id__"}


def _canonical_npy(content: bytes) -> bytes:
    array = np.load(io.BytesIO(content), allow_pickle=False)
    fixed = canonical_array(array) if array.dtype.fields is not None else array
    if fixed is array:
        return content
    buffer = io.BytesIO()
    np.save(buffer, fixed, allow_pickle=False)
    return buffer.getvalue()


def _canonical_npz(content: bytes) -> bytes:
    """What scipy writes of a sparse matrix: an archive of arrays with dates, compressed by whichever zlib is there."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return repack({name: archive.read(name) for name in sorted(archive.namelist())})
