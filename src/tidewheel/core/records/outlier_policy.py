"""What is done about outliers: the one list of policies.

Training data and served requests share the list (requirements R110, R111), but not every policy makes sense in both
places: a run has no other answer to fall back on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

OutlierPolicy = Literal["flag", "quarantine", "clip", "refuse", "fall_back"]
"""Counted and let through; kept out of what is trained on; brought to the nearest limit; refused as a whole; answered
by a safer model."""

Place = Literal["training", "serving"]

POLICIES: Mapping[Place, tuple[OutlierPolicy, ...]] = MappingProxyType(
    {
        "training": ("flag", "quarantine", "clip", "refuse"),
        "serving": ("flag", "quarantine", "clip", "refuse", "fall_back"),
    }
)
"""What can be applied where. A served row in quarantine is answered, but never trained on."""
