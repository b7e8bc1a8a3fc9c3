"""The software that an execution ran on."""

from __future__ import annotations

from tidewheel.core.records.record import Record


class Runtime(Record, frozen=True, kw_only=True):
    """Python, platform and distributions.

    Attributes:
        python: implementation and version, such as `cpython 3.11.7`.
        platform: system, machine and C library.
        distributions: version by normalised name; an editable one has its sources' digest in place of a version.
        digest: over the three.
    """

    python: str
    platform: str
    distributions: dict[str, str]
    digest: str
