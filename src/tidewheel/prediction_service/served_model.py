"""The package that answers now, verified and warm."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file
from tidewheel.core.errors import ArtifactCorruptError, SchemaMismatchError
from tidewheel.core.records import EndpointSpec, Prediction
from tidewheel.model_package import Package
from tidewheel.prediction_service.inference_protocol import Question
from tidewheel.prediction_service.refusal import Refusal


class ServedModel:
    """Loads what a spec names; creation fails unless its example rows give the expected answers.

    Raises:
        ArtifactCorruptError: the stored package does not have its digest.
        ConversionError: the examples' answers differ.
        UnreadableFileError: it is no package.
    """

    def __init__(self, spec: EndpointSpec) -> None:
        path = Path(spec.package_path)
        if digest_file(f"artifact {spec.package_codec}", path) != spec.package_digest:
            raise ArtifactCorruptError("the package is not what was registered", where=str(path))
        package = Package.read(path)
        self.spec = spec
        self.signature = package.signature
        self._model = package.open()
        package.check_examples(self._model)

    def answer(self, question: Question) -> dict[str, Any]:
        """Answers by output name.

        Raises:
            Refusal: with status 400, naming the field that does not fit.
        """
        try:
            return dict(self._model.predict(question.columns))
        except SchemaMismatchError as error:
            raise Refusal(400, error.what) from None

    def predictions(self, question: Question, answers: dict[str, Any], at: datetime) -> list[Prediction]:
        """The rows of the log for an answered request."""
        main = answers.get("probability", answers.get("prediction"))
        scores = main.tolist() if main is not None and main.ndim == 1 else [None] * len(question.prediction_ids)
        outputs = {name: values.tolist() for name, values in answers.items()}
        recorded_at, spec = utc_now(), self.spec
        return [
            Prediction(
                id=identifier,
                request_id=question.id,
                endpoint=spec.endpoint,
                place=spec.place,
                model=spec.model,
                version=spec.version,
                package_digest=spec.package_digest,
                inputs={name: values[row] for name, values in question.columns.items()},
                outputs={name: values[row] for name, values in outputs.items()},
                score=scores[row],
                at=at,
                recorded_at=recorded_at,
            )
            for row, identifier in enumerate(question.prediction_ids)
        ]
