"""1,000,000 rows like those of the flights answered into a table, beside a bare ONNX Runtime loop and scikit-learn.

All three read Parquet and use the same process on all cores. The bare loop keeps its answers in memory; ours writes
them as a snapshot, with lineage and a digest.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.flights_like import flights_like
from benchmarks.measurement import Cost, interleaved
from benchmarks.result import Result
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.arrow_model import ArrowModel
from tidewheel.prediction_service.batch_prediction import BATCH_ROWS, CHUNK_ROWS, BatchPrediction
from tidewheel.table_store import PyIcebergTableStore

ROWS, LEARNED, REPEATS = 1_000_000, 50_000, 3
TEXTS = ("carrier", "destination")


def learned(rows: pa.Table) -> tuple[Any, Package, pa.Table]:
    """A classifier with native categories as the flights example has, its package, and its features as a table."""
    frame = rows.to_pandas()
    features = pd.DataFrame(
        {
            **{name: frame[name].astype("category") for name in TEXTS},
            "distance": frame["distance"].astype(float),
            "hour": frame["scheduled"].dt.hour.astype(float),
            "month": frame["scheduled"].dt.month.astype(float),
        }
    )
    noise = np.random.default_rng(0).random(len(frame)) < 0.3
    late = ((features["hour"] > 12) ^ (features["carrier"].cat.codes > 3) ^ noise).astype(int)
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=1)
    model.fit(features.head(LEARNED), late.head(LEARNED))
    plain = features.assign(**{name: frame[name] for name in TEXTS})
    table = pa.Table.from_pandas(plain, preserve_index=False).append_column("flight", rows["flight"])
    return model, package_model(model, features.head(300)), table.replace_schema_metadata()


def run() -> list[Result]:
    """Wall time, medians of turns."""
    model, package, table = learned(flights_like(ROWS, 1))
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as name:
        store = PyIcebergTableStore.open(Path(name))
        rows = store.create("flights", table)
        paths = [file.path for file in store.reference(rows).files]

        def by_ours(turn: int) -> Cost:
            start, cpu = time.perf_counter(), time.process_time()
            answering, to = ArrowModel(package), f"answers_{turn}"
            store.create(to, pa.schema([("flight", pa.int64()), *answering.answers]))
            branch = store.batches.find(to, "job")

            def write(chunk: pa.Table) -> None:
                nonlocal branch
                branch = store.batches.append(branch, chunk)

            reader = store.read(rows)
            columns = [*(field.name for field in package.signature.inputs), "flight"]
            BatchPrediction(answering, ["flight"], chunk_rows=CHUNK_ROWS).carry_out(
                reader.encoded_batches(columns), write
            )
            published = store.batches.publish(branch, {}, replaces=store.snapshot(to).snapshot_id)
            assert published.row_count == ROWS
            return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

        def by_bare_loop(turn: int) -> Cost:
            start, cpu = time.perf_counter(), time.process_time()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(package.files["model.onnx"], options)

            def answer(batch: pa.RecordBatch) -> Any:
                feed = {
                    name: batch.column(name).to_numpy(zero_copy_only=name not in TEXTS).reshape(-1, 1)
                    for name in batch.schema.names
                }
                return session.run(["probability"], feed)[0]

            names = [field.name for field in package.signature.inputs]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                answers = []
                for path in paths:
                    with pq.ParquetFile(path) as file:
                        answers += list(pool.map(answer, file.iter_batches(BATCH_ROWS, columns=names)))
            assert len(np.concatenate(answers)) == ROWS
            return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

        def by_sklearn(turn: int) -> Cost:
            start, cpu = time.perf_counter(), time.process_time()
            frame = pd.concat([pq.read_table(path).to_pandas() for path in paths])
            frame = frame.astype(dict.fromkeys(TEXTS, "category"))[list(model.feature_names_in_)]
            assert len(model.predict_proba(frame)) == ROWS
            return Cost(time.process_time() - cpu, time.perf_counter() - start, 0)

        costs = interleaved([by_ours, by_bare_loop, by_sklearn], REPEATS)
    label = f"batch prediction of {ROWS // 1_000_000} M rows"
    return [
        Result(f"{label}, beside a bare ONNX loop", "s", costs[0].wall_s, 1.25, costs[1].wall_s),
        Result(f"{label}, CPU, beside a bare ONNX loop", "s", costs[0].cpu_s, 1.25, costs[1].cpu_s),
        Result(f"{label}, beside scikit-learn", "s", costs[0].wall_s, 1.0, costs[2].wall_s),
    ]
