"""What the candidate learned from: for the leakage check, and so that the next candidate can tell overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.digest import digest_bytes
from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Check, TrainingRows
from tidewheel.pipeline.gate import Gate
from tidewheel.steps.scoring import times_of


def training_rows(train: pd.DataFrame, gate: Gate) -> TrainingRows:
    """How many rows, until when, and the digest of their keys, whatever their order.

    Raises:
        SchemaMismatchError: a declared column is not there.
    """
    until = None
    if gate.time:
        _require(train, (gate.time,), "the training rows")
        moments = times_of(train[gate.time], gate.time).dropna()
        until = moments.max().ceil("us").to_pydatetime() if len(moments) else None
    keys = ""
    if gate.key:
        _require(train, gate.key, "the training rows")
        hashes = np.sort(key_hashes(train, gate.key))
        keys = digest_bytes("training keys", hashes.astype("<u8").tobytes())
    return TrainingRows(row_count=len(train), until=until, keys_digest=keys)


_LEAKAGE = "no test row is in training"


def unchecked_leakage(test: pd.DataFrame) -> Check:
    """What is told in place of `leakage_check` when the gate was not shown what the candidate learned from."""
    told = "it could not be checked, because the training rows were not handed over (`train`)"
    return Check(name=_LEAKAGE, passed=True, row_count=len(test), message=told)


def leakage_check(train: pd.DataFrame, test: pd.DataFrame, gate: Gate) -> Check:
    """Whether a test row is also one of the training rows, by the digests of their keys.

    Raises:
        SchemaMismatchError: a key column is not there.
    """
    _require(train, gate.key, "the training rows")
    _require(test, gate.key, "the test rows")
    shared = int(np.isin(key_hashes(test, gate.key), key_hashes(train, gate.key)).sum())
    named = ", ".join(gate.key)
    return Check(
        name=_LEAKAGE,
        passed=shared == 0,
        metric="shared_rows",
        value=float(shared),
        reference=0.0,
        row_count=len(test),
        message=f"{shared:,} of {len(test):,} test rows are also among the {len(train):,} training rows, by {named}",
    )


def key_hashes(rows: pd.DataFrame, key: tuple[str, ...]) -> NDArray[np.uint64]:
    """64 bits for the key of each row: equal keys give equal bits, whatever type holds them.

    Example:
        >>> a = key_hashes(pd.DataFrame({"id": [7]}), ("id",))
        >>> b = key_hashes(pd.DataFrame({"id": pd.Series([7.0], dtype=object)}), ("id",))
        >>> bool(a[0] == b[0])
        True
    """
    plain = pd.DataFrame({name: _plain(rows[name]) for name in key})
    return np.asarray(pd.util.hash_pandas_object(plain, index=False).to_numpy(dtype=np.uint64))


def _plain(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub":
        return values.astype("int64").reset_index(drop=True).astype(str)
    if isinstance(values.dtype, pd.DatetimeTZDtype) or (
        isinstance(values.dtype, np.dtype) and values.dtype.kind == "M"
    ):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None).astype("datetime64[us]").reset_index(drop=True)
    whole = values.map(lambda one: int(one) if isinstance(one, float) and one.is_integer() else one)
    return whole.astype(object).astype(str).reset_index(drop=True)


def _require(rows: pd.DataFrame, names: tuple[str, ...], told: str) -> None:
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise SchemaMismatchError(f"{told} have no column {', '.join(map(repr, missing))}")
