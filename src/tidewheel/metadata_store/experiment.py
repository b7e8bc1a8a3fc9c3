"""Experiments: runs of pipelines as they are looked for, by parameters and metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import Execution, Run
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.connection import Connection, Value
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import Columns, insert, listed

Sign = Literal["=", "!=", "<", "<=", ">", ">="]

_PUT_METRIC = """
    INSERT INTO run_metric (run_id, name, place, value)
    SELECT experiment.run_id, :name, execution.place, :value
    FROM experiment JOIN execution ON execution.run_id = experiment.run_id
    WHERE execution.id = :execution_id
    ON CONFLICT (run_id, name) DO UPDATE SET place = excluded.place, value = excluded.value
    WHERE excluded.place >= run_metric.place
"""
_NEWEST = """
    SELECT run.record FROM experiment JOIN run ON run.id = experiment.run_id {where}
    ORDER BY experiment.run_id DESC LIMIT :limit
"""
_SORTED = """
    SELECT run.record FROM {table} AS sorted
    JOIN experiment ON experiment.run_id = sorted.run_id JOIN run ON run.id = sorted.run_id {where}
    ORDER BY sorted.{column} {order}, sorted.run_id {order} LIMIT :limit
"""
_FORM = re.compile(r"\s*([^\s=!<>]+)\s*(=|!=|<=|>=|<|>)\s*(.*?)\s*")
_HAVING = "SELECT one.run_id FROM {table} AS one WHERE one.name = :{key} AND {test}"
_COLUMNS = {"run_metric": "value", "run_parameter": "number"}
_PREFIXES = {"metric": ("run_metric",), "parameter": ("run_parameter",)}


class Experiment(Record, frozen=True, kw_only=True):
    """A run of a pipeline with what went in and what came out.

    Attributes:
        parameters: of the pipeline, as JSON types.
        metrics: numbers of all steps; of two with one name the later step's.
    """

    run: Run
    parameters: dict[str, Any]
    metrics: dict[str, float]


class Condition(msgspec.Struct, frozen=True):
    """What a run must be like.

    Attributes:
        name: `pipeline`, `status`, or a parameter or metric, which `parameter.NAME` and `metric.NAME` keep apart.
    """

    name: str
    sign: Sign
    value: str

    @property
    def number(self) -> float | None:
        """The value as a number, if it is one."""
        try:
            found = float(self.value)
        except ValueError:
            return None
        return found if math.isfinite(found) else None


def read_condition(text: str) -> Condition:
    """A condition as it is typed.

    Raises:
        ParameterError: it has no name, sign or value, or compares text by size.

    Example:
        >>> read_condition("roc_auc >= 0.7")
        Condition(name='roc_auc', sign='>=', value='0.7')
    """
    found = _FORM.fullmatch(text)
    if found is None or not found[3]:
        raise ParameterError(f"{text!r} is no condition", next_step="write NAME=VALUE; also !=, <, <=, > and >=")
    condition = Condition(found[1], found[2], found[3])  # type: ignore[arg-type]
    is_text = condition.name in ("pipeline", "status") or condition.number is None
    if is_text and condition.sign not in ("=", "!="):
        raise ParameterError(f"{text!r} compares text by size", next_step="for text there are = and !=")
    return condition


class ExperimentStore:
    """Looks for runs of pipelines; what it reads is written with the runs and executions themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, conditions: Iterable[Condition] = (), *, sort: str = "", is_ascending: bool = False, limit: int = 50
    ) -> Sequence[Experiment]:
        """Runs that meet all conditions: the newest first, or by a metric or parameter that they have.

        Args:
            sort: a metric, else a parameter with numbers; runs without it are left out.

        Raises:
            NotFoundError: no run has such a metric or parameter.
        """
        parameters: dict[str, Value] = {"limit": limit}
        tests = [_test(one, number, parameters) for number, one in enumerate(conditions)]
        with self._database.read() as connection:
            if sort:
                table = _table_of(connection, sort)
                tests += ["sorted.name = :sort", f"sorted.{_COLUMNS[table]} IS NOT NULL"]
                parameters["sort"] = sort.partition(".")[2] if _is_prefixed(sort) else sort
                order = "ASC" if is_ascending else "DESC"
                sql = _SORTED.format(table=table, column=_COLUMNS[table], order=order, where=_where(tests))
            else:
                sql = _NEWEST.format(where=_where(tests))
                sql = sql.replace("DESC", "ASC") if is_ascending else sql
            runs = [Run.from_json(record) for record in connection.scalars(sql, **parameters)]
            return _filled(connection, runs)

    def get(self, runs: Sequence[Run]) -> Sequence[Experiment]:
        """These runs with their parameters and metrics."""
        with self._database.read() as connection:
            return _filled(connection, runs)


def put_experiment(connection: Connection, run: Run) -> None:
    """Makes a run of a pipeline one that can be found by its parameters; operations are none."""
    if not run.plan_digest:
        return
    insert(connection, "experiment", {"run_id": run.id, "pipeline": run.pipeline})
    rows = [_parameter_row(run.id, name, value) for name, value in run.parameters.items()]
    if rows:
        insert(connection, "run_parameter", *rows)


def put_metrics(connection: Connection, execution: Execution) -> None:
    """Makes a run one that can be found by the numbers of its execution, as far as they are finite."""
    for name, value in execution.metrics.items():
        if value is not None and math.isfinite(value):
            connection.execute(_PUT_METRIC, name=name, value=float(value), execution_id=execution.id)


def _parameter_row(run_id: str, name: str, value: Any) -> Columns:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = value if isinstance(value, str) else msgspec.json.encode(value, order="deterministic").decode()
    return {"run_id": run_id, "name": name, "value": text, "number": float(value) if is_number else None}


def _is_prefixed(name: str) -> bool:
    return name.partition(".")[0] in _PREFIXES and "." in name


def _tables(name: str) -> tuple[str, ...]:
    return _PREFIXES[name.partition(".")[0]] if _is_prefixed(name) else ("run_metric", "run_parameter")


def _table_of(connection: Connection, name: str) -> str:
    plain = name.partition(".")[2] if _is_prefixed(name) else name
    for table in _tables(name):
        if connection.first(f"SELECT 1 FROM {table} WHERE name = :name LIMIT 1", name=plain):
            return table
    known = {one for table in _tables(name) for one in connection.scalars(f"SELECT DISTINCT name FROM {table}")}
    raise NotFoundError("metric or parameter", name, known=sorted(known))


def _test(condition: Condition, place: int, parameters: dict[str, Value]) -> str:
    sign = "<>" if condition.sign == "!=" else condition.sign
    key, value = f"name_{place}", f"value_{place}"
    parameters[value] = condition.value
    if condition.name in ("pipeline", "status"):
        table = "experiment" if condition.name == "pipeline" else "run"
        return f"{table}.{condition.name} {sign} :{value}"
    parameters[key] = condition.name.partition(".")[2] if _is_prefixed(condition.name) else condition.name
    number = condition.number
    if number is not None:
        parameters[value] = number
    tests = []
    for table in _tables(condition.name):
        column = _COLUMNS[table] if number is not None else "value"
        if table == "run_parameter" or number is not None:
            test = f"one.{column} {sign} :{value}"
            if table == "run_parameter" and number is not None and sign == "=":  # a text may look like a number
                parameters[f"text_{place}"] = condition.value
                test = f"({test} OR one.number IS NULL AND one.value = :text_{place})"
            tests.append(_HAVING.format(table=table, key=key, test=test))
    # A list that is made once by an index, not a look for each run.
    return f"experiment.run_id IN ({' UNION '.join(tests)})" if tests else "1 = 0"


def _where(tests: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(tests)}" if tests else ""


def _filled(connection: Connection, runs: Sequence[Run]) -> Sequence[Experiment]:
    names, values = listed("run", [run.id for run in runs])
    metrics: dict[str, dict[str, float]] = {run.id: {} for run in runs}
    sql = f"SELECT run_id, name, value FROM run_metric WHERE run_id IN {names} ORDER BY place, name"
    for run_id, name, value in connection.execute(sql, **values):
        metrics[run_id][name] = value
    return [Experiment(run=run, parameters=run.parameters, metrics=metrics[run.id]) for run in runs]
