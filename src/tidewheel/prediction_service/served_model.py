"""The package that answers now, verified and warm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.digest import digest_file
from tidewheel.core.errors import ArtifactCorruptError, SchemaMismatchError
from tidewheel.core.records import EndpointSpec, Outlier, OutlierCounts, Prediction
from tidewheel.model_package import Package
from tidewheel.model_package.outlier_treatment import first_refused, treatment_of
from tidewheel.model_package.signature import Signature
from tidewheel.prediction_service.inference_protocol import Question
from tidewheel.prediction_service.outlier_tally import OutlierTally
from tidewheel.prediction_service.refusal import Refusal
from tidewheel.prediction_service.request_form import form_of

if TYPE_CHECKING:
    from tidewheel.prediction_service.view_inputs import ViewInputs


class Answer(msgspec.Struct, frozen=True):
    """What a model was given and what it said, by name.

    Attributes:
        asked: the columns of the request, when they are not what the model was given.
        outliers: what was beyond limits, by row.
    """

    inputs: Mapping[str, list[Any]]
    outputs: dict[str, Any]
    asked: dict[str, list[Any]]
    outliers: Mapping[int, tuple[Outlier, ...]] = {}


class ServedModel:
    """Loads what a spec names; creation fails unless its example rows give the expected answers.

    Attributes:
        form: what requests may and must bring.

    Raises:
        NotFoundError, StorageError: views that give inputs are not online.
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
        self._treatment = treatment_of(package.limits, package.signature)
        self._tally = OutlierTally(spec.package_digest)
        self._views = _view_inputs(spec, package.signature) if spec.features else None
        self.form = self._views.form() if self._views is not None else form_of(package.signature)

    def trouble(self) -> str:
        """Why requests that leave features to views cannot be answered now; empty when they can."""
        return self._views.trouble() if self._views is not None else ""

    def answer(self, question: Question, at: datetime | None) -> Answer:
        """Answers, with features looked up where the request left them out.

        Args:
            at: when it was asked; None when the workspace's clock is virtual and the request does not tell.

        Raises:
            Refusal: with status 400, naming the field that does not fit; 422 for an outlier that is to be refused; 409
                and 503 see `ViewInputs.complete`.
        """
        inputs = asked = question.columns
        if self._views is not None:
            inputs = self._views.complete(asked, len(question.prediction_ids), at)
        outliers = self._treatment.find(inputs) if self._treatment is not None else {}
        try:
            if not outliers:
                outputs = dict(self._model.predict(inputs))
                return Answer(inputs, outputs, asked if asked.keys() != inputs.keys() else {})
            return self._answer_outliers(inputs, asked, outliers)
        except SchemaMismatchError as error:
            raise Refusal(400, error.what) from None

    def _answer_outliers(
        self,
        inputs: dict[str, list[Any]],
        asked: dict[str, list[Any]],
        outliers: Mapping[int, tuple[Outlier, ...]],
    ) -> Answer:
        self.signature.bind(inputs)  # a value that does not fit is no outlier, and is told first
        row_count = len(next(iter(inputs.values())))
        if refused := first_refused(outliers):
            self._tally.add(row_count, outliers)
            raise Refusal(422, refused)
        assert self._treatment is not None
        treated = self._treatment.answer(outliers, inputs, row_count, self._model.predict)
        is_as_asked = treated.inputs is inputs and asked.keys() == inputs.keys()
        return Answer(treated.inputs, treated.outputs, {} if is_as_asked else asked, outliers)

    def count(self, answer: Answer) -> None:
        """Counts the rows of an answer that is in the log; those of a refused request are counted already."""
        if self._treatment is not None:
            self._tally.add(len(next(iter(answer.inputs.values()))), answer.outliers)

    def outlier_counts(self) -> OutlierCounts | None:
        """What was beyond limits since this model began to answer; None when it has no limits."""
        return self._tally.counts() if self._treatment is not None else None

    def predictions(self, question: Question, answer: Answer, at: datetime) -> list[Prediction]:
        """The rows of the log for an answered request."""
        answers = answer.outputs
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
                inputs={name: values[row] for name, values in answer.inputs.items()},
                outputs={name: values[row] for name, values in outputs.items()},
                score=scores[row],
                at=at,
                recorded_at=recorded_at,
                asked={name: values[row] for name, values in answer.asked.items()},
                outliers=answer.outliers.get(row, ()),
            )
            for row, identifier in enumerate(question.prediction_ids)
        ]


def _view_inputs(spec: EndpointSpec, signature: Signature) -> ViewInputs:
    """Loaded late: most models take what requests bring."""
    from tidewheel.prediction_service.view_inputs import ViewInputs

    return ViewInputs(spec, signature)
