"""The software bill of materials of a package: its files by hash, and the distributions that made or serve it.

The form is CycloneDX 1.6 (ECMA-424) as JSON, without the serial number and the time that it leaves optional: the bill
is part of the package, and equal packages have equal bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import Any

BILL = "sbom.json"
_DISTRIBUTIONS = {
    "lightgbm": ("lightgbm",),
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}
_SERVING = {
    "onnx": ("numpy", "onnxruntime"),
    "sklearn": ("numpy", "pandas", "scikit-learn", "skops"),
    "xgboost": ("numpy", "pandas", "xgboost", "xgboost-cpu"),
}
_CONVERTING = {"onnx": ("onnx", "skl2onnx"), "sklearn": (), "xgboost": ()}


def write_bill(files: Mapping[str, bytes], model: Any, runtime: str) -> bytes:
    """The bill of a package.

    Args:
        files: the model's files by name.
        model: the fitted estimator, whose libraries are named.
        runtime: what answers, `onnx`, `sklearn` or `xgboost`; what it needs has scope `required`, the rest `excluded`.
    """
    made_by = {name for top in _tops(model) for name in _DISTRIBUTIONS.get(top, ())}
    needed = _closure({*_SERVING[runtime], *(made_by if runtime == "sklearn" else ())})
    found = needed | _closure({*made_by, *_CONVERTING[runtime], "tidewheel"} - set(needed), is_deep=False)
    components = [_file(name, data) for name, data in sorted(files.items())]
    components += [_library(one, is_required=name in needed) for name, one in sorted(found.items())]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": type(model).__name__,
            }
        },
        "components": components,
        "dependencies": [
            {"ref": "model", "dependsOn": sorted(_reference(one) for one in needed.values())},
        ],
    }
    return json.dumps(bill, sort_keys=True, separators=(",", ":")).encode()


def wrong_files(bill: bytes, files: Mapping[str, bytes]) -> list[str]:
    """Files that a bill does not name with the hash that they have, and named ones that are not there.

    Raises:
        ValueError, KeyError, TypeError: it is no bill.
    """
    components = json.loads(bill)["components"]
    told = {one["name"]: one["hashes"][0]["content"] for one in components if one["type"] == "file"}
    here = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return sorted(name for name in told.keys() | here.keys() if told.get(name) != here.get(name))


def _tops(model: Any) -> set[str]:
    """The libraries whose classes a model consists of."""
    parts = model.get_params().values() if hasattr(model, "get_params") else ()
    return {type(one).__module__.partition(".")[0] for one in (model, *parts)}


def _closure(names: Iterable[str], *, is_deep: bool = True) -> dict[str, importlib.metadata.Distribution]:
    """Installed distributions by name, with those that they require."""
    from packaging.requirements import Requirement  # its parser is a tenth of what a command imports
    from packaging.utils import canonicalize_name

    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = sorted(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # one of two names for the same library
            continue
        if is_deep:
            required = (Requirement(line) for line in found[name].requires or ())
            waiting += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _file(name: str, data: bytes) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]
    return {"type": "file", "bom-ref": f"file/{name}", "name": name, "hashes": hashes}


def _library(distribution: importlib.metadata.Distribution, *, is_required: bool) -> dict[str, Any]:
    reference = _reference(distribution)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": distribution.metadata["Name"],
        "version": distribution.version,
        "purl": reference,
        "scope": "required" if is_required else "excluded",
    }
    if "License-Expression" in distribution.metadata:
        component["licenses"] = [{"expression": distribution.metadata["License-Expression"]}]
    return component


def _reference(distribution: importlib.metadata.Distribution) -> str:
    from packaging.utils import canonicalize_name

    return f"pkg:pypi/{canonicalize_name(distribution.metadata['Name'])}@{distribution.version}"
