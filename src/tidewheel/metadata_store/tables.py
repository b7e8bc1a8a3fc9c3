"""The tables. A row holds the whole record as canonical JSON, and beside it the columns that queries need.

Two kinds: facts written once (and completed once), and pairs of an append-only history with a current row that is
changed in the same transaction. Names of tables are the glossary's nouns. A change here needs a migration in
`migrations/versions`; a test compares the two. Only what creates and migrates imports this: stores speak SQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text() -> TypeEngine[str]:
    """Text compared byte by byte, whatever collation the PostgreSQL database was created with."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def counter() -> TypeEngine[int]:
    """A number that the database gives to each new row of a history, in order of writing."""
    return BigInteger().with_variant(Integer, "sqlite")


def _key(name: str) -> Column[Any]:
    return Column(name, text(), primary_key=True)


def _text(name: str) -> Column[Any]:
    return Column(name, text(), nullable=False)


def _number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _time(name: str) -> Column[Any]:
    """Microseconds since 1970 in UTC, see `moment.py`."""
    return _number(name)


def _record() -> Column[Any]:
    return Column("record", Text, nullable=False)


def _snapshot_id() -> Column[Any]:
    return Column("snapshot_id", BigInteger, primary_key=True, autoincrement=False)


def _position() -> Column[Any]:
    return Column("position", counter(), primary_key=True, autoincrement=True)


# Runs, executions and what they exchange.

run = Table("run", metadata, _key("id"), _text("pipeline"), _text("status"), _text("event_id"), _record())
Index(None, run.c.pipeline, run.c.id)
Index(None, run.c.status, run.c.id)
Index(None, run.c.event_id)

execution = Table(
    "execution",
    metadata,
    _key("id"),
    Column("run_id", text(), ForeignKey(run.c.id), nullable=False),
    Column("place", Integer, nullable=False),
    _text("node"),
    _text("status"),
    _text("fingerprint"),
    Column("is_reusable", Boolean, nullable=False),
    Column("ended_at", BigInteger),
    _record(),
    UniqueConstraint("run_id", "node"),
)
Index(None, execution.c.fingerprint, execution.c.ended_at)
Index(None, execution.c.node, execution.c.run_id)

# Runs of pipelines as they are looked for: what their records hold, in columns with indexes.
experiment = Table(
    "experiment", metadata, Column("run_id", text(), ForeignKey(run.c.id), primary_key=True), _text("pipeline")
)
Index(None, experiment.c.pipeline, experiment.c.run_id)

run_parameter = Table(
    "run_parameter",
    metadata,
    Column("run_id", text(), ForeignKey(experiment.c.run_id), primary_key=True),
    _key("name"),
    _text("value"),
    Column("number", Double),
)
Index(None, run_parameter.c.name, run_parameter.c.number, run_parameter.c.run_id)

run_metric = Table(
    "run_metric",
    metadata,
    Column("run_id", text(), ForeignKey(experiment.c.run_id), primary_key=True),
    _key("name"),
    Column("place", Integer, nullable=False),
    Column("value", Double, nullable=False),
)
Index(None, run_metric.c.name, run_metric.c.value, run_metric.c.run_id)

artifact = Table("artifact", metadata, _key("digest"), _record())

execution_artifact = Table(
    "execution_artifact",
    metadata,
    Column("execution_id", text(), ForeignKey(execution.c.id), primary_key=True),
    _key("direction"),
    _key("name"),
    _text("digest"),
)
Index(None, execution_artifact.c.digest, execution_artifact.c.direction)

closure_miss = Table("closure_miss", metadata, _key("step"), _key("module"))

plan = Table("plan", metadata, _key("digest"), Column("document", LargeBinary, nullable=False))
plan_key = Table(
    "plan_key",
    metadata,
    _key("key"),
    Column("plan_digest", text(), ForeignKey(plan.c.digest), nullable=False),
    Column("extra", LargeBinary, nullable=False),
)

source_state = Table("source_state", metadata, _key("digest"), _record())
runtime = Table("runtime", metadata, _key("digest"), _record())

# Causes and findings.

event = Table(
    "event",
    metadata,
    _key("id"),
    Column("key", text(), nullable=False, unique=True),
    _text("subject"),
    Column("is_pending", Boolean, nullable=False),
    _text("run_id"),
    _text("outcome"),
    _record(),
)
Index(None, event.c.subject, event.c.id)
Index(None, event.c.is_pending, event.c.id)

signal = Table(
    "signal", metadata, _key("id"), Column("key", text(), nullable=False, unique=True), _text("model"), _record()
)
Index(None, signal.c.model, signal.c.id)

clock = Table("clock", metadata, Column("id", Integer, primary_key=True, autoincrement=False), _time("at"))

lease = Table("lease", metadata, _key("name"), _text("owner"), _text("timeline"), _number("expires_at"))

# Models.

model = Table("model", metadata, _key("name"))

model_version = Table(
    "model_version",
    metadata,
    Column("model", text(), ForeignKey(model.c.name), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("package_digest"),
    _text("state"),
    _text("run_id"),
    _record(),
    UniqueConstraint("model", "package_digest"),
)
Index(None, model_version.c.run_id)


def _model_version_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["model", "version"], [model_version.c.model, model_version.c.version])


model_state_change = Table(
    "model_state_change",
    metadata,
    _position(),
    _text("model"),
    Column("version", Integer, nullable=False),
    _record(),
    _model_version_key(),
)
Index(None, model_state_change.c.model, model_state_change.c.version)

model_alias = Table(
    "model_alias",
    metadata,
    _key("model"),
    _key("alias"),
    Column("version", Integer, nullable=False),
    _model_version_key(),
)

model_alias_move = Table("model_alias_move", metadata, _position(), _text("model"), _text("alias"), _record())
Index(None, model_alias_move.c.model, model_alias_move.c.alias)

# Deployments.

deployment = Table("deployment", metadata, _key("id"), _text("place"), _text("endpoint"), _record())
Index(None, deployment.c.endpoint, deployment.c.id)

active_deployment = Table(
    "active_deployment",
    metadata,
    _key("place"),
    _key("endpoint"),
    _key("role"),
    Column("deployment_id", text(), ForeignKey(deployment.c.id), nullable=False),
)

deployment_change = Table("deployment_change", metadata, _position(), _text("place"), _text("endpoint"), _record())
Index(None, deployment_change.c.endpoint)

# Tables of data, and what was moved into them.

snapshot = Table("snapshot", metadata, _key("table_name"), _snapshot_id(), _text("digest"), _record())
Index(None, snapshot.c.digest)

pin = Table("pin", metadata, _key("table_name"), _snapshot_id(), _key("run_id"), _time("expires_at"))
Index(None, pin.c.run_id)

ingest = Table("ingest", metadata, _key("table_name"), _key("content_digest"), _text("run_id"), _record())
Index(None, ingest.c.run_id)

segment = Table("segment", metadata, _key("id"), _record())

projection = Table("projection", metadata, _key("kind"), _key("key"), _text("digest"), _text("external_id"))
