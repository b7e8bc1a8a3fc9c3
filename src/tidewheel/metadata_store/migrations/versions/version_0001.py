"""All tables of the first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None


def _text() -> TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _counter() -> TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """From an empty database."""
    _runs()
    _causes()
    _models()
    _deployments()
    _data()


def _runs() -> None:
    op.create_table(
        "run",
        sa.Column("id", _text(), nullable=False),
        sa.Column("pipeline", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("event_id", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_event_id", "run", ["event_id"])
    op.create_index("ix_run_pipeline_id", "run", ["pipeline", "id"])
    op.create_index("ix_run_status_id", "run", ["status", "id"])
    op.create_table(
        "execution",
        sa.Column("id", _text(), nullable=False),
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("node", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("fingerprint", _text(), nullable=False),
        sa.Column("is_reusable", sa.Boolean(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_execution_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_execution"),
        sa.UniqueConstraint("run_id", "node", name="uq_execution_run_id_node"),
    )
    op.create_index("ix_execution_node_run_id", "execution", ["node", "run_id"])
    op.create_index("ix_execution_fingerprint_ended_at", "execution", ["fingerprint", "ended_at"])
    op.create_table(
        "artifact",
        sa.Column("digest", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_artifact"),
    )
    op.create_table(
        "execution_artifact",
        sa.Column("execution_id", _text(), nullable=False),
        sa.Column("direction", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("digest", _text(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["execution.id"], name="fk_execution_artifact_execution_id"),
        sa.PrimaryKeyConstraint("execution_id", "direction", "name", name="pk_execution_artifact"),
    )
    op.create_index("ix_execution_artifact_digest_direction", "execution_artifact", ["digest", "direction"])
    op.create_table(
        "closure_miss",
        sa.Column("step", _text(), nullable=False),
        sa.Column("module", _text(), nullable=False),
        sa.PrimaryKeyConstraint("step", "module", name="pk_closure_miss"),
    )
    op.create_table(
        "plan",
        sa.Column("digest", _text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_plan"),
    )
    op.create_table(
        "plan_key",
        sa.Column("key", _text(), nullable=False),
        sa.Column("plan_digest", _text(), nullable=False),
        sa.Column("extra", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["plan_digest"], ["plan.digest"], name="fk_plan_key_plan_digest"),
        sa.PrimaryKeyConstraint("key", name="pk_plan_key"),
    )
    op.create_table(
        "source_state",
        sa.Column("digest", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_source_state"),
    )
    op.create_table(
        "runtime",
        sa.Column("digest", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_runtime"),
    )


def _causes() -> None:
    op.create_table(
        "event",
        sa.Column("id", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("subject", _text(), nullable=False),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("outcome", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("key", name="uq_event_key"),
    )
    op.create_index("ix_event_is_pending_id", "event", ["is_pending", "id"])
    op.create_index("ix_event_subject_id", "event", ["subject", "id"])
    op.create_table(
        "signal",
        sa.Column("id", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signal"),
        sa.UniqueConstraint("key", name="uq_signal_key"),
    )
    op.create_index("ix_signal_model_id", "signal", ["model", "id"])
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clock"),
    )
    op.create_table(
        "lease",
        sa.Column("name", _text(), nullable=False),
        sa.Column("owner", _text(), nullable=False),
        sa.Column("timeline", _text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _models() -> None:
    op.create_table(
        "model", sa.Column("name", _text(), nullable=False), sa.PrimaryKeyConstraint("name", name="pk_model")
    )
    op.create_table(
        "model_version",
        sa.Column("model", _text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("package_digest", _text(), nullable=False),
        sa.Column("state", _text(), nullable=False),
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["model.name"], name="fk_model_version_model"),
        sa.PrimaryKeyConstraint("model", "version", name="pk_model_version"),
        sa.UniqueConstraint("model", "package_digest", name="uq_model_version_model_package_digest"),
    )
    op.create_index("ix_model_version_run_id", "model_version", ["run_id"])
    op.create_table(
        "model_state_change",
        sa.Column("position", _counter(), autoincrement=True, nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["model_version.model", "model_version.version"],
            name="fk_model_state_change_model_version",
        ),
        sa.PrimaryKeyConstraint("position", name="pk_model_state_change"),
    )
    op.create_index("ix_model_state_change_model_version", "model_state_change", ["model", "version"])
    op.create_table(
        "model_alias",
        sa.Column("model", _text(), nullable=False),
        sa.Column("alias", _text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"], ["model_version.model", "model_version.version"], name="fk_model_alias_model_version"
        ),
        sa.PrimaryKeyConstraint("model", "alias", name="pk_model_alias"),
    )
    op.create_table(
        "model_alias_move",
        sa.Column("position", _counter(), autoincrement=True, nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("alias", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_model_alias_move"),
    )
    op.create_index("ix_model_alias_move_model_alias", "model_alias_move", ["model", "alias"])


def _deployments() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", _text(), nullable=False),
        sa.Column("place", _text(), nullable=False),
        sa.Column("endpoint", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
    )
    op.create_index("ix_deployment_endpoint_id", "deployment", ["endpoint", "id"])
    op.create_table(
        "active_deployment",
        sa.Column("place", _text(), nullable=False),
        sa.Column("endpoint", _text(), nullable=False),
        sa.Column("role", _text(), nullable=False),
        sa.Column("deployment_id", _text(), nullable=False),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_active_deployment_deployment_id"),
        sa.PrimaryKeyConstraint("place", "endpoint", "role", name="pk_active_deployment"),
    )
    op.create_table(
        "deployment_change",
        sa.Column("position", _counter(), autoincrement=True, nullable=False),
        sa.Column("place", _text(), nullable=False),
        sa.Column("endpoint", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_deployment_change"),
    )
    op.create_index("ix_deployment_change_endpoint", "deployment_change", ["endpoint"])


def _data() -> None:
    op.create_table(
        "snapshot",
        sa.Column("table_name", _text(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "snapshot_id", name="pk_snapshot"),
    )
    op.create_index("ix_snapshot_digest", "snapshot", ["digest"])
    op.create_table(
        "pin",
        sa.Column("table_name", _text(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "snapshot_id", "run_id", name="pk_pin"),
    )
    op.create_index("ix_pin_run_id", "pin", ["run_id"])
    op.create_table(
        "ingest",
        sa.Column("table_name", _text(), nullable=False),
        sa.Column("content_digest", _text(), nullable=False),
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "content_digest", name="pk_ingest"),
    )
    op.create_index("ix_ingest_run_id", "ingest", ["run_id"])
    op.create_table(
        "segment",
        sa.Column("id", _text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_segment"),
    )
    op.create_table(
        "projection",
        sa.Column("kind", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("digest", _text(), nullable=False),
        sa.Column("external_id", _text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_projection"),
    )
