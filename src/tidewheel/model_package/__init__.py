"""A model's deliverable: ONNX or native form, signature, examples with answers, parity report. No MLflow, no pickle.

Names are loaded on first use: a prediction server pays for numpy and ONNX Runtime, and for nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.model_package.champion import Champion as Champion
    from tidewheel.model_package.codec import PackageCodec as PackageCodec
    from tidewheel.model_package.package import Package as Package
    from tidewheel.model_package.packaging import package_model as package_model
    from tidewheel.model_package.parity import ParityReport as ParityReport
    from tidewheel.model_package.signature import Field as Field
    from tidewheel.model_package.signature import Signature as Signature

_HOMES = {
    "Champion": "champion",
    "Field": "signature",
    "Package": "package",
    "PackageCodec": "codec",
    "ParityReport": "parity",
    "Signature": "signature",
    "package_model": "packaging",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
