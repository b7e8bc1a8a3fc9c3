"""A registered package, as a pipeline's `champion(...)` hands it to a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidewheel.core.errors import TidewheelError

if TYPE_CHECKING:
    from tidewheel.model_package.package import Package


@dataclass(frozen=True)
class Champion:
    """What is in production.

    Attributes:
        model, version: its name in the registry.
        found: its package, or why that could not be read.
        trained_until: the newest time that its training rows are about; None when its verdict does not say.
    """

    model: str
    version: int
    found: Package | TidewheelError
    trained_until: datetime | None = None

    @property
    def package(self) -> Package:
        """The deliverable itself.

        Raises:
            ArtifactMissingError: its file is gone.
            ArtifactCorruptError: its bytes are not those that were registered.
            UnreadableFileError: they are no package that this version knows.
        """
        if isinstance(self.found, TidewheelError):
            raise self.found
        return self.found

    @property
    def is_readable(self) -> bool:
        """Whether there is a package to ask."""
        return not isinstance(self.found, TidewheelError)
