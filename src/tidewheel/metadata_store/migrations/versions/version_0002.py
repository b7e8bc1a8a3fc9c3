"""Runs of pipelines can be found, filtered and sorted by their parameters and metrics."""

from __future__ import annotations

import json
import math
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"

_ROWS = 1000


def _text() -> TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Three tables, filled from the records that there are."""
    op.create_table(
        "experiment",
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("pipeline", _text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_experiment"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_experiment_run_id"),
    )
    op.create_index("ix_experiment_pipeline_run_id", "experiment", ["pipeline", "run_id"])
    op.create_table(
        "run_parameter",
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("value", _text(), nullable=False),
        sa.Column("number", sa.Double()),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_run_parameter"),
        sa.ForeignKeyConstraint(["run_id"], ["experiment.run_id"], name="fk_run_parameter_run_id"),
    )
    op.create_index("ix_run_parameter_name_number_run_id", "run_parameter", ["name", "number", "run_id"])
    op.create_table(
        "run_metric",
        sa.Column("run_id", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_run_metric"),
        sa.ForeignKeyConstraint(["run_id"], ["experiment.run_id"], name="fk_run_metric_run_id"),
    )
    op.create_index("ix_run_metric_name_value_run_id", "run_metric", ["name", "value", "run_id"])
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    runs = {
        run_id: run
        for run_id, record in connection.execute(sa.text("SELECT id, record FROM run ORDER BY id"))
        if (run := json.loads(record)).get("plan_digest")
    }
    _insert("experiment", [{"run_id": one, "pipeline": run["pipeline"]} for one, run in runs.items()])
    given = [
        {"run_id": one, "name": name, **_spelled(value)}
        for one, run in runs.items()
        for name, value in run.get("parameters", {}).items()
    ]
    _insert("run_parameter", given)
    metrics: dict[tuple[str, str], dict[str, Any]] = {}
    sql = "SELECT run_id, place, record FROM execution ORDER BY run_id, place"
    for run_id, place, record in connection.execute(sa.text(sql)):
        for name, value in (json.loads(record).get("metrics") or {}).items() if run_id in runs else ():
            if value is not None and math.isfinite(value):
                metrics[run_id, name] = {"run_id": run_id, "name": name, "place": place, "value": float(value)}
    _insert("run_metric", list(metrics.values()))


def _spelled(value: Any) -> dict[str, Any]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return {"value": text, "number": float(value) if is_number else None}


def _insert(table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = list(rows[0])
    sql = sa.text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})")
    for start in range(0, len(rows), _ROWS):
        op.get_bind().execute(sql, rows[start : start + _ROWS])
