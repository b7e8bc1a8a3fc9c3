"""A project small enough to live through months in a test: one number asks, its sign answers, until it turns round."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

import tidewheel
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Prediction
from tidewheel.prediction_log.segment_writer import SegmentWriter

CONFIG = """
[project]
name = "toy"
modules = ["toy"]
exclude = ["data"]

[workspace]
clock = "virtual"

[mlflow]
is_enabled = false
"""
CODE = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from tidewheel import PerformanceDrop, PerformanceMonitor, Metrics
from tidewheel.pipeline import Model, champion, pipeline, step, table
from tidewheel.steps.model_packaging import model_packaging
from tidewheel.steps.model_validation import model_validation

@step
def recent(points: pd.DataFrame, *, months: int = 1) -> pd.DataFrame:
    known = sorted(points["month"].unique())
    return points[points["month"].isin(known[-months:])].reset_index(drop=True)

@step
def train(points: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(points[["x"]], points["label"])

@step
def features(points: pd.DataFrame) -> pd.DataFrame:
    return points[["x"]].head(20)

@step
def count(points: pd.DataFrame) -> Metrics:
    return Metrics(roc_auc=0.9, rows=len(points))

@pipeline
def training():
    rows = recent(table("points"))
    package = model_packaging(train(rows), features(rows))
    verdict = model_validation(package, rows, champion("toy"), resamples=50)
    return {"package": package, "verdict": verdict, "metrics": count(rows)}

toy = Model(
    "toy",
    pipeline=training,
    monitors=[PerformanceMonitor(minimum_rows=50)],
    triggers=[PerformanceDrop()],
)
"""
ROWS = 300


def write_project(folder: Path, config: str = CONFIG, code: str = CODE) -> Path:
    """A project without Git."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tidewheel.toml").write_text(config)
    (folder / "toy.py").write_text(code)
    return folder


def start_of(month: int) -> datetime:
    """The first day of a month, counted from January 2013 on."""
    return datetime(2013 + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)


class ToyWorkspace:
    """Lets months pass; the sign that the label has turns round in each month that is told so."""

    def __init__(self, folder: Path) -> None:
        self.workspace = tidewheel.open(folder)
        self.folder = folder
        self.stores = self.workspace.stores
        self.sign = 1

    def rows(self, month: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(month)
        x = random.normal(size=ROWS)
        return x, (self.sign * x + 0.3 * random.normal(size=ROWS) > 0).astype(int)

    def ingest(self, month: int) -> None:
        """The month's rows become known."""
        x, labels = self.rows(month)
        path = self.folder / "data" / f"points-{month}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["x", "label", "day", "month"])
            writer.writerows(zip(x, labels, (str(row % 28) for row in range(ROWS)), [month] * ROWS, strict=True))
        self.workspace.ingest("points", [path])

    def train_first(self, month: int = 1) -> None:
        """A first champion, at the beginning of the next month."""
        self.stores.clock_row.set(start_of(month + 1))
        self.ingest(month)
        assert self.workspace.submit("training").status == "succeeded"
        self.workspace.promote("toy")

    def live_through(self, month: int, *, turns: bool = True) -> None:
        """The champion answers a month of questions, and the truth becomes known."""
        if turns:
            self.sign = -self.sign
        champion = self.workspace.champion("toy")
        x, labels = self.rows(month)
        package = self.stores.artifacts.load(champion.package)
        scores = package.open().predict({"x": x})["probability"].tolist()
        times = [start_of(month) + timedelta(hours=2 * row) for row in range(ROWS)]
        names = [f"{month}-{row}" for row in range(ROWS)]
        writer = SegmentWriter(self.stores.folder / "prediction_log", maximum_rows=ROWS)
        writer.append(
            [
                Prediction(
                    id=name,
                    request_id=new_id(),
                    endpoint="toy",
                    place="dev",
                    model="toy",
                    version=champion.version,
                    package_digest=champion.package.digest,
                    inputs={"x": float(number)},
                    outputs={"probability": score},
                    score=score,
                    at=at,
                    recorded_at=at,
                )
                for name, number, score, at in zip(names, x, scores, times, strict=True)
            ]
        )
        path = self.folder / "data" / f"labels-{month}.csv"
        text = "".join(f"{name},{label}\n" for name, label in zip(names, labels, strict=True))
        path.write_text("prediction_id,label\n" + text)
        self.workspace.label([path])
        self.ingest(month)

    def close(self) -> None:
        """Leaves no process behind."""
        for state in self.workspace.endpoints():
            self.workspace.undeploy(state.endpoint)
        self.workspace.close()


def start_tick(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A controller in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [sys.executable, "-m", "tidewheel", "-C", str(folder), "tick", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
