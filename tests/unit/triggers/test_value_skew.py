"""Moved values start a training, once, unless one has answered them already."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tidewheel.core.records import Signal
from tidewheel.triggers import ValueSkew

AT = datetime(2013, 4, 1, tzinfo=UTC)
SIGNAL = Signal(
    id="s",
    key="data validation/flights/delay/v1/abc",
    monitor="data validation",
    kind="skew",
    model="delay",
    version=1,
    window_start=AT,
    window_end=AT,
    is_alarm=True,
    value=0.3,
    threshold=0.1,
    numbers={"retrained_by": ""},
    evidence=(),
    message="moved",
    at=AT,
    recorded_at=AT,
)


def test_an_alarm_starts_the_pipeline_and_the_same_alarm_is_the_same_event():
    first, second = (ValueSkew().fire(SIGNAL, "training", AT) for _ in range(2))
    assert (first.kind, first.subject) == ("signal", "training")
    assert first.key == second.key
    assert [(one.kind, one.ref) for one in first.evidence] == [("signal", "s"), ("model_version", "delay/1")]


@pytest.mark.parametrize(
    "changes",
    [{"is_alarm": False}, {"monitor": "performance"}, {"numbers": {"retrained_by": "1m7y"}}],
    ids=["no alarm", "another monitor", "answered"],
)
def test_what_needs_no_training_starts_none(changes):
    assert ValueSkew().fire(msgspec.structs.replace(SIGNAL, **changes), "training", AT) is None
