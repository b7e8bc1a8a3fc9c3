"""Promotes what has passed its gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidewheel.core.errors import ConflictError
from tidewheel.core.records import ModelVersion
from tidewheel.workspace import Workspace
from tidewheel.workspace.declaration import ModelDeclaration


def promote_approved(
    workspace: Workspace, model: ModelDeclaration, say: Callable[[str], None]
) -> Iterator[ModelVersion]:
    """Promotes the newest approved version after the champion; a verdict about another champion does not count."""
    champion = workspace.champion(model.name)
    newer = [
        version
        for version in workspace.stores.models.list(model.name)
        if version.state == "approved" and (champion is None or version.version > champion.version)
    ]
    if not newer:
        return
    candidate = max(newer, key=lambda version: version.version)
    event = workspace.stores.events.get(workspace.stores.runs.get(candidate.run_id).event_id)
    try:
        promoted = workspace.promote(model.name, candidate.version, reason=candidate.reason, event=event)
    except ConflictError as error:
        say(f"{model.name} v{candidate.version} is not promoted: {error.what}")
        return
    say(f"promoted: {model.name} v{promoted.version}: {candidate.reason}")
    yield promoted
