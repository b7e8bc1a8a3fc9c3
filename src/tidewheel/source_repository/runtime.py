"""The software that code reaches: Python, platform, and distributions by version."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.records import Runtime
from tidewheel.source_repository.distribution import normalise_name
from tidewheel.source_repository.distribution_index import DistributionIndex, read_index
from tidewheel.source_repository.plain_sources import digest_packages, find_package

_ALWAYS = "tidewheel"


def read_runtime(imports: Iterable[str] | None = None, *, cache_dir: Path | None = None) -> Runtime:
    """Python, platform, and the distributions that these imports reach, with what those require.

    A distribution that is installed in editable form, and a package that lies on the search path without one, has the
    digest of its files in place of a version. Tidewheel itself is always among them; what it requires counts when
    `tidewheel` is one of the imports. Optional dependencies count only where a requirement names the extra.

    Args:
        imports: top-level import names; None for all installed distributions.
        cache_dir: a folder for what is slow to find out; with it a call takes a few milliseconds.

    Example:
        >>> runtime = read_runtime(["msgspec"])
        >>> sorted(runtime.distributions), runtime.python.split()[0]
        (['msgspec', 'tidewheel'], 'cpython')
    """
    index = read_index(cache_dir)
    if imports is None:
        names = set(index.distributions)
        wanted = {_ALWAYS}
    else:
        asked = set(imports)
        wanted = asked | {_ALWAYS}
        names = index.reached(asked) | ({_ALWAYS} & index.distributions.keys())
    distributions = {name: _version(index, name, cache_dir) for name in names}
    for name in sorted(wanted - index.providers.keys()):
        place = find_package(name)
        if place is not None:
            distributions[normalise_name(name)] = digest_packages([place], cache_dir)
    ordered = dict(sorted(distributions.items()))
    python, platform = describe_python(), describe_platform()
    return Runtime(
        python=python,
        platform=platform,
        distributions=ordered,
        digest=digest_value("runtime", [python, platform, ordered]),
    )


def describe_python() -> str:
    """Implementation and version, such as `cpython 3.11.7`."""
    version = sys.version_info
    stage = "" if version.releaselevel == "final" else f"{version.releaselevel[0]}{version.serial}"
    return f"{sys.implementation.name} {version.major}.{version.minor}.{version.micro}{stage}"


def describe_platform() -> str:
    """System, machine and C library, such as `Linux x86_64 glibc 2.36`."""
    host = os.uname()
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # not the GNU library
        library = ""
    return " ".join(filter(None, (host.sysname, host.machine, library)))


def _version(index: DistributionIndex, name: str, cache_dir: Path | None) -> str:
    distribution = index.distributions[name]
    if distribution.editable:
        return digest_packages(distribution.editable, cache_dir)
    return distribution.version
