"""The champion on the same rows: on its own features, on rows that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.core.records import Check
from tidewheel.model_package import Champion, Signature
from tidewheel.model_package.signature import Field
from tidewheel.statistics.scored import Scored
from tidewheel.steps.gate_rows import GateRows
from tidewheel.steps.scoring import fitting_rows, said_by, times_of


@dataclass(frozen=True)
class Standing:
    """What a champion says to the rows that it can be judged by.

    Attributes:
        rows: those rows, with the candidate's answers.
        theirs: the champion's answers to them.
        checks: what was told on the way: overlap with its training, rows that it cannot score.
    """

    rows: GateRows
    theirs: Scored
    checks: tuple[Check, ...]


def standing_of(
    rows: GateRows, champion: Champion, own_rows: pd.DataFrame | None, classes: tuple[int | str, ...]
) -> Standing:
    """Scores the champion.

    Args:
        rows: all test rows.
        own_rows: the champion's features, by the gate's key; None when the test rows have them.
        classes: as the candidate names and orders them, of a classifier.

    Raises:
        SchemaMismatchError: its features are not there, or it is a model of another problem or of other classes.
        UnreadableFileError, ArtifactMissingError, ArtifactCorruptError: it no longer loads.
    """
    told: list[Check] = []
    is_newer, check = _newer(rows, champion)
    if check is not None:
        told.append(check)
        if not is_newer.any():
            raise SchemaMismatchError("no test row is newer than its training rows")
    here = rows.only(is_newer)
    features, has_key = _own_features(here, champion, own_rows)
    can_score = has_key & fitting_rows(champion.package.signature, features)
    unscored = int((~can_score).sum())
    if own_rows is not None or unscored:
        told.append(here.scored_by("champion scores the rows", name_of(champion), unscored))
    if not can_score.any():
        fields = ", ".join(repr(field.name) for field in champion.package.signature.inputs)
        raise SchemaMismatchError(f"no row fits its fields {fields}")
    here = here.only(can_score)
    said = said_by(champion.package, features[can_score], here.ours.problem, classes)
    return Standing(here, replace(here.ours, said=said), tuple(told))


def signature_check(candidate: Signature, champion: Champion) -> Check:
    """Whether callers who send what the champion takes are answered by the candidate as before."""
    problems = signature_problems(candidate, champion.package.signature)
    return Check(
        name="signature of the endpoint",
        passed=not problems,
        message=f"callers of {name_of(champion)} would fail: {'; '.join(problems)}"
        if problems
        else f"what callers of {name_of(champion)} send is enough",
    )


def signature_problems(candidate: Signature, served: Signature) -> list[str]:
    """What callers of `served` send or expect that `candidate` does not take or give, in words."""
    sent = {field.name: field for field in served.inputs}
    wanted = {field.name for field in candidate.inputs}
    problems = [f"nobody sends the field {field.name!r}" for field in candidate.inputs if field.name not in sent]
    problems += [f"the field {name!r} is no longer taken" for name in sent if name not in wanted]
    problems += [_misfit(sent[field.name], field) for field in candidate.inputs if field.name in sent]
    given = {(field.name, field.kind, field.width) for field in candidate.outputs}
    problems += [
        f"the answer {field.name!r} ({field.kind}, {field.width} a row) is no longer given"
        for field in served.outputs
        if (field.name, field.kind, field.width) not in given
    ]
    if candidate.classes != served.classes:
        problems.append(f"the classes are {candidate.classes}, not {served.classes}")
    return [problem for problem in problems if problem]


def name_of(champion: Champion) -> str:
    """As people call it, such as `flight-delay v3`."""
    return f"{champion.model} v{champion.version}"


def _misfit(sent: Field, taken: Field) -> str:
    widens = (sent.kind, taken.kind) == ("integer", "float")
    if sent.kind != taken.kind and not widens:
        return f"the field {sent.name!r} is sent as {sent.kind}, but {taken.kind} is taken"
    if sent.allows_null and not taken.allows_null:
        return f"the field {sent.name!r} is sent as null, which is no longer taken"
    return ""


def _newer(rows: GateRows, champion: Champion) -> tuple[NDArray[np.bool_], Check | None]:
    """Rows that the champion was not trained on, by their time."""
    everything = np.ones(len(rows.frame), dtype=bool)
    if not rows.gate.time:
        return everything, None
    name = "newer than the champion's training"
    if champion.trained_until is None:
        told = f"the training rows of {name_of(champion)} are not recorded, so overlap cannot be told"
        return everything, Check(name=name, passed=True, row_count=len(everything), message=told)
    at = times_of(rows.frame[rows.gate.time], rows.gate.time)
    is_newer = (at > champion.trained_until).to_numpy()
    count, old = int(is_newer.sum()), int((~is_newer).sum())
    message = f"{count:,} rows are newer than the training rows of {name_of(champion)}"
    message += f"; {old:,} that overlap are left out of the comparison" if old else ""
    passed = count >= rows.gate.minimum_rows
    if not passed:
        message += f"; fewer than {rows.gate.minimum_rows} judge nothing"
    return is_newer, Check(name=name, passed=passed, row_count=count, message=message)


def _own_features(
    rows: GateRows, champion: Champion, own_rows: pd.DataFrame | None
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The champion's features in the order of the rows, and which rows have any."""
    if own_rows is None:
        return rows.frame, np.ones(len(rows.frame), dtype=bool)
    key = list(rows.gate.key)
    if not key:
        raise SchemaMismatchError("its own rows are given, but Gate(key=...) does not say what joins them")
    for told, frame in (("the test rows", rows.frame), ("its own rows", own_rows)):
        missing = [name for name in key if name not in frame.columns]
        if missing:
            raise SchemaMismatchError(f"{told} have no key column {', '.join(map(repr, missing))}")
    if own_rows.duplicated(key).any():
        raise SchemaMismatchError(f"{int(own_rows.duplicated(key).sum()):,} of its own rows have a key twice")
    names = [field.name for field in champion.package.signature.inputs]
    lacking = [name for name in names if name not in own_rows.columns]
    if lacking:
        raise SchemaMismatchError(f"it needs the columns {', '.join(map(repr, lacking))}, which its own rows lack")
    by_key = pd.MultiIndex.from_frame(own_rows[key])
    place = by_key.get_indexer(pd.MultiIndex.from_frame(rows.frame[key]))
    return own_rows[names].iloc[np.where(place < 0, 0, place)].reset_index(drop=True), place >= 0
