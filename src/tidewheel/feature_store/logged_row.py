"""A row of the prediction log, as features are replayed from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class LoggedRow(msgspec.Struct, frozen=True):
    """One answered row of the prediction log.

    Attributes:
        id: of the prediction.
        at: when it was asked.
        inputs: what the model was given, by name.
        asked: what the request told, entity keys and inputs of on-demand views among it.
    """

    id: str
    at: datetime
    inputs: Mapping[str, Any]
    asked: Mapping[str, Any]
