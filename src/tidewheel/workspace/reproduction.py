"""A run and its repetition: which steps gave the same again, and what the others were given otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from tidewheel.artifact_store.codec_table import qualified_name
from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError
from tidewheel.core.records import Artifact, Execution, Run, RunStatus, Verdict
from tidewheel.core.records.record import Record
from tidewheel.orchestrator import explain_difference
from tidewheel.workspace.stores import Stores

_LOOKED_UP = ("table", "champion", "reference")
_FINISHED = ("succeeded", "cached")


class ReproducedStep(Record, frozen=True, kw_only=True):
    """One step of a run, held against the same step of its repetition.

    Attributes:
        node: its name in the plan.
        status: `equal` when each output has the digest that it had, or is a verdict that decides the same, because
            verdicts measure times; `missing` when it succeeded in one of the two only, or in none.
        outputs: the names of those that are not equal.
        reasons: what the step was given otherwise, in words. Empty at a step that differs: the same code, inputs,
            parameters, seed and packages gave something else.
    """

    node: str
    status: Literal["equal", "different", "missing"]
    outputs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class Reproduction(Record, frozen=True, kw_only=True):
    """What came out when a run was carried out again from what it was made from.

    Attributes:
        run_id: the run.
        repetition_id: the run that repeated it.
        status: how the repetition ended.
        steps: in the order of the plan.
    """

    run_id: str
    repetition_id: str
    status: RunStatus
    steps: tuple[ReproducedStep, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every step gave the same again."""
        return bool(self.steps) and all(step.status == "equal" for step in self.steps)

    @property
    def first_difference(self) -> ReproducedStep | None:
        """The step where the two went apart: all before it are equal."""
        return next((step for step in self.steps if step.status != "equal"), None)


def compare_repetition(stores: Stores, run: Run, repetition: Run) -> Reproduction:
    """Holds a run against its repetition, step by step."""
    before, after = stores.executions.list(run.id), stores.executions.list(repetition.id)
    steps = tuple(_steps(stores, before, {one.node: one for one in after}))
    return Reproduction(run_id=run.id, repetition_id=repetition.id, status=repetition.status, steps=steps)


def _steps(stores: Stores, before: Sequence[Execution], after: Mapping[str, Execution]) -> Iterator[ReproducedStep]:
    for old in before:
        new = after.get(old.node)
        if old.step in _LOOKED_UP:
            continue
        if new is None or old.status not in _FINISHED or new.status not in _FINISHED:
            yield ReproducedStep(node=old.node, status="missing")
            continue
        others = tuple(
            name for name, output in old.outputs.items() if not _is_equal(stores, output, new.outputs.get(name))
        )
        reasons = explain_difference(old.fingerprint_parts, new.fingerprint_parts)
        status: Literal["equal", "different"] = "different" if others else "equal"
        yield ReproducedStep(node=old.node, status=status, outputs=others, reasons=tuple(reasons))


def _is_equal(stores: Stores, old: Artifact, new: Artifact | None) -> bool:
    if new is None or old.digest == new.digest:
        return new is not None
    if old.type_name != qualified_name(Verdict) or new.type_name != old.type_name:
        return False
    try:
        return _decisions(stores.artifacts.load(old, Verdict)) == _decisions(stores.artifacts.load(new, Verdict))
    except (ArtifactMissingError, ArtifactCorruptError):
        return False


def _decisions(verdict: Verdict) -> tuple[object, ...]:
    """All that a verdict says but for what it measured."""
    return verdict.candidate_digest, verdict.champion_version, [(one.name, one.passed) for one in verdict.checks]
