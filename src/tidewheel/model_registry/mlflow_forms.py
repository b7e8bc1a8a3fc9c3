"""The two forms in which MLflow keeps a package: its own ONNX flavour, or Tidewheel's package as it is."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from tidewheel.model_package import Package
from tidewheel.model_package.signature import Field, OutputField, Signature
from tidewheel.model_registry import native_loader, tidewheel_onnxruntime_1
from tidewheel.model_registry.mlflow_onnx_model import flat_model

_TYPES = {"float": "double", "integer": "long", "boolean": "boolean", "string": "string"}


class OnnxForm:
    """For `mlflow.onnx` and, with code that travels along, for `mlflow.pyfunc`; a client needs no Tidewheel."""

    __name__ = "onnx"

    def save_model(self, path: str, mlflow_model: Model, *, package: Package) -> None:
        """Writes the model's folder."""
        code = Path(tidewheel_onnxruntime_1.__file__)
        libraries = ["numpy", "onnx", "onnxruntime", "pandas"]
        mlflow.onnx.save_model(
            flat_model(package),
            path,
            mlflow_model=mlflow_model,
            signature=signature_of(package.signature),
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={version(name)}" for name in libraries],
        )
        mlflow_model.flavors["python_function"]["loader_module"] = code.stem
        mlflow_model.save(str(Path(path, "MLmodel")))


class NativeForm:
    """For `mlflow.pyfunc` in a client that has Tidewheel; nothing of it is pickled."""

    __name__ = "tidewheel"

    def save_model(self, path: str, mlflow_model: Model, *, package: Package) -> None:
        """Writes the model's folder."""
        libraries = package.manifest.libraries | {"tidewheel": version("tidewheel")}
        with tempfile.TemporaryDirectory(prefix="tidewheel-") as folder:
            file = Path(folder, native_loader.FILE)
            with file.open("wb") as stream:
                package.write(stream)
            mlflow.pyfunc.save_model(
                path,
                loader_module=native_loader.__name__,
                data_path=str(file),
                mlflow_model=mlflow_model,
                signature=signature_of(package.signature),
                pip_requirements=[f"{name}=={number}" for name, number in libraries.items()],
            )


def form_of(package: Package) -> Any:
    """How MLflow is to keep a package."""
    return OnnxForm() if package.runtime == "onnx" else NativeForm()


def signature_of(signature: Signature) -> ModelSignature:
    """In MLflow's words; fields that allow null are not required."""
    inputs = Schema([_column(field) for field in signature.inputs])
    wide = any(field.width > 1 for field in signature.outputs)  # MLflow says lists in a way that older clients refuse
    return ModelSignature(inputs=inputs, outputs=None if wide else Schema([_answer(one) for one in signature.outputs]))


def _column(field: Field) -> ColSpec:
    # A missing integer is NaN in a frame, which only a double can be.
    kind = "double" if field.allows_null and field.kind in ("integer", "boolean") else _TYPES[field.kind]
    return ColSpec(kind, field.name, required=not field.allows_null)


def _answer(field: OutputField) -> ColSpec:
    return ColSpec(_TYPES[field.kind], field.name)
