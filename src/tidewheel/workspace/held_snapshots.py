"""What a version was made from stays readable: training rows, spine, views, evaluation rows and reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact, Execution, ModelVersion
from tidewheel.workspace.references import TYPE as REFERENCE_TYPE
from tidewheel.workspace.snapshot_artifact import TABLE_TYPE
from tidewheel.workspace.stores import Stores

Address = tuple[str, int]
"""A table's name and the id of one of its snapshots."""


def tables_read(executions: Iterable[Execution]) -> set[Address]:
    """The snapshots that a run's steps were given, those of queries and joins included; not the references'."""
    return {
        (artifact.summary["table"], int(artifact.summary["snapshot_id"]))
        for execution in executions
        for artifact in execution.inputs.values()
        if artifact.type_name == TABLE_TYPE
    }


def snapshots_read(executions: Iterable[Execution]) -> set[Address]:
    """As `tables_read`, with the snapshots behind what rows were held against."""
    known = list(executions)
    return tables_read(known) | {
        (source["table"], int(source["snapshot_id"])) for execution in known for source in _sources(execution)
    }


def tag_snapshots(stores: Stores, version: ModelVersion, executions: Iterable[Execution], *, is_new: bool) -> None:
    """Tags what a version rests on with its name, so that no expiry takes it, whoever carries that out.

    The newest snapshot of each table that it was trained on gets `MODEL-vN`; others of the same table, and those of
    references, get their id behind that. Done twice it does nothing.

    Args:
        executions: of the run that made the version, or judged it again.
        is_new: false for a version of an earlier run, whose snapshots may have gone before anything held them.

    Raises:
        NotFoundError: a snapshot of a new version is gone.
        ConflictError: somebody gave a tag of this name to another snapshot.
    """
    name = _tag_name(version)
    newest = {one.table: one.snapshot_id for one in sorted(version.snapshots, key=lambda one: one.committed_at)}
    for table, number in newest.items():
        _tag(stores, (table, number), name, is_new=is_new)
    trained = {(one.table, one.snapshot_id) for one in version.snapshots}
    for table, number in sorted((trained | snapshots_read(executions)) - set(newest.items())):
        _tag(stores, (table, number), f"{name}-{number}", is_new=is_new)


def tags_of(stores: Stores, version: ModelVersion) -> dict[tuple[str, str], int]:
    """The tags that hold what a version rests on: snapshots by table and tag."""
    ours = re.compile(rf"{re.escape(_tag_name(version))}(-\d+)?")
    return {
        (one.name, tag): snapshot_id
        for one in stores.tables.list()
        for tag, snapshot_id in stores.tables.tags(one.name).items()
        if ours.fullmatch(tag)
    }


def snapshots_of_versions(stores: Stores) -> set[Address]:
    """What the versions rest on that are not deleted, told by the facts.

    A version has tags as well; they may be missing where a process died before it set them, or where a Tidewheel
    registered it that did not tag references.
    """
    versions = [version for version in stores.models.list() if version.state != "deleted"]
    held = {(one.table, one.snapshot_id) for version in versions for one in version.snapshots}
    for run_id in {version.run_id for version in versions}:
        held |= snapshots_read(stores.executions.list(run_id))
    return held


def _tag_name(version: ModelVersion) -> str:
    return f"{version.model}-v{version.version}"


def _tag(stores: Stores, address: Address, tag: str, *, is_new: bool) -> None:
    table, number = address
    try:
        stores.tables.tag(table, number, tag)
    except NotFoundError:
        if is_new:
            raise


def _sources(execution: Execution) -> Iterator[dict[str, str]]:
    artifacts: list[Artifact] = [*execution.inputs.values(), *execution.outputs.values()]
    yield from (one.summary["source"] for one in artifacts if one.type_name == REFERENCE_TYPE)
