"""What is written into a pipeline reaches a step in its worker as it does in a plain call."""

from __future__ import annotations

from pathlib import Path

from small_project import SmallProject

SOURCE = """
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tidewheel.pipeline import pipeline, step


@dataclass
class Rate:
    share: float
    since: date


class Halves(NamedTuple):
    left: list[int]
    right: list[int]


@step
def halve(*, size: int = 4) -> Halves:
    return Halves(list(range(size // 2)), list(range(size // 2, size)))


@step
def told(halves: Halves, day: date, pair: tuple[int, date], rates: list[Rate], days: dict[str, date]) -> str:
    return repr((halves, day, pair, rates, days))


@pipeline
def telling():
    told(halve(), date(2013, 4, 1), (7, date(2013, 5, 1)), [Rate(0.5, date(2013, 6, 1))], {"a": date(2013, 7, 1)})
"""


def test_literals_and_whole_named_tuples_reach_the_worker_as_in_a_plain_call(tmp_path: Path):
    project = SmallProject(tmp_path, SOURCE)
    project.tidewheel("run", "telling")
    with project.open() as workspace:
        said = workspace.run("latest")["told"].outputs["output"].load()
    assert said == (
        "(Halves(left=[0, 1], right=[2, 3]), datetime.date(2013, 4, 1), (7, datetime.date(2013, 5, 1)), "
        "[Rate(share=0.5, since=datetime.date(2013, 6, 1))], {'a': datetime.date(2013, 7, 1)})"
    )
