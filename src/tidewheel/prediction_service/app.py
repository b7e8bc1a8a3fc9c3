"""The ASGI application: routes, limits, and every error as JSON."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tidewheel.core.clock import parse_time, utc_now
from tidewheel.core.errors import ParameterError, StorageError
from tidewheel.core.records import Outlier
from tidewheel.prediction_log.segment_writer import SegmentWriter
from tidewheel.prediction_service.inference_protocol import Question, describe_model, read_request, write_answer
from tidewheel.prediction_service.refusal import Refusal
from tidewheel.prediction_service.repetition import Repetition
from tidewheel.prediction_service.served_model import ServedModel

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_MODEL = re.compile(r"^/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?$")
_AT = b"tidewheel-at"


class App:
    """Serves one model; `swap` changes it between two requests.

    A request is answered after its rows are in the log, and rows whose ids are there get the recorded answer. Requests
    are computed one at a time, so the model, the log and the swap need no lock.
    """

    def __init__(self, served: ServedModel, log: SegmentWriter) -> None:
        self._served = served
        self._log = log

    def swap(self, served: ServedModel) -> None:
        """The next request is answered by this one."""
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        try:
            status, body = 200, await self._answer(scope, receive)
        except Refusal as refusal:
            status, body = refusal.status, msgspec.json.encode({"error": refusal.what})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        path, method = scope["path"].rstrip("/"), scope["method"]
        if path in ("/v2/health/live", "/v2/health/ready", "/v2"):
            _require(method, "GET", path)
            if path == "/v2/health/ready":
                self._require_views()
            about = {"name": "tidewheel", "version": "0.1.0", "extensions": []}
            return msgspec.json.encode(about if path == "/v2" else {path.rpartition("/")[2]: True})
        matched = _MODEL.match(path)
        if matched is None:
            raise Refusal(404, f"there is no {path!r}")
        model, version, action = matched.groups()
        self._check(model, version)
        _require(method, "POST" if action == "/infer" else "GET", path)
        if action == "/infer":
            body = await self._read(scope, receive)
            self._check(model, version)  # another version may have come while the body did
            return self._infer(body, self._time(scope))
        spec = self._served.spec
        if action == "/ready":
            self._require_views()
            return msgspec.json.encode({"name": spec.model, "ready": True})
        served = self._served
        return msgspec.json.encode(describe_model(spec.model, spec.version, served.form, served.signature))

    def _infer(self, body: bytes, at: datetime | None) -> bytes:
        question = read_request(body, self._served.form)
        try:
            known = self._log.find(self._served.spec.model, question.prediction_ids) if question.is_named else {}
            repetition = Repetition(question, known, self._served.spec) if known else None
            fresh = repetition.fresh if repetition else question
            answers, outliers = self._ask(fresh, at) if fresh else ({}, {})
        except StorageError as error:
            raise Refusal(503, error.what) from None
        spec = self._served.spec
        if repetition is None:
            return write_answer(question, answers, spec.model, spec.version, outliers)
        outliers |= repetition.outliers
        return write_answer(question, repetition.answers(answers), spec.model, repetition.version, outliers)

    def _ask(self, question: Question, at: datetime | None) -> tuple[dict[str, Any], dict[str, Sequence[Outlier]]]:
        answer = self._served.answer(question, at)
        self._log.append(self._served.predictions(question, answer, at or utc_now()))
        self._served.count(answer)
        return answer.outputs, {question.prediction_ids[row]: found for row, found in answer.outliers.items()}

    def _require_views(self) -> None:
        if trouble := self._served.trouble():
            raise Refusal(503, f"not ready: {trouble}")

    def _check(self, model: str, version: str | None) -> None:
        spec = self._served.spec
        if model != spec.model:
            raise Refusal(404, f"model {model!r} is not served here, {spec.model!r} is")
        if version is not None and version != str(spec.version):
            raise Refusal(404, f"version {version!r} of {model!r} is not served here, {spec.version} is")

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refusal(415, f"content type {kind.decode('latin-1')!r} is not read; send application/json")
        if b"inference-header-content-length" in headers:
            raise Refusal(415, "the binary tensor extension is not read; send tensors as JSON")
        limit, body = self._served.spec.max_body_bytes, bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > limit:
                raise Refusal(413, f"the body has more than {limit:,} bytes")
            if not message.get("more_body"):
                return bytes(body)

    def _time(self, scope: Scope) -> datetime | None:
        """When the request came; None when only it could tell and does not."""
        if not self._served.spec.is_clock_virtual:
            return utc_now()
        told = dict(scope["headers"]).get(_AT)
        if told is None:
            return None
        try:
            return parse_time(told.decode("latin-1"))
        except ParameterError as error:
            raise Refusal(400, f"header Tidewheel-At: {error.what}") from None


def _require(method: str, expected: str, path: str) -> None:
    if method != expected:
        raise Refusal(405, f"{path} takes {expected}, not {method}")
