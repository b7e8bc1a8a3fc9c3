"""Requests while the version that answers changes."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from tidewheel.core.records import EndpointSpec
from tidewheel.model_package import Field, Signature
from tidewheel.prediction_log.segment_writer import SegmentWriter
from tidewheel.prediction_service.app import App
from tidewheel.prediction_service.request_form import form_of


def version(number):
    spec = EndpointSpec(
        endpoint="e",
        place="dev",
        model="m",
        version=number,
        package_path="",
        package_digest="",
        package_codec="",
        log_folder="",
    )
    inputs = (Field(name="x", kind="float", allows_null=True),)
    return SimpleNamespace(spec=spec, form=form_of(Signature(inputs=inputs, outputs=(), task="regression")))


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [("/v2/models/m/versions/1/infer", 404, "2 is"), ("/v2/models/m/infer", 400, "missing input 'x'")],
)
def test_a_request_for_a_version_is_not_answered_by_the_one_that_came_while_its_body_did(tmp_path, path, status, told):
    app, sent = App(version(1), SegmentWriter(tmp_path, maximum_rows=10)), []

    async def receive():
        app.swap(version(2))
        return {"type": "http.request", "body": b'{"inputs": []}'}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "path": path, "method": "POST", "headers": []}, receive, send))
    assert sent[0]["status"] == status
    assert told in json.loads(sent[1]["body"])["error"]
