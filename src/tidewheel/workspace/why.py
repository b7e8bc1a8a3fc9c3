"""`tidewheel why MODEL`: the chain of facts behind what is in production, walked backwards."""

from __future__ import annotations

from collections.abc import Iterator

from tidewheel.core.errors import NotFoundError, TidewheelError
from tidewheel.core.records import Event, ModelVersion, Run
from tidewheel.core.records.record import Record
from tidewheel.metadata_store import AliasMove
from tidewheel.workspace.champions import verdict_of
from tidewheel.workspace.stores import Stores


class Link(Record, frozen=True, kw_only=True):
    """One fact of the chain.

    Attributes:
        noun: what kind of fact, a word of the glossary.
        ref: its id or digest.
        text: what it says.
        is_found: whether the fact is there and whole; a chain with one that is not proves nothing.
        depth: 0 for the chain itself, 1 for the details of a link.
    """

    noun: str
    ref: str
    text: str
    is_found: bool = True
    depth: int = 0


class WhyChain(Record, frozen=True, kw_only=True):
    """Why a version is what it is."""

    model: str
    version: int
    links: tuple[Link, ...]

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
    return WhyChain(model=model, version=number, links=tuple(_links(stores, found)))


def _links(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    yield from _deployments(stores, version)
    yield from _moves(stores, version)
    yield _package(stores, version)
    yield from _verdict(stores, version)
    run = stores.runs.find(version.run_id)
    if run is None:
        yield Link(noun="run", ref=version.run_id, text="its record is missing", is_found=False)
        return
    yield from _run(stores, run)
    yield from _snapshots(stores, version)
    yield from _event(stores, run.event_id, depth=0)


def _deployments(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    for one in stores.deployments.active():
        if (one.model, one.version) == (version.model, version.version):
            yield Link(
                noun="deployment",
                ref=one.id,
                text=f"answers at {one.endpoint} in {one.place} since {one.at:%Y-%m-%d %H:%M}",
            )


def _moves(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    for move in stores.aliases.history(version.model, "champion"):
        if move.to_version == version.version:
            yield Link(noun="promotion", ref=f"{move.model} v{move.to_version}", text=_told(move))
            if move.event_id:
                yield from _event(stores, move.event_id, depth=1)


def _told(move: AliasMove) -> str:
    before = f" after v{move.from_version}" if move.from_version is not None else ", the first"
    return f"champion since {move.at:%Y-%m-%d %H:%M}{before}: {move.reason}"


def _package(stores: Stores, version: ModelVersion) -> Link:
    try:
        stores.artifacts.verify(version.package)
    except TidewheelError as error:
        return Link(noun="package", ref=version.package.digest, text=error.what, is_found=False)
    size = version.package.size_bytes
    return Link(noun="package", ref=version.package.digest, text=f"v{version.version}, {size:,} bytes, digest verified")


def _verdict(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    if not version.verdict_digest:
        yield Link(noun="verdict", ref="", text=version.reason or "no gate judged it")
        return
    try:
        verdict = verdict_of(stores, version.model, version.version)
    except TidewheelError:
        verdict = None
    if verdict is None:
        yield Link(noun="verdict", ref=version.verdict_digest, text="it is missing or altered", is_found=False)
        return
    compared = f"against v{verdict.champion_version}" if verdict.champion_version else "without a champion"
    outcome = "passed" if verdict.passed else "failed"
    yield Link(noun="verdict", ref=version.verdict_digest, text=f"{outcome} {compared}")
    for check in verdict.checks:
        mark = "passed" if check.passed else "failed"
        yield Link(noun="check", ref=check.name, text=f"{mark}: {check.message}", depth=1)


def _run(stores: Stores, run: Run) -> Iterator[Link]:
    yield Link(noun="run", ref=run.id, text=f"{run.pipeline} {run.status} on {run.host} at {run.at:%Y-%m-%d %H:%M}")
    sources = stores.sources.find(run.sources_digest)
    commit = f"commit {run.commit[:12]} on {run.branch} by {run.author}" if run.commit else "no Git commit"
    dirty = " with uncommitted changes" if run.is_dirty else ""
    count = f", {len(sources.files)} files kept" if sources else ", their record is missing"
    yield Link(
        noun="sources", ref=run.sources_digest, text=f"{commit}{dirty}{count}", is_found=sources is not None, depth=1
    )
    if run.parameters:
        told = ", ".join(f"{name}={value}" for name, value in run.parameters.items())
        yield Link(noun="parameters", ref=run.plan_digest, text=told, depth=1)


def _snapshots(stores: Stores, version: ModelVersion) -> Iterator[Link]:
    for snapshot in version.snapshots:
        try:
            stores.tables.snapshot(snapshot.table, id=snapshot.snapshot_id)
            is_found = True
        except TidewheelError:
            is_found = False
        yield Link(
            noun="snapshot",
            ref=f"{snapshot.table}@{snapshot.snapshot_id}",
            text=f"{snapshot.row_count:,} rows, content {snapshot.digest[:16]}" + ("" if is_found else ", missing"),
            is_found=is_found,
            depth=1,
        )


def _event(stores: Stores, event_id: str, *, depth: int) -> Iterator[Link]:
    try:
        event: Event = stores.events.get(event_id)
    except NotFoundError:
        yield Link(noun="event", ref=event_id, text="its record is missing", is_found=False, depth=depth)
        return
    yield Link(noun="event", ref=event.id, text=f"{event.kind} at {event.at:%Y-%m-%d %H:%M}", depth=depth)
    for one in event.evidence:
        if one.kind == "signal":
            yield from _signal(stores, one.ref, depth + 1)
        else:
            yield Link(noun=one.kind, ref=one.ref, text=one.note, depth=depth + 1)


def _signal(stores: Stores, signal_id: str, depth: int) -> Iterator[Link]:
    try:
        signal = stores.signals.get(signal_id)
    except NotFoundError:
        yield Link(noun="signal", ref=signal_id, text="its record is missing", is_found=False, depth=depth)
        return
    window = f"{signal.window_start:%Y-%m-%d} to {signal.window_end:%Y-%m-%d}"
    text = f"{signal.monitor} of v{signal.version}, {window}: {signal.message}"
    yield Link(noun="signal", ref=signal.id, text=text, depth=depth)
    for one in signal.evidence:
        yield Link(noun=one.kind, ref=one.ref, text=one.note, depth=depth + 1)
