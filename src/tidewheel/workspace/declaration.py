"""What a project declares, as data: read by a process that imports none of its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from tidewheel.core import errors
from tidewheel.core.errors import ProblemsError, TidewheelError
from tidewheel.core.records import TableContract
from tidewheel.core.records.record import Record
from tidewheel.pipeline import Parameter, Plan
from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition
from tidewheel.source_repository import Closure

REQUEST = "describe.json"
ANSWER = "declared.json"


class PipelineDeclaration(Record, frozen=True, kw_only=True):
    """A pipeline's name, `module:function` and parameters."""

    name: str
    address: str
    parameters: tuple[Parameter, ...]


class ModelDeclaration(Record, frozen=True, kw_only=True):
    """A `Model` as data.

    Attributes:
        pipeline: the name of the pipeline that makes it.
        package, verdict, metrics: names of that pipeline's outputs.
        monitors, triggers: their records as dicts with `type`.
        endpoint: where it is deployed.
        features: names of the views that it is served with.
    """

    name: str
    pipeline: str
    package: str
    verdict: str
    metrics: str
    monitors: tuple[dict[str, Any], ...] = ()
    triggers: tuple[dict[str, Any], ...] = ()
    endpoint: str
    features: tuple[str, ...] = ()


class Declared(Record, frozen=True, kw_only=True):
    """All pipelines, models, feature views and contracts of a project, by name; contracts by table."""

    pipelines: dict[str, PipelineDeclaration]
    models: dict[str, ModelDeclaration]
    feature_views: dict[str, ViewDefinition] = {}
    on_demand_views: dict[str, OnDemandDefinition] = {}
    contracts: dict[str, TableContract] = {}


class Reported(Record, frozen=True, kw_only=True):
    """An error that crosses a process boundary as data."""

    type_name: str
    what: str
    where: str = ""
    next_step: str = ""
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: TidewheelError) -> Self:
        """The data of an error."""
        problems = error.problems if isinstance(error, ProblemsError) else ()
        return cls(
            type_name=type(error).__name__,
            what=error.what,
            where=error.where,
            next_step=error.next_step,
            problems=problems,
        )

    def to_error(self) -> TidewheelError:
        """The error again, of its own class where that takes nothing but the three parts of a message."""
        kind = getattr(errors, self.type_name, TidewheelError)
        if isinstance(kind, type) and issubclass(kind, ProblemsError):
            return kind(self.what, self.problems, where=self.where, next_step=self.next_step)
        error: TidewheelError = kind.__new__(kind)
        TidewheelError.__init__(error, self.what, where=self.where, next_step=self.next_step)
        return error


class DescribeRequest(Record, frozen=True, kw_only=True):
    """Which modules to import, and which pipeline to plan with which raw parameters.

    Attributes:
        form: what an answer holds; an answer of another form, which was kept, is not read.
    """

    import_roots: tuple[str, ...]
    modules: tuple[str, ...]
    pipeline: str = ""
    parameters: dict[str, Any] = {}
    form: str = "with features of models"

    @classmethod
    def find(cls, folder: Path) -> Self:
        """The request in `folder`."""
        return cls.from_json((folder / REQUEST).read_bytes())


class DescribeAnswer(Record, frozen=True, kw_only=True):
    """What was declared, the plan and the closures of its steps; or the error.

    Attributes:
        plans: where no pipeline was named, those of pipelines that need no parameter: whoever asks for the declarations
            mostly asks for one of them next, and the project is imported anyway.
    """

    declared: Declared | None = None
    plan: Plan | None = None
    plans: dict[str, Plan] = {}
    closures: dict[str, Closure] = {}
    error: Reported | None = None
