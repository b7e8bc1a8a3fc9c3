"""Which fault gives the values that a model was given: the usual ones are tried, the one that gives most is told."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from tidewheel.core.counted import counted
from tidewheel.feature_store.point_in_time import join
from tidewheel.pipeline.feature_view import ViewDefinition
from tidewheel.table_store import TableReference

Pairs = Sequence[tuple[Any, Any]]
"""Served and offline values of differing rows."""

_SHIFTS_H = [sign * hours for hours in (*range(1, 15), 24, 48, 168) for sign in (1, -1)]
_END = datetime(9999, 1, 1, tzinfo=UTC)
_EVENT, _KNOWN, _FOUND_AT = "tidewheel event", "tidewheel known", "tidewheel found at"
_STALE = "nothing newer was online yet"
_NOTHING = object()  # equal to no value: a lookup that finds nothing at another time explains nothing
_INSTANT = pa.timestamp("us", tz="UTC")
_TOLERANCE = 1e-9
_LEAST_FOR_A_SCALE = 3


def explain(pairs: Pairs, found: Mapping[str, Sequence[Any]]) -> str:
    """The fault that gives most of the served values, and how many; empty when none gives half of them.

    Args:
        pairs: the served and the offline values that differ.
        found: what faults of a lookup would give for the same rows, by what they are called.

    Example:
        >>> explain([(0.0, None), (0.0, None)], {})
        'null is replaced by 0.0 (2 of 2 looked at)'
    """
    candidates = {
        told: [one == value for (one, _), value in zip(pairs, values, strict=True)] for told, values in found.items()
    }
    candidates |= dict(_of_values(pairs))
    told, holds = max(candidates.items(), key=lambda one: sum(one[1]), default=("", []))
    count = sum(holds)
    return f"{told} ({count:,} of {len(pairs):,} looked at)" if count * 2 >= len(pairs) and count else ""


def as_logged(value: Any) -> Any:
    """A value as the prediction log has it: NaN is null there."""
    return None if isinstance(value, float) and math.isnan(value) else value


class Faults:
    """What faults of a lookup would have given: the join done at another time, of other keys, or of what was not known.

    Args:
        view: of the feature.
        feature: its name.
        references: the snapshots by table.
        materialized: when the view was brought online, in order.
    """

    def __init__(
        self,
        view: ViewDefinition,
        feature: str,
        references: Mapping[str, TableReference],
        materialized: Sequence[datetime],
    ) -> None:
        features = {feature: view.features[feature], _FOUND_AT: view.event_time}
        self._view = msgspec.structs.replace(view, features=features)
        self._references = references
        self._materialized = list(materialized)

    def values(self, keys: pa.Table, at: Sequence[datetime]) -> dict[str, list[Any]]:
        """For each fault, by its name in words, a value per row; the likelier ones come first."""
        corrected, _ = self._join(self._view, keys.append_column(_EVENT, _instants(at)), None)
        variants = list(self._variants(keys, at))
        spine = pa.concat_tables([one for _, one in variants])
        values, found_at = self._join(msgspec.structs.replace(self._view, ttl_us=None), spine, _KNOWN)
        count = len(at)
        faults = {"it became known only after the request": corrected}
        faults[_STALE] = self._fresh(values[:count], found_at[:count], at)
        for number, (told, _) in enumerate(variants[1:], start=1):
            found = values[number * count : (number + 1) * count]
            faults[told] = [_NOTHING if one is None else one for one in found]
        return faults

    def _fresh(self, values: Sequence[Any], found_at: Sequence[Any], at: Sequence[datetime]) -> list[Any]:
        """Without the values that are too old at the time of the request."""
        ttl = None if self._view.ttl_us is None else timedelta(microseconds=self._view.ttl_us)
        return [
            value if ttl is None or (found is not None and moment - found <= ttl) else None
            for value, found, moment in zip(values, found_at, at, strict=True)
        ]

    def _variants(self, keys: pa.Table, at: Sequence[datetime]) -> Iterator[tuple[str, pa.Table]]:
        online = [self._online_before(moment) for moment in at]
        yield _STALE, _with_times(keys, online, online)
        yield "it is older than the view's time to live", _with_times(keys, at, at)
        for one, other in combinations(keys.column_names, 2):
            if keys.column(one).type == keys.column(other).type:
                exchanged = {one: other, other: one}
                swapped = pa.table({name: keys.column(exchanged.get(name, name)) for name in keys.column_names})
                yield f"keys {one!r} and {other!r} are exchanged", _with_times(swapped, at, at)
        for hours in _SHIFTS_H:
            moved = [moment + timedelta(hours=hours) for moment in at]
            told = "later" if hours > 0 else "earlier"
            known = at if hours < 0 else [_END] * len(at)
            yield f"it is that of {counted(abs(hours), 'hour')} {told}", _with_times(keys, moved, known)
        yield "it is the newest of all, of after the request", _with_times(keys, [_END] * len(at), [_END] * len(at))

    def _online_before(self, moment: datetime) -> datetime:
        place = bisect_right(self._materialized, moment)
        return self._materialized[place - 1] if place else moment

    def _join(self, view: ViewDefinition, spine: pa.Table, as_known: str | None) -> tuple[list[Any], list[Any]]:
        """Values and the times from which they are true."""
        table, _ = join(spine, [view], self._references, event_time=_EVENT, as_known=as_known)
        values, found_at = (table.column(name).to_pylist() for name in view.features)
        return list(map(as_logged, values)), found_at


def _with_times(keys: pa.Table, event: Sequence[datetime], known: Sequence[datetime]) -> pa.Table:
    return keys.append_column(_EVENT, _instants(event)).append_column(_KNOWN, _instants(known))


def _instants(moments: Sequence[datetime]) -> Any:
    return pa.array(moments, _INSTANT)


def _of_values(pairs: Pairs) -> Iterator[tuple[str, list[bool]]]:
    """Faults that the two values themselves show."""
    numbers = [_is_number(one) and _is_number(other) for one, other in pairs]
    yield (
        "it is rounded to 32 bits",
        [is_pair and float(np.float32(other)) == one for is_pair, (one, other) in zip(numbers, pairs, strict=True)],
    )
    yield from _scales(pairs, numbers)
    yield (
        "it differs in case or blanks",
        [
            isinstance(one, str) and isinstance(other, str) and one.strip().casefold() == other.strip().casefold()
            for one, other in pairs
        ],
    )
    defaults = [one for one, other in pairs if other is None]
    if defaults:
        common = max(set(defaults), key=defaults.count)
        yield f"null is replaced by {common!r}", [other is None and one == common for one, other in pairs]
    yield "it was not found", [one is None for one, _ in pairs]


def _scales(pairs: Pairs, numbers: Sequence[bool]) -> Iterator[tuple[str, list[bool]]]:
    """Another unit: one line through two of the values gives the others too."""
    known = np.array([pair for pair, is_pair in zip(pairs, numbers, strict=True) if is_pair], np.float64)
    known = known[known[:, 1].argsort()] if len(known) else known.reshape(0, 2)
    for one, other in ((0, -1), (0, len(known) // 2), (len(known) // 4, len(known) // 2)):
        if len(known) < _LEAST_FOR_A_SCALE or known[one, 1] == known[other, 1]:
            continue
        slope = (known[other, 0] - known[one, 0]) / (known[other, 1] - known[one, 1])
        offset = known[one, 0] - slope * known[one, 1]
        scale = max(abs(known[one, 0]), abs(known[other, 0]), abs(offset))
        holds = [
            is_pair and abs(slope * float(value) + offset - float(served)) <= _TOLERANCE * scale
            for is_pair, (served, value) in zip(numbers, pairs, strict=True)
        ]
        if slope and sum(holds) >= _LEAST_FOR_A_SCALE:
            sign = "+" if offset > 0 else "-"
            more = f" {sign} {abs(offset):.6g}" if abs(offset) > _TOLERANCE * scale else ""
            yield f"it is {slope:.6g} times the value{more}: another unit", holds


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
