"""A registered package, as a pipeline's `champion(...)` hands it to a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.model_package.package import Package


@dataclass(frozen=True)
class Champion:
    """What is in production.

    Attributes:
        model, version: its name in the registry.
        package: the deliverable itself.
        trained_until: the newest time that its training rows are about; None when its verdict does not say.
    """

    model: str
    version: int
    package: Package
    trained_until: datetime | None = None
