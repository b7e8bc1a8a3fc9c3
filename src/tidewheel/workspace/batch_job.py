"""A batch prediction before it is carried out: all that it depends on, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import ConflictError, NotFoundError, ParameterError, SchemaMismatchError
from tidewheel.core.records import Artifact, ModelVersion, Snapshot
from tidewheel.pipeline.feature_view import Definition, ViewDefinition, read_definition
from tidewheel.workspace.champions import registry
from tidewheel.workspace.contracts import Contracts
from tidewheel.workspace.snapshot_artifact import snapshot_artifact
from tidewheel.workspace.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.model_package.arrow_model import ArrowModel
    from tidewheel.table_store import TableReader

JOB = "tidewheel.batch.job"
MODEL, PACKAGE = "tidewheel.batch.model", "tidewheel.batch.package"
INPUT, INPUT_DIGEST = "tidewheel.batch.input", "tidewheel.batch.input-digest"


class BatchRequest(NamedTuple):
    """What was asked for.

    Attributes:
        model, version: who answers; without a version the champion.
        table, snapshot: about which rows; without a snapshot the current ones.
        to: the table of the answers.
        keep: columns of the rows that the answers have beside them; None for all that are no features.
        appends: whether the rows that `to` has stay.
        event_time: the column that says for when features are joined.
        chunk_rows: rows that are kept together.
    """

    model: str
    table: str
    to: str
    version: int | None
    snapshot: int | None
    keep: Sequence[str] | None
    appends: bool
    event_time: str
    chunk_rows: int


class BatchJob(NamedTuple):
    """A checked request.

    Attributes:
        id: a digest of all that the result depends on; the same request on the same data is the same job.
        schema: of the result.
        view_snapshots: of the tables of the views that the version is served with.
        join: adds the views' features to rows; None when the version has none.
        left_out: columns that the result lacks because an answer has their name.
    """

    id: str
    request: BatchRequest
    version: ModelVersion
    model: ArrowModel
    reader: TableReader
    kept: list[str]
    left_out: list[str]
    schema: pa.Schema
    view_snapshots: dict[str, Snapshot]
    join: Callable[[pa.Table], pa.Table] | None

    @property
    def columns(self) -> list[str]:
        """What is read: features and what is kept; for a join all, since views name keys and times."""
        if self.join is not None:
            return list(self.reader.schema.names)
        return list(dict.fromkeys([*(field.name for field in self.model.signature.inputs), *self.kept]))

    def facts(self) -> dict[str, str]:
        """What any reader of the Iceberg table is told of where its rows come from."""
        snapshot = self.reader.snapshot
        return {
            MODEL: f"{self.version.model}/{self.version.version}",
            PACKAGE: self.version.package.digest,
            INPUT: f"{snapshot.table}@{snapshot.snapshot_id}",
            INPUT_DIGEST: snapshot.digest,
        }

    def inputs(self) -> dict[str, Artifact]:
        """What the operation is recorded with."""
        views = {f"table.{name}": snapshot_artifact(one) for name, one in self.view_snapshots.items()}
        return {"package": self.version.package, "rows": snapshot_artifact(self.reader.snapshot), **views}


def prepare_job(stores: Stores, contracts: Contracts, request: BatchRequest) -> BatchJob:
    """Checks all that can be wrong before anything is changed.

    Raises:
        NotFoundError: there is no such model, version, champion, table or snapshot.
        SchemaMismatchError: columns are missing or of another kind; all of them are named.
        ParameterError: there are no rows, or the answers would replace what they are about.
        ConflictError: the table for the answers holds rows of another kind, or the version is deleted.
        ArtifactMissingError, ArtifactCorruptError: the package or a data file is not whole.
    """
    import pyarrow as pa

    from tidewheel.model_package.arrow_model import ArrowModel, check_columns
    from tidewheel.prediction_service.batch_prediction import kept_columns
    from tidewheel.table_store import TableReader

    version = _version(stores, request)
    found = stores.tables.snapshot(request.table, id=request.snapshot)
    _check_target(stores, contracts, request)
    reader = TableReader(stores.tables.reference(found))
    where = f"table {request.table!r}, snapshot {found.snapshot_id}"
    if not reader.row_count:
        raise ParameterError("there are no rows to predict", where=where, next_step="name a snapshot that has rows")
    stores.artifacts.verify(version.package)
    model = ArrowModel(stores.artifacts.load(version.package))
    views = [read_definition(one) for one in version.features]
    tables = dict.fromkeys(one.table for one in views if isinstance(one, ViewDefinition))
    view_snapshots = {name: stores.tables.snapshot(name) for name in tables}
    join = _join(stores, request, views, view_snapshots)
    if join is not None and request.event_time not in reader.schema.names:
        raise SchemaMismatchError(
            f"it has no column {request.event_time!r} that says for when features are joined",
            where=where,
            next_step=f"name that column with --event-time; it has {', '.join(reader.schema.names)}",
        )
    has = reader.schema if join is None else join(reader.schema.empty_table()).schema
    check_columns(model.signature, has, where=where)
    kept, left_out = kept_columns(reader.schema, model, request.keep, where=where)
    key = {
        "version": [request.model, version.version, version.package.digest],
        "rows": [found.digest, found.table_uuid, str(found.snapshot_id)],
        "views": [view.digest for view in views],
        "view snapshots": {name: one.digest for name, one in view_snapshots.items()},
        "result": [request.to, kept, request.appends, request.event_time, request.chunk_rows],
    }
    return BatchJob(
        id=digest_value("batch job", key)[:16],
        request=request,
        version=version,
        model=model,
        reader=reader,
        kept=kept,
        left_out=left_out,
        schema=pa.schema([*(reader.schema.field(name) for name in kept), *model.answers]),
        view_snapshots=view_snapshots,
        join=join,
    )


def _version(stores: Stores, request: BatchRequest) -> ModelVersion:
    models = registry(stores)
    named = request.version
    chosen = models.get(request.model, named) if named is not None else models.champion(request.model)
    if chosen is None:
        next_step = f"`tidewheel promote {request.model} VERSION`, or name one with --version"
        raise NotFoundError("champion of model", request.model, next_step=next_step)
    if chosen.state == "deleted":
        raise ConflictError(f"{request.model} v{chosen.version} is deleted", next_step="choose another version")
    return chosen


def _check_target(stores: Stores, contracts: Contracts, request: BatchRequest) -> None:
    """Refuses to put answers where rows of another kind are."""
    to, tables = request.to, stores.tables
    if to == request.table:
        raise ParameterError(f"table {to!r} would be replaced by its own predictions", next_step="name another")
    if contracts.find(to) is not None:
        raise ConflictError(
            f"table {to!r} has a contract, and predictions would not be held against it",
            next_step="name another table",
        )
    if tables.exists(to) and tables.info(to).row_count and tables.find_by_property(to, JOB) is None:
        raise ConflictError(
            f"table {to!r} holds rows that no batch prediction wrote", next_step="name another table with --to"
        )


def _join(
    stores: Stores,
    request: BatchRequest,
    views: Sequence[Definition],
    snapshots: dict[str, Snapshot],
) -> Callable[[pa.Table], pa.Table] | None:
    """Adds the features of the version's views to rows, each of the last event before the row's time."""
    if not views:
        return None
    from tidewheel.feature_store import join

    references = {name: stores.tables.reference(one) for name, one in snapshots.items()}

    def add(rows: pa.Table) -> pa.Table:
        plain = rows.cast(_plain_schema(rows.schema))
        return join(plain, views, references, event_time=request.event_time)[0].combine_chunks()

    return add


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    is_encoded = pa.types.is_dictionary
    return pa.schema([one.with_type(one.type.value_type) if is_encoded(one.type) else one for one in schema])
