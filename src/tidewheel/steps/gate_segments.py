"""No declared segment and no slice that can be found may be worse than the reference by more than a limit.

All of them together refuse a model that is nowhere worse with at most the declared probability, however many they are.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Check
from tidewheel.statistics.gain import gain_measure, measured_interval
from tidewheel.statistics.scored import Scored
from tidewheel.statistics.sign_flips import contributions_of, worse_than_chance
from tidewheel.statistics.slices import Slice, find_slices
from tidewheel.steps.gate_rows import GateRows, known
from tidewheel.steps.segments import segments_of

_TAIL = 0.05


def segment_checks(rows: GateRows, theirs: Scored, reference: str, *, level: float) -> list[Check]:
    """One check for each value of each declared column that has enough rows; values beyond the most frequent 50 and
    those of few rows are left to the search for slices.

    Args:
        theirs: the reference's answers to the same rows.
        level: the probability that any of them fails by chance.

    Raises:
        SchemaMismatchError: a column is not there.
    """
    missing = [name for name in rows.gate.segments if name not in rows.frame.columns]
    if missing:
        raise SchemaMismatchError(f"the test rows have no column {', '.join(map(repr, missing))}")
    found = [
        _measured(rows, theirs, f"segment {name} = {value}", is_in)
        for name in rows.gate.segments
        for value, is_in in segments_of(rows.frame[name], rows.gate.minimum_rows)
    ]
    is_known = [check for check, contributions in found if contributions is not None]
    together = [contributions for _, contributions in found if contributions is not None]
    if not together:
        return [check for check, _ in found]
    chances = worse_than_chance(np.stack(together, axis=1), seed=rows.gate.seed)
    by_name = {check.name: float(chance) for check, chance in zip(is_known, chances, strict=True)}
    return [_judged(check, by_name.get(check.name), rows, reference, level) for check, _ in found]


def slice_checks(
    rows: GateRows, theirs: Scored, reference: str, *, features: tuple[str, ...], level: float
) -> list[Check]:
    """Searches for slices that are worse than the reference, and fails for each one.

    Raises:
        SchemaMismatchError: a column is not there, or rows of this problem have no loss of their own.
    """
    gate = rows.gate
    names = _slice_columns(rows, features)
    if rows.ours.problem == "ranking":
        raise SchemaMismatchError("rows of a ranking have no loss of their own; declare segments instead")
    ours, reference_loss = rows.ours.loss(), theirs.loss()
    search = find_slices(
        rows.frame[names],
        reference_loss - ours,
        rows.blocks,
        limit=gate.slice_limit,
        level=level,
        seed=gate.seed,
    )
    if not search.found:
        told = f"none of {search.looked_at:,} slices of {len(names)} columns is worse than {reference}"
        told += f" by more than {gate.slice_limit:g}" if gate.slice_limit else ""
        return [Check(name="no slice is worse", passed=True, metric="loss", row_count=len(rows.ours), message=told)]
    return [_worse(one, reference, limit=gate.slice_limit, looked_at=search.looked_at) for one in search.found]


def _slice_columns(rows: GateRows, features: tuple[str, ...]) -> list[str]:
    """The columns that the gate declares; `*` stands for the features."""
    declared = rows.gate.slice_columns
    names = [name for name in features if name in rows.frame.columns] if "*" in declared else []
    names += [name for name in declared if name != "*" and name not in names]
    missing = [name for name in names if name not in rows.frame.columns]
    if missing:
        raise SchemaMismatchError(f"the test rows have no column {', '.join(map(repr, missing))}")
    return names


def _worse(found: Slice, reference: str, *, limit: float, looked_at: int) -> Check:
    return Check(
        name=f"slice {found.words}",
        passed=False,
        metric="loss",
        difference=found.gain,
        reference=-limit,
        row_count=found.row_count,
        message=f"worse where {found.words}: loss {-found.gain:+.4f} against {reference} on {found.row_count:,} rows "
        f"({found.share:.1%}), by chance with probability {_shown(found.probability)} among {looked_at:,} slices",
    )


def _measured(
    rows: GateRows, theirs: Scored, name: str, is_in: NDArray[np.bool_]
) -> tuple[Check, NDArray[np.float64] | None]:
    """The gain in a segment with its interval, and what each block adds to it beyond the limit."""
    ours, reference, blocks = rows.ours.of(is_in), theirs.of(is_in), rows.blocks.of(is_in)
    metric = rows.metric
    forms = [metric.measure(one, blocks) for one in (ours, reference)]
    gain = gain_measure(*forms, is_loss=metric.is_loss)
    interval = measured_interval(gain, rows.draws, tail=_TAIL)
    check = Check(
        name=name,
        passed=True,
        metric=metric.name,
        value=known(metric.value_of(forms[0], ours, blocks)),
        reference=known(metric.value_of(forms[1], reference, blocks)),
        difference=known(interval.estimate),
        low=known(interval.low),
        high=known(interval.high),
        row_count=len(ours),
    )
    if math.isnan(interval.estimate):
        return check, None
    shares = np.bincount(blocks.member, minlength=blocks.count) / len(ours)
    return check, contributions_of(gain, shares) + shares * rows.gate.segment_limit


def _judged(check: Check, chance: float | None, rows: GateRows, reference: str, level: float) -> Check:
    facts = check.to_dict()
    if chance is None or check.difference is None:
        facts |= {"message": f"{check.name}: {rows.shown} cannot be told on {check.row_count:,} rows"}
        return Check.from_dict(facts)
    passed = chance > level
    limit = f" by more than {rows.gate.segment_limit:g}" if rows.gate.segment_limit else ""
    value = "-" if check.value is None else f"{check.value:.4f}"
    other = "-" if check.reference is None else f"{check.reference:.4f}"
    message = f"{check.name}: {rows.shown} {value} against {other} of {reference} on {check.row_count:,} rows"
    if not passed:
        message += f", worse{limit}, by chance with probability {_shown(chance)} in any segment"
    return Check.from_dict(facts | {"passed": passed, "message": message})


def _shown(chance: float) -> str:
    return f"{chance:.3f}" if chance >= 0.001 else "below 0.001"


def is_loss_comparable(theirs: Scored) -> bool:
    """Whether losses of the reference mean something: scores of a rule need not be probabilities."""
    if theirs.problem != "binary":
        return True
    return bool(((theirs.said >= 0) & (theirs.said <= 1)).all())


def features_of(frame: pd.DataFrame, names: tuple[str, ...], leave_out: tuple[str, ...]) -> tuple[str, ...]:
    """The columns among `names` that the rows have and that are no label, key or time."""
    return tuple(name for name in names if name in frame.columns and name not in leave_out)
