"""A kept connection that the server closed costs nobody an answer, and no request is sent twice without need."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tidewheel.core.errors import DeploymentError
from tidewheel.prediction_service.client import InferenceClient


def whole_request(stream) -> dict | None:
    """The body of the next request; None when the client has closed."""
    if not stream.readline():
        return None
    size = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    return json.loads(stream.read(size))


def reply(request: dict) -> bytes:
    ids = request.get("parameters", {}).get("prediction_ids", [request.get("id")])
    body = json.dumps({"outputs": [{"name": "prediction", "data": [1.0]}], "parameters": {"prediction_ids": ids}})
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@contextmanager
def server(*connections: Sequence[str]) -> Iterator[tuple[str, list[dict]]]:
    """Accepts one connection after the other and does to each of its requests what is told.

    `answer` answers; `close` reads the request and ends; `hang up` ends without waiting for a request; `half` sends a
    part of an answer and ends.
    """
    seen: list[dict] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for told in connections:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as stream:
                for what in told:
                    if what == "hang up" or (request := whole_request(stream)) is None:
                        break
                    seen.append(request)
                    if what in ("answer", "half"):
                        data = reply(request)
                        connection.sendall(data if what == "answer" else data[:-5])
        listening.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
    thread.join(timeout=120)
    assert not thread.is_alive(), "a connection that was expected did not come"


def predict(client: InferenceClient, **options) -> list[float]:
    return client.predict("model", {"x": [0.5]}, **options)["prediction"]


@pytest.mark.parametrize("end", ["hang up", "close"])
def test_a_kept_connection_that_was_closed_is_replaced_and_the_request_is_the_same(end):
    with server(["answer", end], ["answer", "answer", "hang up"]) as (url, seen), InferenceClient(url) as client:
        assert predict(client) == [1.0]
        assert predict(client) == [1.0]
        assert predict(client, prediction_ids=["p"]) == [1.0]
    first, *again, last = seen
    assert len(again) == (2 if end == "close" else 1)
    assert all(one == again[0] for one in again)
    assert first["id"] != again[0]["id"]
    assert last["parameters"]["prediction_ids"] == ["p"]


def test_a_new_connection_that_is_closed_is_told_and_not_tried_again():
    with server(["close"]) as (url, seen), InferenceClient(url) as client:
        with pytest.raises(DeploymentError, match="does not answer"):
            predict(client)
    assert len(seen) == 1


def test_a_request_is_sent_twice_at_most():
    with server(["answer", "close"], ["close"]) as (url, seen), InferenceClient(url) as client:
        predict(client)
        with pytest.raises(DeploymentError, match="does not answer"):
            predict(client)
    assert len(seen) == 3


def test_an_answer_of_which_a_part_came_is_not_asked_for_again():
    with server(["answer", "half"]) as (url, seen), InferenceClient(url) as client:
        predict(client)
        with pytest.raises(DeploymentError, match="does not answer"):
            predict(client)
    assert len(seen) == 2
