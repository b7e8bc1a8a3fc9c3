"""The edge form of a model: a folder with the ONNX graph, and what a browser or Node needs to run it."""

from __future__ import annotations

import html
import importlib.resources
import os
import shutil
import tempfile
from pathlib import Path

import msgspec

from tidewheel.core.errors import ConversionError, ParameterError, StorageError
from tidewheel.core.records.record import Record
from tidewheel.deployment.edge_runtime import VERSION, runtime_files
from tidewheel.model_package import Package

_PLAIN = ("model.mjs", "page.mjs", "check.mjs")
_TITLED = ("index.html", "README.md")


class EdgeBundle(Record, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        folder: where.
        package_digest: of which package.
        files: names with sizes in bytes.
    """

    folder: str
    model: str
    version: int
    package_digest: str
    files: dict[str, int]


def write_edge_bundle(
    package: Package, folder: Path, *, model: str, version: int, cache: Path, assets: Path | None = None
) -> EdgeBundle:
    """Writes the folder, whole or not at all.

    Args:
        package: in ONNX form; its preparation is inside the graph.
        folder: new or empty.
        model, version: told on the page.
        cache, assets: see `runtime_files`.

    Raises:
        ConversionError: the package is in its native form, which only Python runs.
        ParameterError: the folder holds something, or `assets` are not what they should be.
        DeploymentError: the runtime's files could not be had.
        StorageError: the folder cannot be written.
    """
    if package.runtime != "onnx":
        raise ConversionError(
            f"{model} v{version} is in its native form, which only Python runs: {package.manifest.reason}",
            next_step="train a model that becomes ONNX (docs/packaging.md lists them), or serve it: `tidewheel deploy`",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParameterError("the folder is not empty", where=str(folder), next_step="name a new folder")
    runtime = runtime_files(cache, assets)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            whole = Path(temporary, "bundle")
            _write(package, whole, runtime, f"{model} v{version}")
            written = [one for one in sorted(whole.rglob("*")) if one.is_file()]
            files = {str(one.relative_to(whole)): one.stat().st_size for one in written}
            if folder.exists():
                folder.rmdir()
            os.replace(whole, folder)
    except OSError as error:
        raise StorageError(f"the bundle cannot be written: {error.strerror}", where=str(folder)) from error
    return EdgeBundle(folder=str(folder), model=model, version=version, package_digest=package.digest, files=files)


def _write(package: Package, folder: Path, runtime: dict[str, Path], title: str) -> None:
    (folder / "ort").mkdir(parents=True)
    for name, source in runtime.items():
        shutil.copyfile(source, folder / "ort" / name)
    (folder / "model.onnx").write_bytes(package.files["model.onnx"])
    (folder / "signature.json").write_bytes(package.signature.to_json())
    examples = {
        "inputs": package.examples.inputs,
        "outputs": package.examples.outputs,
        "tolerance": package.parity.tolerance,
    }
    (folder / "examples.json").write_bytes(msgspec.json.encode(examples))
    given = importlib.resources.files("tidewheel.deployment") / "edge_files"
    for name in _PLAIN:
        (folder / name).write_bytes((given / name).read_bytes())
    for name in _TITLED:
        text = (given / name).read_text(encoding="utf-8").replace("@TITLE@", html.escape(title))
        text = text.replace("@RUNTIME@", VERSION).replace("@DIGEST@", package.digest)
        (folder / name).write_text(text, encoding="utf-8")
