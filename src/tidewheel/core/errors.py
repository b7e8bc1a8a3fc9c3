"""The one error tree.

A message has three parts: what is wrong, where, and the next step. Errors mix in the standard type that a caller
would expect (`LookupError`, `ValueError`, ...), and are split only where a caller would act differently. Transport
(exit codes, HTTP statuses) is decided at the edge that speaks it, never here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class TidewheelError(Exception):
    """Anything that Tidewheel reports on purpose.

    Args:
        what: the fact that is wrong, naming the thing.
        where: the place: a file and line, a path in a document, a run and step.
        next_step: what the reader can do now.

    Example:
        >>> print(TidewheelError("table 'flight' is empty", where="run 7, step extract", next_step="ingest rows first"))
        table 'flight' is empty
          where: run 7, step extract
          next:  ingest rows first
    """

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.next_step:
            lines.append(f"  next:  {self.next_step}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception pickles as a call with its text alone, which few of these could be made from again; one that
        # cannot be read breaks the process pool that carries it.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(kind: type[TidewheelError], args: tuple[Any, ...], facts: dict[str, Any]) -> TidewheelError:
    maker: type[Exception] = OSError if issubclass(kind, OSError) else Exception  # Python accepts no other's __new__
    error: TidewheelError = maker.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ProblemsError(TidewheelError):
    """Several problems found in one check, each with its own place; nothing was changed.

    Args:
        what: what was checked.
        problems: one line each, `message @ path`.
    """

    def __init__(self, what: str, problems: Sequence[str], *, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        head, *rest = super().__str__().split("\n")
        return "\n".join([head, *(f"  - {problem}" for problem in self.problems), *rest])


class ConfigError(ProblemsError, ValueError):
    """`tidewheel.toml` or an environment variable does not say something valid."""


class DefinitionError(ProblemsError, TypeError):
    """A step, pipeline or model is declared in a way that cannot run."""


class NotFoundError(TidewheelError, LookupError):
    """A named thing does not exist.

    Args:
        kind: the noun of the glossary, such as `run` or `table`.
        name: what was asked for.
        known: the names that exist; the nearest are offered.

    Example:
        >>> print(NotFoundError("table", "flihgts", known=["flights", "weather"]))
        table 'flihgts' does not exist
          next:  did you mean 'flights'?
    """

    def __init__(
        self, kind: str, name: str, *, known: Iterable[str] = (), where: str = "", next_step: str = ""
    ) -> None:
        super().__init__(
            f"{kind} {name!r} does not exist", where=where, next_step=next_step or suggest(name, known, kind)
        )
        self.kind = kind
        self.name = name


class ParameterError(TidewheelError, ValueError):
    """An argument has the wrong type or a value outside its domain."""


class ParametersError(ProblemsError, ValueError):
    """Arguments of a pipeline are missing, unknown or of the wrong type."""


class SchemaMismatchError(TidewheelError, ValueError):
    """Data does not have the columns or types that its reader or table needs."""


class ContractBrokenError(ProblemsError, ValueError):
    """Rows or columns break a rule of their table's contract whose policy is to stop; nothing was published."""


class UnreadableFileError(TidewheelError, ValueError):
    """A file is not what its name says: broken encoding, truncated archive, no header."""


class CodecNotFoundError(TidewheelError, TypeError):
    """A value's type has no codec; Tidewheel never falls back to pickle."""


class ArtifactMissingError(TidewheelError, LookupError):
    """The bytes that a digest names are not in the store."""


class ArtifactCorruptError(TidewheelError, ValueError):
    """The stored bytes do not have the digest that names them."""


class ConflictError(TidewheelError, RuntimeError):
    """Another writer was first; nothing of this write was applied."""


class ProtectedError(TidewheelError, RuntimeError):
    """A deletion was refused because something live needs the thing."""


class StorageError(TidewheelError, OSError):
    """The disk is full, read-only, or of a kind on which the store would not be safe."""

    def __str__(self) -> str:
        return TidewheelError.__str__(self)


class WorkspaceVersionError(TidewheelError, RuntimeError):
    """The workspace was written by a newer Tidewheel than this one."""


class EngineError(TidewheelError, RuntimeError):
    """Another SQL engine cannot be reached, refuses the user, or broke off in the middle of a result."""


class SourceError(TidewheelError, RuntimeError):
    """The project's sources cannot be read: Git failed, or a file is no Python."""


class StepError(TidewheelError, RuntimeError):
    """A step did not finish: it raised, exited, or returned what it did not declare."""


class RunError(TidewheelError, RuntimeError):
    """A run could not start, or ended without success."""


class ConversionError(TidewheelError, ValueError):
    """A model has no exact form in the asked format; the package says which form serves instead."""


class DeploymentError(TidewheelError, RuntimeError):
    """An endpoint did not come into the desired state."""


class StopRun(Exception):
    """Raised inside a step to end the run with a reason: neither failed nor succeeded.

    Args:
        reason: in words.
        outputs: what the step hands out all the same, by the names of its declared outputs: its findings as data.

    Example:
        >>> raise StopRun("no new rows since the last training")
        Traceback (most recent call last):
        ...
        tidewheel.core.errors.StopRun: no new rows since the last training
    """

    def __init__(self, reason: str, *, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outputs = dict(outputs or {})


def suggest(name: str, known: Iterable[str], kind: str = "name") -> str:
    """The next step for a mistyped name: its nearest neighbours, else all names there are.

    Example:
        >>> suggest("trian", ["train", "evaluate"])
        "did you mean 'train'?"
        >>> suggest("x", [], "table")
        'there is no table yet'
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(candidate) for candidate in near)}?"
    if not names:
        return f"there is no {kind} yet"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known: {shown}"
