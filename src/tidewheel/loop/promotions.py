"""Promotes what has passed its gate, and sends it there again when the champion has changed since."""

from __future__ import annotations

from collections.abc import Callable

from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, TidewheelError
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Event, Evidence, ModelVersion
from tidewheel.workspace.champions import cause_of, promote
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import verdict_of


def candidate_of(stores: Stores, model: str) -> ModelVersion | None:
    """The newest approved version after the champion, None when there is nothing to promote."""
    champion = stores.aliases.get(model, "champion")
    approved = [version for version in stores.models.list(model) if version.state == "approved"]
    newer = [version for version in approved if champion is None or version.version > champion]
    return max(newer, key=lambda version: version.version, default=None)


def promote_approved(stores: Stores, model: str, say: Callable[[str], None]) -> ModelVersion | None:
    """Promotes the candidate if its verdict compares it with today's champion."""
    candidate = candidate_of(stores, model)
    if candidate is None or not _is_current(stores, candidate):
        return None
    try:
        event = cause_of(stores, candidate)
        promoted = promote(stores, model, candidate.version, event, reason=candidate.reason)
    except (ConflictError, TidewheelError) as error:
        say(f"{model} v{candidate.version} is not promoted: {error.what}")
        return None
    say(f"promoted: {model} v{promoted.version}: {candidate.reason}")
    return promoted


def ask_gate_again(stores: Stores, model: ModelDeclaration, say: Callable[[str], None]) -> Event | None:
    """Brings a candidate before the gate again whose verdict is about another champion; once for each of them."""
    candidate = candidate_of(stores, model.name)
    if candidate is None or _is_current(stores, candidate):
        return None
    champion = stores.aliases.get(model.name, "champion")
    event = Event(
        id=new_id(),
        kind="champion",
        subject=model.pipeline,
        evidence=(
            Evidence(kind="model_version", ref=f"{model.name}/{candidate.version}", note="approved"),
            Evidence(kind="model_version", ref=f"{model.name}/{champion}", note="champion since its verdict"),
        ),
        key=f"gate again/{model.name}/v{candidate.version}/against v{champion}",
        at=stores.clock.now(),
        recorded_at=utc_now(),
    )
    created, is_new = stores.events.create(event, is_pending=True)
    if not is_new:
        return None
    say(f"event: {event.key} starts {event.subject}")
    return created


def _is_current(stores: Stores, candidate: ModelVersion) -> bool:
    try:
        verdict = verdict_of(stores, candidate.model, candidate.version)
    except TidewheelError:  # lost or altered: only the gate can make it again
        return False
    return verdict is None or verdict.champion_version == stores.aliases.get(candidate.model, "champion")
