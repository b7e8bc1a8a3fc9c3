"""XGBoost's boosters and scikit-learn estimators in its own binary format (UBJSON)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from tidewheel.artifact_store.json_codec import from_text, to_text
from tidewheel.core.errors import CodecNotFoundError, ParameterError, TidewheelError, UnreadableFileError

_ESTIMATORS = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


class XgboostCodec:
    """Stores a `Booster`, and XGBClassifier, XGBRegressor, XGBRanker and the two forests.

    The file is one line of JSON with the class and the constructor's arguments, then what `save_raw` gives. XGBoost
    promises that later versions read it, which it does not for the form that pickle and skops see. Predictions,
    importances, categories and the best iteration survive; recorded evaluations do not.
    """

    name = "xgboost"
    version = 1

    def encode(self, value: Any, stream: BinaryIO) -> dict[str, Any]:
        """Writes the head and the trees.

        Raises:
            CodecNotFoundError: the estimator is of a class of the user.
            ParameterError: the model is not fitted, or an argument of it is code, such as an objective of the user.
        """
        import xgboost

        kind = type(value).__name__
        if type(value) is not getattr(xgboost, kind, None) or kind not in ("Booster", *_ESTIMATORS):
            raise CodecNotFoundError(
                f"the model {type(value).__qualname__} is no class of XGBoost itself",
                next_step="use the class of XGBoost, and move your own code into a step before it",
            )
        head: dict[str, Any] = {"class": kind}
        if kind != "Booster":
            if not value.__sklearn_is_fitted__():
                raise ParameterError(f"the model {kind} is not fitted", next_step="train it first")
            head["arguments"] = value.get_params(deep=False)
        booster = value if kind == "Booster" else value.get_booster()
        if booster.num_boosted_rounds() == 0:
            raise ParameterError("the Booster has no tree", next_step="train it first")
        try:
            stream.write(f"{to_text(head)}\n".encode())
        except TidewheelError as error:
            raise ParameterError(
                f"the model {kind} has an argument without a stored form: {error.what}",
                where=error.where,
                next_step="give objective, eval_metric and the like by name, and callbacks to `fit_estimator` only",
            ) from None
        stream.write(bytes(booster.save_raw("ubj")))
        return {"model": kind, "trees": booster.num_boosted_rounds(), "features": booster.num_features()}

    def decode(self, path: Path, as_type: Any = None) -> Any:
        """The booster or estimator.

        Raises:
            UnreadableFileError: the file is no model of this codec.
        """
        import xgboost

        line, _, trees = path.read_bytes().partition(b"\n")
        try:
            head = from_text(line.decode())
            if head["class"] not in ("Booster", *_ESTIMATORS):
                raise ValueError(f"class {head['class']!r}")
            model = getattr(xgboost, head["class"])(**head.get("arguments", {}))
            model.load_model(bytearray(trees))
            for name, argument in head.get("arguments", {}).items():
                setattr(model, name, argument)  # loading puts in what it makes of them
        except (ValueError, KeyError, TypeError, TidewheelError, xgboost.core.XGBoostError) as error:
            raise UnreadableFileError(
                f"this is no stored model of XGBoost: {error}",
                where=str(path),
                next_step="run the step that made it again",
            ) from error
        return model
