"""`tidewheel why MODEL`: the chain of facts behind what is in production, walked backwards."""

from __future__ import annotations

from collections.abc import Iterator

from tidewheel.core.counted import counted
from tidewheel.core.errors import NotFoundError, TidewheelError
from tidewheel.core.records import Artifact, Event, Evidence, ModelVersion, ReferenceSource, Run, ValidationReport
from tidewheel.core.records.record import Record
from tidewheel.metadata_store import AliasMove
from tidewheel.pipeline.feature_view import ViewDefinition, read_definition
from tidewheel.steps.ingest_properties import CONTRACT, FILE, RUN
from tidewheel.workspace.references import TYPE as REFERENCE_TYPE
from tidewheel.workspace.skew_signals import REPORT_TYPE
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import verdict_of


class Link(Record, frozen=True, kw_only=True):
    """One fact of the chain.

    Attributes:
        noun: what kind of fact, a word of the glossary.
        ref: its id or digest.
        text: what it says.
        is_found: whether the fact is there and whole; a chain with one that is not proves nothing.
        depth: 0 for the chain itself, 1 for the details of a link.
        command: what shows the fact itself; empty where the text says all.
    """

    noun: str
    ref: str
    text: str
    is_found: bool = True
    depth: int = 0
    command: str = ""


class WhyChain(Record, frozen=True, kw_only=True):
    """Why a version, or rows, are what they are.

    Attributes:
        model, version: the version that is explained, or that answered; empty and 0 for rows that no model gave.
        table: the snapshot that is explained, as `TABLE@ID`; empty for the version itself.
    """

    model: str = ""
    version: int = 0
    table: str = ""
    links: tuple[Link, ...]

    def __repr__(self) -> str:
        subject = self.table or f"{self.model} v{self.version}"
        return f"<why {subject}: {len(self.links)} facts, {'whole' if self.is_whole else 'broken'}>"

    @property
    def is_whole(self) -> bool:
        """Whether every fact of the chain was found."""
        return all(link.is_found for link in self.links)


def why(stores: Stores, model: str, version: int | None = None) -> WhyChain:
    """The chain of a version, by default of the champion.

    Raises:
        NotFoundError: the model has no champion or no such version.
    """
    number = version or stores.aliases.get(model, "champion")
    if number is None:
        raise NotFoundError("champion of model", model, known=stores.models.models())
    found = stores.models.get(model, number)
    return WhyChain(model=model, version=number, links=tuple(version_links(stores, found)))


def version_links(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    """The links of a version, from what answers back to the event that started it all."""
    run = stores.runs.find(version.run_id)
    yield from _deployments(stores, version)
    yield from _moves(stores, version, run.event_id if run else "")
    yield _package(stores, version)
    yield from _verdict(stores, version)
    if run is None:
        yield Link(noun="run", ref=version.run_id, text="its record is missing", is_found=False)
        return
    yield from _run(stores, run)
    for one in version.snapshots:
        yield snapshot_link(stores, f"{one.table}@{one.snapshot_id}", f"{one.row_count:,} rows", depth=1)
        yield from audit_links(stores, one.table, one.snapshot_id, depth=2)
    yield from _references(stores, run)
    yield from _features(version)
    yield from event_links(stores, run.event_id, depth=0)


def _references(stores: Stores, run: Run) -> Iterator[Link]:
    """What the rows of the run were held against, and what was found."""
    for execution in stores.executions.list(run.id):
        for name, artifact in execution.outputs.items():
            command = f"tidewheel get {run.id}/{execution.node}" + (f".{name}" if name != "output" else "")
            if artifact.type_name == REFERENCE_TYPE:
                source = ReferenceSource.from_dict(artifact.summary["source"])
                profile = Artifact.from_dict(artifact.summary["profile"])
                contract = f", contract {source.contract_digest[:16]}" if source.contract_digest else ""
                yield Link(
                    noun="reference",
                    ref=f"{source.table}@{source.snapshot_id}",
                    text=f"{source.reason}; profile {source.profile_digest[:16]}{contract}",
                    is_found=stores.artifacts.is_present(profile),
                    depth=1,
                    command=command,
                )
            elif artifact.type_name == REPORT_TYPE:
                yield _validation(stores, artifact, command)


def _validation(stores: Stores, artifact: Artifact, command: str) -> Link:
    try:
        report: ValidationReport = stores.artifacts.load(artifact, ValidationReport)
    except TidewheelError as error:
        return Link(noun="validation", ref=artifact.digest, text=error.what, is_found=False, depth=1)
    moved = [column.column for column in report.skew.moved] if report.skew else []
    outliers = sum(finding.count for finding in report.outliers)
    text = (
        f"{report.kept_count:,} of {report.row_count:,} rows kept, {len(report.findings)} findings, "
        f"{outliers:,} outliers, moved: {', '.join(moved) or 'nothing'}"
    )
    return Link(noun="validation", ref=artifact.digest, text=text, depth=1, command=command)


def _features(version: ModelVersion) -> Iterator[Link]:
    for view in map(read_definition, version.features):
        source = f"from {view.table}" if isinstance(view, ViewDefinition) else f"computed from {', '.join(view.inputs)}"
        yield Link(
            noun="feature view",
            ref=f"{view.name}@{view.digest[:12]}",
            text=f"{', '.join(view.features)} {source}, looked up as trained with",
            depth=1,
            command=f"tidewheel features show {view.name}",
        )


def _deployments(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    for one in stores.deployments.active():
        if (one.model, one.version) == (version.model, version.version):
            yield Link(
                noun="deployment",
                ref=one.id,
                text=f"answers at {one.endpoint} in {one.place} since {one.at:%Y-%m-%d %H:%M}",
                command="tidewheel status",
            )


def _moves(stores: Stores, version: ModelVersion, told_event: str) -> Iterator[Link]:
    for move in stores.aliases.history(version.model, "champion"):
        if move.to_version == version.version:
            reason = "its verdict passed" if move.reason == version.reason and version.verdict_digest else move.reason
            yield Link(
                noun="promotion",
                ref=f"{move.model} v{move.to_version}",
                text=_told(move, reason),
                command=f"tidewheel models {move.model}",
            )
            if move.event_id == told_event:
                yield _plain("event", move.event_id, "the run's own, see below", 1)
            elif move.event_id:
                yield from event_links(stores, move.event_id, depth=1)


def _told(move: AliasMove, reason: str) -> str:
    before = f" after v{move.from_version}" if move.from_version is not None else ", the first"
    return f"champion since {move.at:%Y-%m-%d %H:%M}{before}: {reason}"


def _package(stores: Stores, version: ModelVersion) -> Link:
    digest = version.package.digest
    if version.state == "deleted":
        return Link(noun="package", ref=digest, text=_deletion(stores, version))
    try:
        stores.artifacts.verify(version.package)
    except TidewheelError as error:
        return Link(noun="package", ref=digest, text=error.what, is_found=False)
    size = f"v{version.version}, {version.package.size_bytes:,} bytes, digest verified"
    return Link(noun="package", ref=digest, text=size, command=_get_command(stores, version.run_id, digest))


def _deletion(stores: Stores, version: ModelVersion) -> str:
    """A package that was deleted on purpose is a fact, and breaks no chain."""
    change = stores.models.history(version.model, version.version)[-1]
    return f"v{version.version}, deleted on {change.at:%Y-%m-%d %H:%M}: {change.reason}"


def _verdict(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    digest = version.verdict_digest
    if not digest:
        yield Link(noun="verdict", ref="", text=version.reason or "no gate judged it")
        return
    try:
        verdict = verdict_of(stores, version.model, version.version)
    except TidewheelError:
        verdict = None
    if verdict is None:
        yield Link(noun="verdict", ref=digest, text="it is missing or altered", is_found=False)
        return
    compared = f"against v{verdict.champion_version}" if verdict.champion_version else "without a champion"
    outcome = "passed" if verdict.passed else "failed"
    yield Link(
        noun="verdict",
        ref=digest,
        text=f"{outcome} {compared}",
        command=_get_command(stores, version.run_id, digest),
    )
    for check in verdict.checks:
        mark = "passed" if check.passed else "failed"
        yield _plain("check", check.name, f"{mark}: {check.message}", 1)


def _get_command(stores: Stores, run_id: str, digest: str) -> str:
    """How to get an artifact of a run; a verdict may have been given by a later run, and then has none."""
    for execution in stores.executions.list(run_id):
        for name, artifact in execution.outputs.items():
            if artifact.digest == digest:
                return f"tidewheel get {run_id}/{execution.node}.{name}"
    return ""


def _run(stores: Stores, run: Run) -> Iterator[Link]:
    text = f"{run.pipeline} {run.status} on {run.host} at {run.at:%Y-%m-%d %H:%M}"
    yield Link(noun="run", ref=run.id, text=text, command=f"tidewheel show {run.id}")
    sources = stores.sources.find(run.sources_digest)
    commit = f"commit {run.commit[:12]} on {run.branch} by {run.author}" if run.commit else "no Git commit"
    dirty = " with uncommitted changes" if run.commit and run.is_dirty else ""
    count = f", {len(sources.files)} files kept" if sources else ", their record is missing"
    yield Link(
        noun="sources",
        ref=run.sources_digest,
        text=f"{commit}{dirty}{count}",
        is_found=sources is not None,
        depth=1,
        command=f"git show {run.commit[:12]}" if run.commit else "",
    )
    if run.parameters:
        told = ", ".join(f"{name}={value}" for name, value in run.parameters.items())
        yield _plain("parameters", run.plan_digest, told, 1)


def snapshot_link(stores: Stores, ref: str, text: str, depth: int) -> Link:
    """A snapshot by its address, with the digest of what it holds."""
    table, _, number = ref.rpartition("@")
    try:
        digest = stores.tables.snapshot(table, id=int(number)).digest
    except (TidewheelError, ValueError):
        return Link(noun="snapshot", ref=ref, text=f"{text}, missing", is_found=False, depth=depth)
    return Link(
        noun="snapshot",
        ref=ref,
        text=f"{text}, content {digest[:16]}".removeprefix(", "),
        depth=depth,
        command=f'tidewheel sql --snapshot {ref} "select count(*) from {table}"',
    )


def audit_links(stores: Stores, table: str, snapshot_id: int, *, depth: int) -> Iterator[Link]:
    """How the rows of a snapshot were held against the table's contract before anyone could read them."""
    try:
        lineage = stores.tables.lineage(table, snapshot_id)
    except TidewheelError:
        return  # told as a missing snapshot
    audited = [properties for properties in lineage if CONTRACT in properties]
    if not audited:
        return
    ingests = sum(any(key.startswith(FILE) for key in properties) for properties in lineage)
    run_id, contract = audited[0].get(RUN, ""), audited[0][CONTRACT]
    text = f"{len(audited)} of {max(ingests, len(audited))} ingests were held against a contract"
    for execution in stores.executions.list(run_id) if run_id else ():
        if "audit" in execution.outputs:
            numbers = ", ".join(
                f"{name} {execution.metrics.get(name) or 0:,.0f}" for name in ("published", "quarantined")
            )
            text += f"; the last: {numbers}, report {execution.outputs['audit'].digest[:16]}"
            if moved := int(execution.metrics.get("moved") or 0):
                text += f", {counted(moved, 'column')} moved against the batches before"
    yield Link(noun="audit", ref=contract, text=text, depth=depth, command=f"tidewheel show {run_id}" if run_id else "")


def event_links(stores: Stores, event_id: str, *, depth: int) -> Iterator[Link]:
    """An event with what it rests on."""
    try:
        event: Event = stores.events.get(event_id)
    except NotFoundError:
        yield Link(noun="event", ref=event_id, text="its record is missing", is_found=False, depth=depth)
        return
    text = f"{event.kind} at {event.at:%Y-%m-%d %H:%M}"
    yield Link(noun="event", ref=event.id, text=text, depth=depth, command=f"tidewheel events {event.id}")
    for one in event.evidence:
        yield from _evidence(stores, one, depth + 1)


def _evidence(stores: Stores, one: Evidence, depth: int) -> Iterator[Link]:
    if one.kind == "signal":
        yield from _signal(stores, one.ref, depth)
    elif one.kind == "snapshot":
        yield snapshot_link(stores, one.ref, "", depth)
    elif one.kind == "model_version":
        model, _, number = one.ref.rpartition("/")
        command = f"tidewheel why {model} --version {number}"
        yield Link(noun="model version", ref=f"{model} v{number}", text=one.note, depth=depth, command=command)
    elif one.kind == "run":
        yield Link(noun="run", ref=one.ref, text=one.note, depth=depth, command=f"tidewheel show {one.ref}")
    else:
        yield _plain(one.kind.replace("_", " "), one.ref, one.note, depth)


def _signal(stores: Stores, signal_id: str, depth: int) -> Iterator[Link]:
    try:
        signal = stores.signals.get(signal_id)
    except NotFoundError:
        yield Link(noun="signal", ref=signal_id, text="its record is missing", is_found=False, depth=depth)
        return
    window = f"{signal.window_start:%Y-%m-%d} to {signal.window_end:%Y-%m-%d}"
    text = f"{signal.monitor} of v{signal.version}, {window}: {signal.message}"
    yield Link(noun="signal", ref=signal.id, text=text, depth=depth, command=f"tidewheel signals {signal.id}")
    for one in signal.evidence:
        yield from _evidence(stores, one, depth + 1)


def _plain(noun: str, ref: str, text: str, depth: int) -> Link:
    return Link(noun=noun, ref=ref, text=text, depth=depth)
