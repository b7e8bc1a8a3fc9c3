"""Lets a model's triggers turn signals into events."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidewheel.core.records import Event
from tidewheel.triggers import PerformanceDrop, ValueSkew
from tidewheel.workspace.declaration import ModelDeclaration
from tidewheel.workspace.stores import Stores


def fire(stores: Stores, model: ModelDeclaration) -> Iterator[Event]:
    """The new events about a model; a signal that has fired does not fire again."""
    for declared in model.triggers:
        trigger = msgspec.convert(declared, PerformanceDrop | ValueSkew)
        for signal in stores.signals.list(model=model.name):
            event = trigger.fire(signal, model.pipeline, stores.clock.now())
            if event is None:
                continue
            created, is_new = stores.events.create(event, is_pending=True)
            if is_new:
                yield created
