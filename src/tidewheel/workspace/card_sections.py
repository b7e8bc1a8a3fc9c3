"""What a model card says, section by section, from the facts behind a version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidewheel.core.records import EvaluationReport, ModelVersion, Run, Verdict
from tidewheel.model_package import Package
from tidewheel.workspace.card_document import Document, Picture, Section, Table, shown

_FEATURES = 30


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from; None where a fact is missing or damaged.

    Attributes:
        report, pictures: of the evaluation in the version's run.
        missing: what could not be read, in words.
    """

    version: ModelVersion
    package: Package | None
    run: Run | None
    verdict: Verdict | None
    report: EvaluationReport | None
    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]


def card_document(facts: CardFacts) -> Document:
    """The card; equal facts give equal words."""
    version = facts.version
    lead = f"{version.state}, registered {version.at:%Y-%m-%d %H:%M} UTC"
    lead += f": {version.reason}" if version.reason else ""
    sections = [
        Section("What it answers", tuple(_answers(facts))),
        Section("How good it is", tuple(_quality(facts))),
        Section("Where it is worse", tuple(_limits(facts))),
        Section("What it rests on", tuple(_importance(facts))),
        Section("The gate", tuple(_gate(facts))),
        Section("What it learned from", tuple(_origin(facts))),
        Section("Not known", facts.missing),
    ]
    return Document(f"{version.model} v{version.version}", lead, tuple(one for one in sections if one.parts))


def _answers(facts: CardFacts) -> Iterator[str | Table]:
    package = facts.package
    if package is None:
        return
    signature = package.signature
    classes = f" with the classes {', '.join(map(str, signature.classes))}" if signature.classes else ""
    yield f"A {signature.task} model{classes}, answered by {package.runtime}."
    if package.manifest.reason:
        yield f"It is not in ONNX: {package.manifest.reason}."
    yield Table(
        ("field", "kind", "may be missing", "known categories"),
        tuple(
            (field.name, field.kind, field.allows_null, len(field.domain) or None)
            for field in signature.inputs[:_FEATURES]
        ),
    )
    if len(signature.inputs) > _FEATURES:
        yield f"{len(signature.inputs) - _FEATURES} more fields."
    parity = package.parity
    libraries = ", ".join(f"{name} {number}" for name, number in sorted(package.manifest.libraries.items()))
    real, made = parity.sample_rows + parity.held_out_rows, parity.boundary_rows + parity.jump_rows
    yield (
        f"Its answers differ from the trained model's by at most {parity.maximum_difference:.3g} on "
        f"{real:,} real rows, {parity.held_out_rows:,} of them held out, and {made:,} generated ones. Package of "
        f"{facts.version.package.size_bytes:,} bytes, digest {package.digest[:16]}, made with {libraries}."
    )


def _quality(facts: CardFacts) -> Iterator[str | Table | Picture]:
    report = facts.report
    if report is None:
        rows = tuple((name, value) for name, value in sorted(facts.version.metrics.items()))
        yield Table(("metric", "value"), rows) if rows else "Nobody has measured it."
    else:
        yield (
            f"On {report.row_count:,} test rows in {report.block_count:,} independent blocks; intervals of "
            f"{report.confidence:.0%}."
        )
        measured = tuple((one.name, one.value, one.low, one.high) for one in report.metrics)
        yield Table(("metric", "value", "from", "to"), measured)
        yield from report.notes
        if report.segments:
            parts = tuple(
                (f"{one.column} = {one.segment}", one.row_count, one.value, one.low, one.high)
                for one in report.segments
            )
            yield Table(("segment", "rows", report.metric, "from", "to"), parts)
    yield from facts.pictures


def _limits(facts: CardFacts) -> Iterator[str | Table]:
    report = facts.report
    if report is None or not report.slices_looked_at:
        return
    if not report.slices:
        yield f"None of {report.slices_looked_at:,} slices of the test rows is worse than all rows beyond chance."
        return
    yield f"Found among {report.slices_looked_at:,} slices, each beyond chance:"
    yield Table(
        ("where", "rows", "share", "loss above the mean", "by chance"),
        tuple((one.words, one.row_count, one.share, one.excess, one.probability) for one in report.slices),
    )


def _importance(facts: CardFacts) -> Iterator[Table]:
    if facts.report is None or not facts.report.importance:
        return
    yield Table(
        ("feature", f"loss of {facts.report.metric} when shuffled", "spread", "mean |SHAP|"),
        tuple((one.feature, one.permuted, one.spread, one.shap) for one in facts.report.importance[:_FEATURES]),
    )


def _gate(facts: CardFacts) -> Iterator[str | Table]:
    verdict = facts.verdict
    if verdict is None:
        if not facts.version.verdict_digest:
            yield "No gate judged it."
        return
    compared = f" against v{verdict.champion_version}" if verdict.champion_version else " without a champion"
    yield ("Passed" if verdict.passed else "Failed") + compared + "."
    yield Table(
        ("check", "passed", "value", "reference", "gain", "from", "to", "rows", "in words"),
        tuple(
            (
                one.name,
                one.passed,
                one.value,
                one.reference,
                one.difference,
                one.low,
                one.high,
                one.row_count or None,
                one.message,
            )
            for one in verdict.checks
        ),
    )


def _origin(facts: CardFacts) -> Iterator[str | Table]:
    version, run, verdict = facts.version, facts.run, facts.verdict
    if verdict is not None and verdict.training is not None:
        until = f", until {verdict.training.until:%Y-%m-%d %H:%M}" if verdict.training.until else ""
        yield f"{verdict.training.row_count:,} rows{until}."
    if version.snapshots:
        yield Table(
            ("table", "snapshot", "rows", "content"),
            tuple((one.table, str(one.snapshot_id), one.row_count, one.digest[:16]) for one in version.snapshots),
        )
    if run is not None:
        commit = f"commit {run.commit[:12]}" if run.commit else "no commit"
        commit += " with uncommitted changes" if run.commit and run.is_dirty else ""
        yield f"Run {run.id} of {run.pipeline}, {commit}, sources {run.sources_digest[:16]}."
    if version.parameters:
        yield Table(
            ("parameter", "value"), tuple((name, _told(one)) for name, one in sorted(version.parameters.items()))
        )


def _told(value: object) -> str:
    return f"{str(value)[:200]}…" if len(str(value)) > 200 else shown(value)
