"""Versions that meet conditions: on metrics, parameters, the data and the commit that they rest on."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.core.records import ModelState, ModelVersion

_CONDITION = re.compile(r"\s*(?P<name>[^<>=!]+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<number>\S+)\s*")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class MetricCondition(NamedTuple):
    """A metric held against a number; one that is missing or NaN never meets it.

    Example:
        >>> condition = MetricCondition.parse("roc_auc >= 0.7")
        >>> condition.holds({"roc_auc": 0.71}), condition.holds({"roc_auc": None})
        (True, False)
    """

    name: str
    sign: str
    number: float

    @classmethod
    def parse(cls, text: str) -> MetricCondition:
        """Reads `NAME SIGN NUMBER`.

        Raises:
            ParameterError: it is of another form.
        """
        found = _CONDITION.fullmatch(text)
        try:
            number = float(found["number"]) if found else math.nan
        except ValueError:
            number = math.nan
        if found is None or math.isnan(number):
            raise ParameterError(f"{text!r} is no condition on a metric", next_step="write such as 'roc_auc > 0.7'")
        return cls(found["name"], found["sign"], number)

    def holds(self, metrics: Mapping[str, float | None]) -> bool:
        """Whether the metric is there and meets it."""
        value = metrics.get(self.name)
        return value is not None and not math.isnan(value) and _SIGNS[self.sign](value, self.number)


class VersionFilter(NamedTuple):
    """What versions are wanted; whatever is empty asks for nothing.

    Attributes:
        states: any of these; by default all but `deleted`.
        metrics: all of these hold.
        parameters: all of these, as text or value; of the pipeline, or of a step as `STEP.NAME`, or `NAME` of any step.
        snapshot: rests on it: `TABLE`, `TABLE@ID`, or the beginning of a content digest.
        commit: the beginning of the commit that its run imported from.
    """

    states: Sequence[ModelState] = ()
    metrics: Sequence[MetricCondition] = ()
    parameters: Mapping[str, Any] = {}
    snapshot: str = ""
    commit: str = ""

    def select(self, versions: Iterable[ModelVersion], commit_of: Callable[[str], str]) -> list[ModelVersion]:
        """The versions that meet all conditions, in the order given.

        Args:
            commit_of: the commit of a run, by its id; asked only when a commit is wanted.

        Raises:
            NotFoundError: no version has a metric, parameter or table of this name: it is mistyped.
        """
        known = list(versions)
        self._check_names(known)
        return [one for one in known if self._meets(one) and self._is_of_commit(one, commit_of)]

    def _check_names(self, versions: Sequence[ModelVersion]) -> None:
        if not versions:
            return
        metrics = {name for one in versions for name in one.metrics}
        for condition in self.metrics:
            if condition.name not in metrics:
                raise NotFoundError("metric", condition.name, known=metrics)
        parameters = {name for one in versions for name in one.parameters}
        for name in self.parameters:
            if not any(_means(name, one) for one in parameters):
                raise NotFoundError("parameter", name, known=parameters)

    def _meets(self, version: ModelVersion) -> bool:
        in_state = version.state in self.states if self.states else version.state != "deleted"
        return (
            in_state
            and all(condition.holds(version.metrics) for condition in self.metrics)
            and all(
                any(_means(name, one) and _is_same(value, wanted) for one, value in version.parameters.items())
                for name, wanted in self.parameters.items()
            )
            and (not self.snapshot or self._rests_on(version))
        )

    def _rests_on(self, version: ModelVersion) -> bool:
        table, _, number = self.snapshot.rpartition("@")
        if table:
            return any((one.table, str(one.snapshot_id)) == (table, number) for one in version.snapshots)
        return any(
            self.snapshot in (one.table, str(one.snapshot_id))
            or (len(self.snapshot) >= 4 and one.digest.startswith(self.snapshot))
            for one in version.snapshots
        )

    def _is_of_commit(self, version: ModelVersion, commit_of: Callable[[str], str]) -> bool:
        return not self.commit or commit_of(version.run_id).startswith(self.commit.lower())


def sorted_by_metric(versions: Sequence[ModelVersion], name: str, *, ascending: bool = False) -> list[ModelVersion]:
    """Versions by a metric, the largest first; those without a number come last.

    Raises:
        NotFoundError: no version has this metric.
    """
    known = {metric for one in versions for metric in one.metrics}
    if versions and name not in known:
        raise NotFoundError("metric", name, known=known)
    numbered = [(one.metrics.get(name), one) for one in versions]
    with_number = [(value, one) for value, one in numbered if value is not None and not math.isnan(value)]
    without = [one for value, one in numbered if value is None or math.isnan(value)]
    ordered = sorted(with_number, key=lambda pair: pair[0], reverse=not ascending)
    return [one for _, one in ordered] + without


def _means(name: str, parameter: str) -> bool:
    """Whether a name means this parameter: itself, or that of a step.

    Example:
        >>> _means("C", "C"), _means("C", "train.C"), _means("fit.C", "train.C")
        (True, True, False)
    """
    return parameter == name or parameter.endswith(f".{name}")


def _is_same(value: Any, wanted: Any) -> bool:
    """Whether a recorded parameter is what was asked for; text from a command line is read as the value that it says.

    Example:
        >>> _is_same(0.5, "0.50"), _is_same("0.5", "0.5"), _is_same([1, 2], "[1, 2]"), _is_same(True, "1")
        (True, True, True, False)
    """
    if not isinstance(wanted, str) or isinstance(value, str):
        return bool(value == wanted)
    try:
        read = msgspec.json.decode(wanted)
    except msgspec.DecodeError:
        return str(value) == wanted
    return bool(read == value) and isinstance(read, bool) == isinstance(value, bool)
