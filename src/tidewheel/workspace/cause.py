"""The event behind what a person or program asks for."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tidewheel.core.clock import utc_now
from tidewheel.core.identifier import new_id
from tidewheel.core.records import Event, Evidence
from tidewheel.core.records.event import EventKind
from tidewheel.workspace.stores import Stores


def request_event(
    stores: Stores,
    subject: str,
    arguments: Mapping[str, Any],
    *,
    kind: EventKind = "request",
    evidence: Iterable[Evidence] = (),
) -> Event:
    """Records that someone asked: who, by which command, with which arguments."""
    identifier = new_id()
    told = msgspec.json.encode(dict(arguments), enc_hook=str).decode()
    event = Event(
        id=identifier,
        kind=kind,
        subject=subject,
        evidence=(
            Evidence(kind="person", ref=user_name()),
            Evidence(kind="command", ref=_command(), note=told),
            *evidence,
        ),
        key=identifier,
        at=stores.clock.now(),
        recorded_at=utc_now(),
    )
    return stores.events.create(event, is_pending=False)[0]


def user_name() -> str:
    """Who runs this process, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _command() -> str:
    program = sys.argv[0].rsplit("/", 1)[-1] if sys.argv and sys.argv[0] else "python"
    return " ".join([program, *sys.argv[1:]])[:500]
