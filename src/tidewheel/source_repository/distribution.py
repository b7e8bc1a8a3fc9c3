"""An installed distribution."""

from __future__ import annotations

import re

from tidewheel.core.records import Record


class Distribution(Record, frozen=True, kw_only=True):
    """An installed distribution.

    Attributes:
        name: normalised.
        version: as its metadata says.
        requires: `name` or `name[extra]` of what it needs here (markers evaluated), by extra; `""` is without extras.
        editable: folders and files of its packages when it is installed in editable form.
    """

    name: str
    version: str
    requires: dict[str, tuple[str, ...]] = {}
    editable: tuple[str, ...] = ()


def normalise_name(name: str) -> str:
    """A distribution's name as the Python packaging specification compares it.

    Example:
        >>> normalise_name("Scikit_Learn")
        'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
