"""Steps and pipelines at the top of a module, as a project has them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas

from tidewheel.pipeline import champion, pipeline, sql, step, table


class Parts(NamedTuple):
    train: pandas.DataFrame
    test: pandas.DataFrame


@step
def split(rows: pandas.DataFrame, *, share: float = 0.8) -> Parts:
    cut = int(len(rows) * share)
    return Parts(rows[:cut], rows[cut:])


@step
def count(rows: pandas.DataFrame) -> int:
    return len(rows)


@step
def number(*, value: int = 1) -> int:
    return value


@step
def double(value: int, *, times: int = 2) -> int:
    return value * times


@step
def total(values: list[int]) -> int:
    return sum(values)


@step
def named(values: dict[str, int]) -> str:
    return ",".join(values)


@step
def subtract(minuend: int, less: int) -> int:
    return minuend - less


@step
def anything(value: Any) -> Any:
    return value


@step
def read_table() -> Any:
    return table("flights")


@step(retries=3, backoff_s=0.5, timeout_s=60, cpu=2, cache=False, files=["a.csv"], variables=["HOME"], seed=7)
def careful(value: int) -> int:
    return value


@pipeline
def chain(*, start: int = 1, times: int = 2):
    return double(number(value=start), times=times)


@pipeline
def training(*, share: float = 0.8):
    parts = split(table("flights", as_of="2013-04-01"), share=share)
    query = sql("select * from flights where month = $month", month=4)
    return {
        "train": count(parts.train),
        "test": count(parts.test),
        "april": count(query),
        "old": anything(champion("delay")),
    }


@pipeline
def outer(*, start: int = 1):
    first = chain(start=start)
    second = chain(start="5", times=3)
    return total([first, second, double(first)])


@pipeline
def difference(*, start: int = 1):
    return subtract(minuend=number(value=start), less=number())


@pipeline
def wide(*, branches: int = 3):
    return total([double(number(value=branch)) for branch in range(branches)])


def undefined(value: Missing) -> int:  # noqa: F821
    return value
