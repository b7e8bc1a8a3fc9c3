"""Which code a step depends on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tidewheel.core.digest import digest_value
from tidewheel.core.records import Record


class Closure(Record, frozen=True, kw_only=True):
    """The definitions of the project that a step reaches, each with the digest of its normalised source.

    Comments, formatting and docstrings do not count: code whose meaning hangs on `__doc__` is not told apart.

    Attributes:
        step: `module:qualname`.
        parts: digest by `module:name`; `module:<import>` is what runs when the module is imported, `module:*` a module
            that was taken whole.
        modules: project modules that are imported, statically, when the step is imported or called.
        imports: top-level names of other imports that are reached, without the standard library; `tidewheel` only when
            more than its declarations is used (a runtime always names it).
        undecided: module -> why the whole of it was taken.
    """

    step: str
    parts: dict[str, str]
    modules: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    undecided: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """Over the step and its parts; what is imported from elsewhere is the runtime's matter."""
        return digest_value("closure", [self.step, self.parts])


def missed_modules(closure: Closure, loaded: Mapping[str, str | None], roots: Iterable[Path]) -> tuple[str, ...]:
    """Project modules that were really loaded, but that the closure did not foresee, sorted.

    Args:
        closure: of the step that ran.
        loaded: `__file__` by module name, from `sys.modules` after the call.
        roots: the import roots of the sources' copy.

    Example:
        >>> closure = Closure(step="flights.train:train", parts={}, modules=("flights.train",))
        >>> missed_modules(closure, {"flights.train": "/p/flights/train.py", "plug": "/p/plug.py"}, [Path("/p")])
        ('plug',)
    """
    folders = tuple(os.path.join(folder, "") for root in roots for folder in {os.path.realpath(root), str(root)})
    known = {*closure.modules, "__main__"}
    return tuple(
        sorted(name for name, file in loaded.items() if file and name not in known and file.startswith(folders))
    )
