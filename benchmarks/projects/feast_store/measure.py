"""What Feast takes for the same rows: DuckDB as its offline store, SQLite as its online store. Run by Feast's Python.

`python measure.py FOLDER FEATURES ONLINE_FEATURES REPEATS` reads the Parquet files that `benchmarks.feast_comparison`
wrote there and prints seconds as JSON. Imports and declarations are not counted.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

LOOKUPS = {1: 500, 100: 60}


def main(folder: Path, features: int, online_features: int, repeats: int) -> None:
    """Measures the join, materialization and lookups."""
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(folder / "feast_online.db")},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    sizes = {"first": features, "second": features, "online": online_features}
    views = [_view(folder, entity, name, count) for name, count in sizes.items()]
    store.apply([entity, *views])
    spine = pd.read_parquet(folder / "spine.parquet")
    joined = [f"{name}:{name}_{index}" for name in ("first", "second") for index in range(features)]
    asked = [f"online:online_{index}" for index in range(online_features)]

    def join() -> None:
        result = store.get_historical_features(entity_df=spine, features=joined).to_arrow()
        assert result.num_rows == len(spine)

    times = {"join": min(_seconds(join) for _ in range(repeats))}
    whole = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    times["materialize"] = _seconds(lambda: store.materialize(*whole, feature_views=["online"]))
    entities = pd.read_parquet(folder / "online.parquet", columns=["entity"])["entity"].tolist()
    random = Random(1)
    for count, calls in LOOKUPS.items():
        groups = [random.sample(entities, count) for _ in range(calls)]
        turns = [groups[start : start + calls // 10] for start in range(0, calls, calls // 10)]
        medians = [statistics.median(_seconds(lambda ids=ids: _look_up(store, asked, ids)) for ids in t) for t in turns]
        times[f"lookup {count}"] = min(medians)  # as ours: of the quietest tenth
    print(json.dumps(times))


def _view(folder: Path, entity: Entity, name: str, count: int) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[entity],
        ttl=timedelta(days=10_000),
        schema=[Field(name=f"{name}_{index}", dtype=Float64) for index in range(count)],
        source=FileSource(
            name=f"{name} rows",
            path=str(folder / f"{name}.parquet"),
            timestamp_field="event_time",
            created_timestamp_column="created",
        ),
    )


def _look_up(store: FeatureStore, features: list[str], entities: list[int]) -> None:
    rows = [{"entity": entity} for entity in entities]
    store.get_online_features(features=features, entity_rows=rows).to_dict()


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
