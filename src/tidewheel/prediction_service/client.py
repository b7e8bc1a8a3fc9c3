"""Asks an endpoint: a small client on the standard library, with one connection that is kept."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import msgspec

from tidewheel.core.errors import ConflictError, DeploymentError, NotFoundError, SchemaMismatchError, StorageError
from tidewheel.core.identifier import new_id

TIMEOUT_S = 60.0
_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


class InferenceClient:
    """A connection to one server; use it in a `with` block, from one thread.

    A server closes a connection that was idle for some seconds. Where the kept one turns out to be closed before
    anything of an answer came, the request is sent once more over a new one; all its rows have ids, so it is answered
    once.

    Args:
        url: `http://host:port`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)

    def predict(
        self,
        model: str,
        columns: Mapping[str, Sequence[Any]],
        *,
        prediction_ids: Sequence[str] | None = None,
        at: datetime | None = None,
    ) -> dict[str, list[Any]]:
        """Answers by output name, and the ids under `prediction_id`.

        Where rows were outliers there is also `outliers`: for each row a list of what was beyond limits, each with
        `column`, `value`, `limit` and `policy`.

        Args:
            columns: plain values by field, None for missing.
            prediction_ids: one per row; made up when not given.
            at: the time that it then was, for a server with a virtual clock.

        Raises:
            SchemaMismatchError: the server refused the request, with its reason: a field, or an outlier.
            NotFoundError: the server does not serve this model.
            ConflictError: an id was used for other inputs.
            StorageError: the server cannot write its log.
            DeploymentError: the server does not answer.
        """
        body: dict[str, Any] = {"inputs": [_tensor(name, list(values)) for name, values in columns.items()]}
        if prediction_ids is not None:
            body["parameters"] = {"prediction_ids": list(prediction_ids)}
        else:
            body["id"] = new_id()  # ids of rows follow from it, so that it can be sent again
        headers = {"Content-Type": "application/json"}
        if at is not None:
            headers["Tidewheel-At"] = at.isoformat()
        answer = self._ask(f"/v2/models/{quote(model, safe='')}/infer", msgspec.json.encode(body), headers, model)
        outputs = {one["name"]: one["data"] for one in answer["outputs"]}
        ids = answer["parameters"]["prediction_ids"]
        told: list[dict[str, Any]] = answer["parameters"].get("outliers", [])
        if told:
            outputs["outliers"] = [[] for _ in ids]
            for one in told:
                outputs["outliers"][one["row"]].append({name: one[name] for name in one if name != "row"})
        return {"prediction_id": ids, **outputs}

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _ask(self, path: str, body: bytes, headers: dict[str, str], model: str) -> Any:
        try:
            response = self._send(path, body, headers)
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise DeploymentError(
                f"the endpoint does not answer: {error}", where=self._url, next_step="see `tidewheel status`"
            ) from error
        answer = msgspec.json.decode(data)
        if response.status == http.HTTPStatus.OK:
            return answer
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise NotFoundError("model", model, where=self._url, next_step=answer["error"])
        if response.status == http.HTTPStatus.CONFLICT:
            raise ConflictError(answer["error"], where=self._url)
        if response.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            raise StorageError(answer["error"], where=self._url)
        raise SchemaMismatchError(answer["error"], where=self._url)

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        """The answer's head; a kept connection that was closed in the meantime is replaced once."""
        is_kept = self._connection.sock is not None
        try:
            self._connection.request("POST", path, body, headers)
            return self._connection.getresponse()
        except (BrokenPipeError, ConnectionResetError):  # the latter also where it ended before the first byte
            self._connection.close()
            if not is_kept:
                raise
        self._connection.request("POST", path, body, headers)
        return self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values if value is not None}
    kind = float if kinds == {int, float} or not kinds else kinds.pop() if len(kinds) == 1 else str
    return {"name": name, "shape": [len(values)], "datatype": _DATATYPES.get(kind, "BYTES"), "data": values}
