"""The package: everything that answers need, and the proof that they are the model's."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

import msgspec

from tidewheel.core.digest import digest_bytes
from tidewheel.core.errors import ConversionError, SchemaMismatchError, UnreadableFileError
from tidewheel.core.records.record import Record
from tidewheel.core.records.served_limits import ServedLimits
from tidewheel.model_package.archive import read_archive, write_archive
from tidewheel.model_package.limits_check import check_limits
from tidewheel.model_package.parity import ParityReport, largest_difference
from tidewheel.model_package.signature import Signature

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
CODEC = "package/1"

RuntimeName = Literal["onnx", "sklearn", "xgboost"]


class PackageModel(Protocol):
    """A loaded model; `predict` may be called from several threads."""

    def predict(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Answers by output name for rows that fit the signature.

        Raises:
            SchemaMismatchError: a field does not fit.
        """


class Manifest(Record, frozen=True, kw_only=True):
    """`package.json`.

    Attributes:
        format: version of this layout.
        runtime: what answers: ONNX Runtime, or the library that trained the model.
        reason: why it is not ONNX; empty when it is.
        converter: who wrote the ONNX form.
        libraries: versions that made it.
    """

    format: int = FORMAT
    runtime: RuntimeName
    reason: str = ""
    converter: str = ""
    signature: Signature
    libraries: dict[str, str] = {}


class _Format(Record, frozen=True, kw_only=True):
    format: int


class Examples(Record, frozen=True, kw_only=True):
    """Rows with the original model's answers.

    Attributes:
        inputs, outputs: columns by name, null for missing.
    """

    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]


class Package:
    """A model's deliverable; immutable.

    Attributes:
        manifest: runtime, signature and versions.
        examples: rows with expected answers.
        parity: how the package was compared with the model.
        files: `model.onnx` or native files by name.
        bill: the software bill of materials in CycloneDX's JSON form.
        limits: beyond which rows are outliers where it answers, and what is done about them; None when nothing is.
    """

    def __init__(
        self,
        manifest: Manifest,
        examples: Examples,
        parity: ParityReport,
        files: Mapping[str, bytes],
        bill: bytes,
        limits: ServedLimits | None = None,
    ) -> None:
        self.manifest = manifest
        self.examples = examples
        self.parity = parity
        self.files = dict(files)
        self.bill = bill
        self.limits = limits

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return self.manifest.signature

    @property
    def runtime(self) -> RuntimeName:
        """What answers."""
        return self.manifest.runtime

    @cached_property
    def digest(self) -> str:
        """The digest that names the stored package; the same as its artifact's."""
        buffer = io.BytesIO()
        self.write(buffer)
        return digest_bytes(f"artifact {CODEC}", buffer.getvalue())

    def limited(self, limits: ServedLimits) -> Package:
        """This package with limits: another package, of another digest.

        Raises:
            SchemaMismatchError: a limit is about no input of numbers, or the fallback is no answer of the model.
        """
        check_limits(limits, self.signature)
        return Package(self.manifest, self.examples, self.parity, self.files, self.bill, limits)

    def write(self, stream: BinaryIO) -> None:
        """Writes the package's file; equal packages give equal bytes."""
        documents = {
            "package.json": self.manifest.to_json(),
            "examples.json": self.examples.to_json(),
            "parity.json": self.parity.to_json(),
            "sbom.json": self.bill,
        }
        if self.limits is not None:  # without limits the bytes are those of a package before there were any
            documents["limits.json"] = self.limits.to_json()
        write_archive({**self.files, **documents}, stream)

    @classmethod
    def read(cls, path: Path) -> Package:
        """Reads a package's file; nothing of it is run.

        Raises:
            UnreadableFileError: it is no whole package, or of a format that this version does not know.
        """
        files = read_archive(path)
        try:
            _check_format(files["package.json"], path)
            manifest = Manifest.from_json(files.pop("package.json"))
            examples = Examples.from_json(files.pop("examples.json"))
            parity = ParityReport.from_json(files.pop("parity.json"))
            bill = files.pop("sbom.json")
            limits = ServedLimits.from_json(files.pop("limits.json")) if "limits.json" in files else None
        except KeyError as error:
            raise UnreadableFileError(f"the package has no {error.args[0]}", where=str(path)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableFileError(f"its documents are not those of a package: {error}", where=str(path)) from None
        if not manifest.signature.inputs or (
            manifest.signature.task != "regression" and not manifest.signature.classes
        ):
            raise UnreadableFileError("its signature has no inputs or no classes", where=str(path))
        if limits is not None:
            try:
                check_limits(limits, manifest.signature)
            except SchemaMismatchError as error:
                raise UnreadableFileError(
                    f"its limits are not those of its model: {error.what}", where=str(path)
                ) from None
        return cls(manifest, examples, parity, files, bill, limits)

    def open(self, *, threads: int = 1) -> PackageModel:
        """Loads the model.

        Raises:
            UnreadableFileError: the model's file is damaged, or would load what is not allowed.
        """
        if self.runtime == "onnx":
            if "model.onnx" not in self.files:
                raise UnreadableFileError("the package has no model.onnx")
            from tidewheel.model_package.onnxruntime_model import OnnxModel

            return OnnxModel(self.files["model.onnx"], self.signature, threads=threads)
        if self.runtime == "xgboost":
            from tidewheel.model_package.xgboost_native import open_xgboost

            return open_xgboost(self.files, self.signature, threads=threads)
        from tidewheel.model_package.native_model import open_native

        return open_native(self.files, self.signature)

    def check_examples(self, model: PackageModel | None = None) -> None:
        """Asks the example rows again.

        Raises:
            ConversionError: the answers are not those that were expected.
        """
        answers = (model or self.open()).predict(self.examples.inputs)
        difference = largest_difference(self.examples.outputs, answers)
        if not difference <= self.parity.tolerance:
            raise ConversionError(
                f"the examples' answers differ by {difference:.3g}, more than {self.parity.tolerance:.3g}",
                next_step="package the model again with the libraries of this environment",
            )

    def __repr__(self) -> str:
        return f"<package {self.signature.task} {self.runtime} {self.digest[:12]}>"


def _check_format(manifest: bytes, path: Path) -> None:
    """Before anything else is read, because a later format may mean other fields."""
    found = _Format.from_json(manifest).format
    if found != FORMAT:
        raise UnreadableFileError(
            f"it has format {found}, this version reads {FORMAT}", where=str(path), next_step="upgrade Tidewheel"
        )
