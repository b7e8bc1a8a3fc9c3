"""1,000 bad batches, writers and readers at once, ingests killed at any moment: no bad row is ever read."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
import time

import pandera.pandas as pa
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tidewheel.core.clock import parse_time
from tidewheel.core.errors import ContractBrokenError, SchemaMismatchError, UnreadableFileError
from tidewheel.metadata_store import Database, IngestStore
from tidewheel.pipeline import Contract, Freshness, RowRule
from tidewheel.steps.audited_publish import AuditedPublish
from tidewheel.steps.data_ingestion import books, ingest
from tidewheel.steps.pandera_contract import translate
from tidewheel.steps.quarantine import Quarantine
from tidewheel.table_store import PyIcebergTableStore

AT = parse_time("2014-01-01")
COLUMNS = {
    "id": pa.Column(int),
    "carrier": pa.Column(str, pa.Check.isin(["AA", "UA", "B6"])),
    "delay": pa.Column(float, pa.Check.in_range(-60, 600), nullable=True),
    "month": pa.Column(int, pa.Check.in_range(1, 12)),
    "at": pa.Column("datetime64[us, UTC]"),
}
CONTRACT = translate(
    Contract(
        "t",
        pa.DataFrameSchema(COLUMNS),
        unique=["id"],
        freshness=Freshness("at"),
        rules=[RowRule("no delay in month 13", "month < 13 or delay is null")],
        max_null_share={"delay": 0.9},
    )
)
FAULTS = (
    "missing", "extra", "renamed", "retyped", "domain", "range", "all null", "duplicated", "encoding", "future",
    "empty", "truncated", "null key", "twice in table", "good",
)  # fmt: skip
TYPES = {
    "id": pyarrow.int64(), "carrier": pyarrow.string(), "delay": pyarrow.float64(), "month": pyarrow.int64(),
    "at": pyarrow.timestamp("us", "UTC"),
}  # fmt: skip
UNLIKE = {
    "narrow": {"id": pyarrow.int32(), "carrier": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
               "delay": pyarrow.float32(), "month": pyarrow.int8(), "at": pyarrow.timestamp("ms", "UTC")},
    "null type": {"carrier": pyarrow.null()},
    "nested": {"month": pyarrow.list_(pyarrow.int64())},
    "half month": {"month": pyarrow.float64()},
    "nan month": {"month": pyarrow.float64()},
    "huge id": {"id": pyarrow.uint64()},
    "nanoseconds": {"at": pyarrow.timestamp("ns", "UTC")},
    "time as text": {"at": pyarrow.string()},
}  # fmt: skip
"""Types that a file of Parquet may bring instead; those of `narrow` hold the same values."""
PARQUET_FAULTS = (*(fault for fault in FAULTS if fault != "encoding"), "nan", *UNLIKE)
MAY_STOP = {
    "missing", "extra", "renamed", "retyped", "all null", "encoding", "empty", "truncated", "nan",
    *(UNLIKE.keys() - {"narrow"}),
}  # fmt: skip
HARMLESS = ("good", "narrow", "nan")
"""NaN is a missing value, which a delay may be."""


def rows_of(generator, first, count=12):
    return {
        "id": [first + n for n in range(count)],
        "carrier": [generator.choice(["AA", "UA", "B6"]) for _ in range(count)],
        "delay": [generator.choice([None, -60.0, 0.0, 12.5, 600.0]) if n else 1.0 for n in range(count)],
        "month": [generator.randint(1, 12) for _ in range(count)],
        "at": ["2013-05-01T00:00:00Z"] * count,
    }


def spoil(fault, rows, generator):
    """Breaks some rows of a batch, or its columns; bad rows get negative ids, so that one is known where it is."""
    bad = generator.sample(range(1, len(rows["id"])), generator.randint(1, len(rows["id"]) - 2))
    spoil_columns(fault, rows, bad, generator)
    for row in bad:
        spoil_row(fault, rows, row, generator)
        if fault in ("domain", "range", "future", "null key"):
            rows["id"][row] = -rows["id"][row]
    return rows


def spoil_columns(fault, rows, bad, generator):
    name = generator.choice(list(rows))
    if fault == "missing":
        del rows[name]
    elif fault == "extra":
        rows["gate"] = ["B1"] * len(rows["id"])
    elif fault == "renamed":
        rows[f"{name}_"] = rows.pop(name)
    elif fault == "retyped":
        rows[generator.choice(["id", "delay", "month", "at"])][bad[0]] = "many"
    elif fault == "all null":
        rows[generator.choice(["delay", "carrier"])] = [None] * len(rows["id"])


def spoil_row(fault, rows, row, generator):
    if fault == "domain":
        rows["carrier"][row] = "ZZ"
    elif fault == "range":
        column, values = generator.choice([("delay", [-61, 601, 1e9]), ("month", [0, 13])])
        rows[column][row] = generator.choice(values)
    elif fault == "future":
        rows["at"][row] = "2099-01-01T00:00:00Z"
    elif fault == "null key":
        rows["month"][row] = None
    elif fault == "duplicated":
        rows["id"][row] = rows["id"][0]
    elif fault == "twice in table":
        rows["id"][row] = 1
    elif fault == "nan":
        rows["delay"][row] = float("nan")


def to_bytes(fault, rows):
    names = list(rows)
    table = zip(*rows.values(), strict=True)
    lines = [",".join("" if value is None else str(value) for value in line) for line in table]
    text = "\n".join([",".join(names), *([] if fault == "empty" else lines)]) + "\n"
    data = text.encode()
    if fault == "encoding":
        return data.replace(b"AA", b"\xff\xfe").replace(b"UA", b"\xe9").replace(b"B6", b"\x80")
    return b"" if fault == "truncated" else data


def to_parquet(fault, rows):
    types = {**TYPES, **UNLIKE.get(fault, {})}
    columns = {name: to_column(fault, types.get(name.rstrip("_"), pyarrow.string()), rows[name]) for name in rows}
    table, file = pyarrow.table(columns), io.BytesIO()
    pq.write_table(table.slice(0, 0) if fault == "empty" else table, file)
    data = file.getvalue()
    return data[: len(data) // 2] if fault == "truncated" else data


def to_column(fault, type_, values):
    """The values in a type, the first one such as only this type can hold where that is the fault."""
    if "many" in values:
        return pyarrow.array([None if value is None else str(value) for value in values])
    if pyarrow.types.is_null(type_):
        return pyarrow.nulls(len(values))
    if pyarrow.types.is_list(type_):
        return pyarrow.array([[value] for value in values], type_)
    if pyarrow.types.is_timestamp(type_):
        column = pyarrow.array([parse_time(value) for value in values], type_)
        return pc.add(column, pyarrow.scalar(1, pyarrow.duration("ns"))) if fault == "nanoseconds" else column
    odd = {"half month": 1.5, "nan month": float("nan"), "huge id": 2**63 + 1}
    is_odd = fault in odd and type_ == next(iter(UNLIKE[fault].values()))
    return pyarrow.array([odd[fault], *values[1:]] if is_odd else values, type_)


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.store = PyIcebergTableStore.open(folder / "tables")
        self.ingests = IngestStore(Database.open(f"sqlite:///{folder}/facts.db"))

    def ingest(self, *paths):
        audit = AuditedPublish(self.store, CONTRACT, at=AT)
        return ingest(self.store, "t", paths, ingests=self.ingests, audit=audit)

    def rows(self):
        return self.store.read(self.store.snapshot("t")).to_arrow()

    def quarantine(self):
        return Quarantine(self.store, "t", books(self.store, "t", self.ingests))


def bad_rows(rows):
    """What breaks the contract, by pandas: an oracle beside the query."""
    frame = rows.to_pandas()
    held = frame["id"].gt(0) & ~frame["id"].duplicated() & frame["carrier"].isin(["AA", "UA", "B6"])
    held &= frame["delay"].isna() | frame["delay"].between(-60, 600)
    held &= frame["month"].between(1, 12) & frame["at"].le(AT)
    return frame[~held].to_dict("records")


class Readers:
    """Threads that read every snapshot of main as it appears, through a store of their own, until they are stopped."""

    def __init__(self, folder, count=2):
        self.found, self.looked, self.errors = [], 0, []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(folder,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _read(self, folder):
        try:
            store, last = PyIcebergTableStore.open(folder / "tables"), None
            while not self._over.is_set():
                snapshot = store.snapshot("t")
                if snapshot.snapshot_id != last:
                    self.found += bad_rows(store.read(snapshot, threads=1).to_arrow())
                    self.looked += 1
                    last = snapshot.snapshot_id
                time.sleep(0.02)
        except Exception as error:
            self.errors.append(error)

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self.errors == []
        assert self.found == []
        return self.looked


def run_batches(place, seed, count, first, faults=(), form=("csv", to_bytes)):
    """Ingests batches one after the other; gives how many rows each should have brought, by the outcome told.

    Their faults are drawn, or those that are given, in turn.
    """
    generator = random.Random(seed)
    published = quarantined = stopped = 0
    told = set()
    for number in range(count):
        fault = faults[number % len(faults)] if faults else generator.choice(FAULTS)
        rows = spoil(fault, rows_of(generator, first + 100 * number), generator)
        path = place.folder / f"{seed}-{number}.{form[0]}"
        path.write_bytes(form[1](fault, rows))
        try:
            result = place.ingest(path)
        except (ContractBrokenError, SchemaMismatchError, UnreadableFileError):
            stopped += 1
            told.add(fault)
        else:
            published += result.rows
            quarantined += result.quarantined
            if (result.quarantined > 0) == (fault in HARMLESS):
                told.add(f"{fault} was not told apart")
        path.unlink()
    assert told <= MAY_STOP
    return published, quarantined, stopped


def check_whole(place, published, quarantined):
    rows = place.rows()
    assert bad_rows(rows) == []
    assert rows.num_rows == published
    assert sum(batch.rows for batch in place.quarantine().batches()) == quarantined
    assert place.quarantine()._rows(None).num_rows == quarantined
    assert [ref for ref in place.store._load("t").metadata.refs if ref != "main"] == []


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    path = tmp_path / "first.csv"
    path.write_bytes(to_bytes("good", rows_of(random.Random(0), 1)))
    assert place.ingest(path).rows == 12
    return place


def test_bad_batches_leave_no_bad_row_for_any_reader(place):
    readers = Readers(place.folder)
    published, quarantined, stopped = run_batches(place, 1, 24, 1_000)
    assert readers.stop() > 5
    assert min(published, quarantined, stopped) > 0
    check_whole(place, published + 12, quarantined)


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_bad_batches_of_parquet_leave_no_bad_row_for_any_reader(place, times):
    """Every fault; types that hold no exact value of the column's stop, and NaN is a missing value."""
    readers = Readers(place.folder)
    published, quarantined, stopped = run_batches(
        place, 2, times * len(PARQUET_FAULTS), 1_000, PARQUET_FAULTS, ("parquet", to_parquet)
    )
    assert readers.stop() > 5
    assert min(published, quarantined, stopped) > 0
    check_whole(place, published + 12, quarantined)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_thousand_bad_batches_leave_no_bad_row_for_any_reader(place):
    """In rounds on new tables, since each commit of a table costs more than the one before."""
    for seed in range(20):
        folder = place.folder / str(seed)
        folder.mkdir()
        part = Place(folder)
        path = folder / "first.csv"
        path.write_bytes(to_bytes("good", rows_of(random.Random(0), 1)))
        part.ingest(path)
        readers = Readers(folder)
        published, quarantined, _ = run_batches(part, 100 + seed, 50, 1_000)
        assert readers.stop() > 5
        check_whole(part, published + 12, quarantined)


def test_two_writers_at_once_share_no_key_and_lose_no_row(place):
    """Both bring the same ids: each id arrives once, and all others are in quarantine."""
    readers = Readers(place.folder, 1)
    results, errors = [], []

    def write(writer):
        try:
            other = Place(place.folder)
            for number in range(6):
                rows = rows_of(random.Random(number), 1_000 + 100 * number)
                rows["delay"][1] = float(writer)  # another file, the same keys
                path = place.folder / f"w{writer}-{number}.csv"
                path.write_bytes(to_bytes("good", rows))
                results.append(other.ingest(path))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    readers.stop()
    assert errors == []
    assert place.rows().num_rows == 12 + 72
    assert sum(result.rows for result in results) == 72
    assert sum(result.quarantined for result in results) == 72
    check_whole(place, 84, 72)


def test_one_file_ingested_by_two_at_once_is_there_once(place):
    path = place.folder / "same.csv"
    path.write_bytes(to_bytes("range", spoil("range", rows_of(random.Random(3), 500), random.Random(3))))
    results = []
    threads = [threading.Thread(target=lambda: results.append(Place(place.folder).ingest(path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result.files_added) for result in results) == [0, 0, 1]
    (winner,) = [result for result in results if result.files_added]
    place.ingest(path)  # what the others had begun is taken away by the next one
    check_whole(place, 12 + winner.rows, winner.quarantined)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_bad_batches import Place
place = Place(Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for path in sys.argv[3:]:
    place.ingest(Path(path))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_ingest_killed_at_any_moment_leaves_main_as_it_was_or_complete_and_a_rerun_finishes_it(tmp_path):
    generator = random.Random(20130101)
    killed = published_before = 0
    duration = undisturbed(tmp_path / "undisturbed")
    for turn in range(16):
        folder = tmp_path / str(turn)
        folder.mkdir()
        place = Place(folder)
        if turn % 4:  # else the very first ingest is killed, which makes the table
            first = folder / "first.csv"
            first.write_bytes(to_bytes("good", rows_of(random.Random(0), 1)))
            place.ingest(first)
        base = 12 if turn % 4 else 0
        paths = []
        for number in range(2):
            rows = spoil("range", rows_of(random.Random(turn * 2 + number), 500 + 100 * number), generator)
            rows["id"][3] = 1 if base else rows["id"][3]
            path = folder / f"{number}.csv"
            path.write_bytes(to_bytes("range", rows))
            paths.append(path)
        process = start(folder, paths)
        started = time.monotonic()
        try:
            process.wait(timeout=generator.uniform(0.0, duration))  # the moment is what the test varies
            duration = time.monotonic() - started  # faster than when it was measured: later kills come earlier
        except subprocess.TimeoutExpired:
            process.kill()
            killed += process.wait() == -9
        process.communicate()
        seen = place.rows() if place.store.exists("t") else None
        if seen is not None:
            assert bad_rows(seen) == []
            assert seen.num_rows in complete_counts(place, base)
            published_before += seen.num_rows > base
        for path in paths:
            place.ingest(path)
        twin = Place(tmp_path / f"{turn}-twin")
        if base:
            twin.ingest(folder / "first.csv")
        for path in paths:
            twin.ingest(path)
        assert place.rows().sort_by("id").equals(twin.rows().sort_by("id"))
        kept, expected = place.quarantine(), twin.quarantine()
        assert [(b.rows, b.reasons, b.status) for b in kept.batches()] == [
            (b.rows, b.reasons, "held") for b in expected.batches()
        ]
        check_whole(place, twin.rows().num_rows, expected._rows(None).num_rows)
    assert killed >= 8
    assert published_before >= 1


def undisturbed(folder):
    """How long two ingests take on this machine when nobody ends them, in seconds."""
    folder.mkdir()
    paths = []
    for number in range(2):
        path = folder / f"{number}.csv"
        path.write_bytes(to_bytes("range", spoil("range", rows_of(random.Random(number), 500 + 100 * number), random)))
        paths.append(path)
    process, began = start(folder, paths), time.monotonic()
    assert process.wait() == 0
    process.communicate()
    return time.monotonic() - began


def complete_counts(place, base):
    """The numbers of rows that main may have: after none, one or both files."""
    counts = [snapshot.row_count for snapshot in place.store.snapshots("t")]
    return {base, *counts}


def start(folder, paths):
    from pathlib import Path

    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, here, str(folder), *map(str, paths)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process
