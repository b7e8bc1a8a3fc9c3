"""What MLflow clients run for a mirrored package in its native form: they need Tidewheel, which loads safe types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tidewheel.model_package import Package
from tidewheel.model_package.signature import columns_of

FILE = "package"


class NativePackage:
    """Answers frames, or mappings of columns."""

    def __init__(self, path: Path) -> None:
        self._package = Package.read(path)
        self._model = self._package.open()

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of outputs for each row; an output of several numbers is a list.

        Raises:
            SchemaMismatchError: a column is missing or does not fit.
        """
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
        names = [field.name for field in self._package.signature.inputs if field.name in frame]
        answers = self._model.predict(columns_of(frame[names]))
        columns = {name: one if one.ndim == 1 else one.tolist() for name, one in answers.items()}
        return pd.DataFrame(columns, index=frame.index)


def _load_pyfunc(path: str) -> NativePackage:
    """MLflow's entry."""
    return NativePackage(Path(path))
