"""Requests and answers of the Open Inference Protocol v2, REST form (kserve/open-inference-protocol, `rest`).

Tensors carry one feature each, of shape [n] or [n, 1], `data` flat or nested. Answers are flat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidewheel.core.identifier import new_id
from tidewheel.core.records import Outlier
from tidewheel.model_package.signature import OutputField, Signature
from tidewheel.prediction_service.refusal import Refusal
from tidewheel.prediction_service.request_form import AskedField, RequestForm

_INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS = {"FP16", "FP32", "FP64"}
_ACCEPTED = {
    "float": _FLOATS | _INTEGERS,
    "integer": _INTEGERS | _FLOATS,
    "boolean": {"BOOL"},
    "string": {"BYTES"},
}
_DATATYPES = {"float": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES"}
_MEANT = {"FP64": " (numbers)", "INT64": " (numbers)", "BOOL": " (true, false)", "BYTES": " (texts)"}


class Tensor(msgspec.Struct, kw_only=True):
    """One input tensor."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, kw_only=True):
    """The body of an infer request."""

    inputs: list[Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[dict[str, Any]] = []


class Question(msgspec.Struct, frozen=True):
    """A request that is understood: columns by input, and an id per row.

    Attributes:
        columns: as asked; features that views give may be missing.
        is_named: whether the asker gave ids, which may come again.
    """

    id: str
    columns: dict[str, list[Any]]
    prediction_ids: list[str]
    is_named: bool = True

    def row(self, number: int) -> dict[str, Any]:
        """One row as asked."""
        return {name: values[number] for name, values in self.columns.items()}

    def only(self, rows: list[int]) -> Question:
        """Some of the rows, as a request of their own."""
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return Question(self.id, columns, [self.prediction_ids[row] for row in rows], self.is_named)


_decoder = msgspec.json.Decoder(InferRequest)


def read_request(body: bytes, form: RequestForm) -> Question:
    """Understands a request.

    Raises:
        Refusal: with status 400, naming the field.
    """
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"the body is no infer request: {error}") from None
    fields = form.fields
    columns: dict[str, list[Any]] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise Refusal(400, f"input {tensor.name!r} comes twice")
        field = fields.get(tensor.name)
        if field is None:
            raise Refusal(400, f"unexpected input {tensor.name!r}; the model takes {', '.join(fields)}")
        columns[tensor.name] = _column(tensor, field)
    if missing := form.missing(list(columns)):
        raise Refusal(400, missing)
    count = len(next(iter(columns.values())))
    if not count:
        raise Refusal(400, "the request has no rows")
    for name, values in columns.items():
        if len(values) != count:
            raise Refusal(400, f"input {name!r} has {len(values)} rows, others have {count}")
    identifier = request.id or new_id()
    is_named = bool(request.id) or request.parameters.get("prediction_ids") is not None
    return Question(identifier, columns, _prediction_ids(request, identifier, count), is_named)


def _column(tensor: Tensor, field: AskedField) -> list[Any]:
    values, kind = tensor.data, field.kind if field.kind in _DATATYPES else "string"
    if tensor.datatype not in _ACCEPTED[kind] and not _is_nothing(values):
        given = f"{tensor.datatype!r}{_MEANT.get(tensor.datatype, '')}"
        wanted = f"{_DATATYPES[kind]}{_MEANT.get(_DATATYPES[kind], '')}"
        raise Refusal(400, f"input {tensor.name!r} takes {wanted}, not datatype {given}")
    if values and all(isinstance(one, list) for one in values):
        if any(len(one) != 1 for one in values):
            raise Refusal(400, f"input {tensor.name!r}: each row holds one value")
        values = [one[0] for one in values]
    if any(size < 0 for size in tensor.shape) or len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
        raise Refusal(400, f"input {tensor.name!r} has shape {tensor.shape}, not [n] or [n, 1]")
    if math.prod(tensor.shape) != len(values):
        raise Refusal(400, f"input {tensor.name!r} has shape {tensor.shape} but {len(values)} values")
    return values


def _is_nothing(values: list[Any]) -> bool:
    """Whether all are null, of which a client cannot tell the type."""
    return bool(values) and all(value is None or value == [None] for value in values)


def _prediction_ids(request: InferRequest, identifier: str, count: int) -> list[str]:
    given = request.parameters.get("prediction_ids")
    if given is None:
        return [identifier] if count == 1 else [f"{identifier}-{row}" for row in range(count)]
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise Refusal(400, "parameters.prediction_ids must be a list of texts")
    if len(given) != count or len(set(given)) != count:
        raise Refusal(400, f"parameters.prediction_ids must be {count} different texts, one for each row")
    return given


def write_answer(
    question: Question,
    answers: dict[str, Any],
    model: str,
    version: int,
    outliers: Mapping[str, Sequence[Outlier]],
) -> bytes:
    """The answer's body; outputs are flat, of several numbers per row of shape [n, k].

    Args:
        outliers: what was beyond limits, by prediction id; each is told with its row, and nothing when there is none.
    """
    parameters: dict[str, Any] = {"prediction_ids": question.prediction_ids}
    if outliers:
        parameters["outliers"] = [
            {"row": row, **one.to_dict()}
            for row, name in enumerate(question.prediction_ids)
            for one in outliers.get(name, ())
        ]
    outputs = [
        {
            "name": name,
            "shape": list(values.shape),
            "datatype": {"f": "FP64", "i": "INT64"}.get(values.dtype.kind, "BYTES"),
            "data": values.ravel().tolist(),
        }
        for name, values in answers.items()
    ]
    return msgspec.json.encode(
        {
            "model_name": model,
            "model_version": str(version),
            "id": question.id,
            "outputs": outputs,
            "parameters": parameters,
        }
    )


def describe_model(model: str, version: int, form: RequestForm, signature: Signature) -> dict[str, Any]:
    """The answer to a metadata request; the parameters of an input tell what feature views have to do with it."""
    return {
        "name": model,
        "versions": [str(version)],
        "platform": "onnx_onnxv1",
        "inputs": [_asked(name, field) for name, field in form.fields.items()],
        "outputs": [_told(field) for field in signature.outputs],
    }


def _asked(name: str, field: AskedField) -> dict[str, Any]:
    facts = field.facts()
    if field.kind not in _DATATYPES:
        facts["kind"] = field.kind  # a text of this form
    told = {"name": name, "datatype": _DATATYPES.get(field.kind, "BYTES"), "shape": [-1]}
    return told | ({"parameters": facts} if facts else {})


def _told(field: OutputField) -> dict[str, Any]:
    shape = [-1] if field.width == 1 else [-1, field.width]
    return {"name": field.name, "datatype": _DATATYPES[field.kind], "shape": shape}
