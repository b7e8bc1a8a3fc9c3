"""What an operation that failed had read and made is on record."""

from __future__ import annotations

import pytest

from small_project import SmallProject
from tidewheel.core.errors import StorageError
from tidewheel.workspace.cause import request_event
from tidewheel.workspace.operation import record_operation


def test_a_failed_operation_keeps_what_it_had_read_and_made(tmp_path):
    project = SmallProject(tmp_path / "project")
    with project.open() as workspace:
        read, made = (workspace.stores.artifacts.put(value) for value in ("rows", "report"))
        event = request_event(workspace.stores, "predict", {})
        with (
            pytest.raises(StorageError),
            record_operation(workspace.stores, "predict", {"table": "t"}, event) as operation,
        ):
            operation.inputs["rows"], operation.outputs["report"] = read, made
            raise StorageError("the disk is full")
        (execution,) = workspace.run(operation.run.id).executions
        assert execution.status == "failed"
        assert (execution.inputs["rows"].load(), execution.outputs["report"].load()) == ("rows", "report")
        assert execution.record.failure.message.startswith("the disk is full")
