"""LightGBM's boosters as model text, and its scikit-learn estimators in skops' format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.artifact_store.sklearn_codec import SklearnCodec
from tidewheel.core.errors import ParameterError, UnreadableFileError

# The text repeats the training parameters; these say how and where it was trained, not what the model is.
_VOLATILE = re.compile(
    r"^\[(num_threads|machines|machine_list_filename|local_listen_port|time_out|verbosity|data|valid|"
    r"output_model|snapshot_freq|gpu_platform_id|gpu_device_id): [^\n]*\]\n",
    re.MULTILINE,
)
_ARCHIVE = b"PK\x03\x04"


class LightgbmCodec:
    """Stores a `Booster` as its model text, and LGBMClassifier, LGBMRegressor and LGBMRanker as scikit-learn models.

    Predictions, importances and the best iteration survive; training data and recorded evaluations of a Booster do not.
    """

    name = "lightgbm"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes text or archive.

        Raises:
            ParameterError: the booster has no tree.
        """
        import lightgbm

        if not isinstance(value, lightgbm.Booster):
            return SklearnCodec().encode(value, stream)
        if value.num_trees() == 0:
            raise ParameterError("the Booster has no tree", next_step="train it first")
        text = booster_text(value)
        stream.write(f"best_iteration={value.best_iteration}\n{text}".encode())
        return {"model": "Booster", "trees": value.num_trees(), "features": value.num_feature()}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The booster or estimator."""
        import lightgbm

        with open(path, "rb") as stream:
            if stream.read(len(_ARCHIVE)) == _ARCHIVE:
                return SklearnCodec().decode(path, as_type)
        try:
            head, _, text = path.read_bytes().decode().partition("\n")
            booster = lightgbm.Booster(model_str=text)
            booster.best_iteration = int(head.removeprefix("best_iteration="))
        except (ValueError, lightgbm.basic.LightGBMError) as error:
            raise UnreadableFileError(
                f"this is no stored Booster: {error}", where=str(path), next_step="run the step that made it again"
            ) from error
        return booster


def booster_text(booster: Any) -> str:
    """The model text of all iterations without what tells of the machine it was trained on."""
    return _VOLATILE.sub("", booster.model_to_string(num_iteration=-1))
