"""One call of a step in a worker: arguments in, outputs stored."""

from __future__ import annotations

import importlib
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.errors import ArtifactCorruptError, ArtifactMissingError, DefinitionError, StepError
from tidewheel.core.metrics import Metrics
from tidewheel.core.records import Artifact
from tidewheel.orchestrator.attempt import BoundInput, WorkerRequest
from tidewheel.pipeline import Step, bind_parameters, inside_step
from tidewheel.pipeline.literals import bind_literal, build_items, entry_annotation, item_annotations
from tidewheel.pipeline.surroundings import Surroundings, surrounded

if TYPE_CHECKING:
    from tidewheel.model_package import Champion

Metricbook = dict[str, float | None]


class StepCall:
    """Imports the step of a request on creation; `carry_out` calls it.

    Attributes:
        unread: champions whose package could not be read. What the step made of that does not follow from its inputs.

    Raises:
        DefinitionError: the address names no step.
    """

    def __init__(self, request: WorkerRequest, store: LocalArtifactStore) -> None:
        self._request = request
        self._store = store
        self.unread: tuple[str, ...] = ()
        self._step = _import_step(request.step) if request.kind == "step" else None
        self._hints = typing.get_type_hints(self._step.function) if self._step else {}

    def carry_out(self) -> tuple[dict[str, Artifact], Metricbook]:
        """The stored outputs by name, and the numbers among them.

        Raises:
            StepError: the step returned what it does not declare.
        """
        inputs = {name: self._load(bound, self._hints.get(name)) for name, bound in self._request.inputs.items()}
        if self._request.kind == "features":
            return self._join_features(inputs)
        if self._request.arguments.get("engine"):
            return self._ask(inputs)
        if self._step is None:
            values = {"output": self._query(inputs)}
        else:
            parameters = bind_parameters(self._step.function, self._request.parameters)
            with inside_step(), surrounded(self._surroundings()):
                result = self._step.function(**inputs, **parameters)
            values = self._by_name(result)
        metrics: Metricbook = {}
        for name, value in values.items():
            if isinstance(value, Metrics):
                prefix = "" if name in ("metrics", "output") else f"{name}."
                metrics |= {f"{prefix}{key}": _number(name, key, number) for key, number in value.items()}
        return {name: self._store.put(value) for name, value in values.items()}, metrics

    def _surroundings(self) -> Surroundings:
        request = self._request
        return Surroundings(
            scratch=Path(request.scratch),
            cpu=request.cpu,
            seed=request.seed,
            known_modules=frozenset(request.known_modules),
        )

    def _join_features(self, inputs: dict[str, Any]) -> tuple[dict[str, Artifact], Metricbook]:
        from tidewheel.workspace.feature_join import carry_out_join

        result, report = carry_out_join(inputs, self._request.arguments, threads=self._request.cpu)
        values = {"output": result, "report": report.to_dict()}
        return {name: self._store.put(value) for name, value in values.items()}, dict(report.metrics())

    def _ask(self, inputs: dict[str, Any]) -> tuple[dict[str, Artifact], Metricbook]:
        """Stores what another engine answers, batch by batch: from then on it stays as it is."""
        from tidewheel.workspace.engines import engine_of

        arguments = self._request.arguments
        with engine_of(inputs["engine"]).stream(arguments["query"], arguments.get("parameters") or {}) as reader:
            artifact = self._store.put(reader)
        return {"output": artifact}, {"rows": float(artifact.summary["rows"])}

    def _query(self, tables: dict[str, Any]) -> Any:
        from tidewheel.steps.data_extraction import extract

        arguments = self._request.arguments
        return extract(arguments["query"], tables, arguments.get("parameters") or {})

    def _load(self, bound: BoundInput, hint: Any) -> Any:
        if bound.artifact is not None:
            return _adapt(self._read(bound.artifact, _plain(hint)), hint)
        if bound.table is not None:
            return self._load_table(bound.table, hint)
        if bound.champion is not None:
            return self._load_champion(bound.champion)
        if bound.reference is not None:
            return self._load_reference(bound.reference)
        if bound.items is not None:
            hints = item_annotations(hint, len(bound.items))
            return build_items([self._load(*pair) for pair in zip(bound.items, hints, strict=True)], hint)
        if bound.entries is not None:
            element = entry_annotation(hint)
            return {key: self._load(item, element) for key, item in bound.entries.items()}
        return bind_literal(bound.value, hint)

    def _read(self, artifact: Artifact, as_type: Any = None) -> Any:
        """The value; one whose bytes were altered is moved aside, so that its step makes it again in the next run."""
        again = f"`tidewheel resume {self._request.run_id}` carries out again the step that made it"
        try:
            return self._store.load(artifact, as_type=as_type)
        except ArtifactCorruptError as error:
            aside = self._store.quarantine(artifact)
            raise ArtifactCorruptError(error.what, where=str(aside or error.where), next_step=again) from None
        except ArtifactMissingError as error:
            raise ArtifactMissingError(error.what, where=error.where, next_step=again) from None

    def _load_champion(self, facts: dict[str, Any]) -> Champion:
        from tidewheel.workspace.champion_package import load_champion

        until = datetime.fromisoformat(facts["trained_until"]) if facts.get("trained_until") else None
        package = Artifact.from_dict(facts["artifact"])
        champion = load_champion(self._store, facts["model"], facts["version"], package, until)
        if not champion.is_readable:
            self.unread = (*self.unread, f"{champion.model} v{champion.version}")
        return champion

    def _load_table(self, reference: dict[str, Any], hint: Any) -> Any:
        from tidewheel.table_store import TableReader, TableReference

        record = TableReference.from_dict(reference)
        return record if self._request.kind == "sql" else _adapt(TableReader(record), hint)

    def _load_reference(self, facts: dict[str, Any]) -> Any:
        from tidewheel.steps.reference import load_reference
        from tidewheel.table_store import TableReader, TableReference

        rows = TableReader(TableReference.from_dict(facts["rows"]), threads=self._request.cpu)
        return load_reference(facts, rows, self._read)

    def _by_name(self, result: Any) -> dict[str, Any]:
        names, declared = self._request.outputs, self._hints.get("return")
        if names == ("output",):
            self._check(result, declared, "output")
            return {"output": result}
        if not isinstance(declared, type) or not isinstance(result, declared):
            raise StepError(
                f"step {self._request.node!r} declares {getattr(declared, '__name__', declared)} "
                f"but returned {type(result).__name__}",
                next_step="return what the annotation says",
            )
        hints = typing.get_type_hints(declared)
        values = {name: getattr(result, name) for name in names}
        for name, value in values.items():
            self._check(value, hints.get(name), name)
        return values

    def _check(self, value: Any, declared: Any, name: str) -> None:
        expected = _classes(declared)
        if expected and not isinstance(value, expected):
            raise StepError(
                f"step {self._request.node!r} declares output {name!r} as {_told(expected)} "
                f"but returned {type(value).__name__}",
                next_step="return what the annotation says, or correct the annotation",
            )


def _import_step(address: str) -> Step[..., Any]:
    module, _, name = address.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Step):
        raise DefinitionError(f"{address} is no step", (), next_step="decorate the function with @step")
    return found


def _number(output: str, key: str, number: Any) -> float:
    if isinstance(number, bool) or not hasattr(number, "__float__"):
        raise StepError(f"metric {key!r} of output {output!r} is {number!r}", next_step="return a number")
    return float(number)


def _plain(hint: Any) -> Any:
    """The hint as far as it says how to decode: None for tables and the untyped."""
    if hint is None or hint is Any or _is_table(hint):
        return None
    return hint


def _is_table(hint: Any) -> bool:
    return f"{getattr(hint, '__module__', '')}".split(".")[0] in ("pandas", "pyarrow", "numpy")


def _adapt(value: Any, hint: Any) -> Any:
    """Gives a table in the form that the step asks for: Arrow, pandas, or a reader that loads nothing yet."""
    wanted = f"{getattr(hint, '__module__', '')}.{getattr(hint, '__name__', '')}"
    if wanted.startswith("pandas.") and hasattr(value, "to_pandas"):
        return value.to_pandas()
    if wanted.startswith("pyarrow.") and hasattr(value, "to_arrow"):
        return value.to_arrow()
    if wanted.startswith("pyarrow.") and type(value).__module__.startswith("pandas."):
        import pyarrow

        return pyarrow.Table.from_pandas(value, preserve_index=False)
    return value


def _classes(declared: Any) -> tuple[type, ...]:
    """The classes that a value may have; empty when the annotation says no class."""
    origin = typing.get_origin(declared)
    if origin in (typing.Union, types.UnionType):
        members = [_classes(member) for member in typing.get_args(declared)]
        return tuple(one for classes in members for one in classes) if all(members) else ()
    if declared is None:
        return (type(None),)
    if declared is float:
        return (float, int)
    if typing.is_typeddict(declared):
        return (dict,)
    candidate = origin or declared
    return (candidate,) if _can_be_asked(candidate) else ()


def _can_be_asked(candidate: Any) -> bool:
    """Whether `isinstance` answers for it and says something: Any is a class too, and most protocols refuse."""
    if not isinstance(candidate, type) or candidate in (object, Any):
        return False
    try:
        isinstance(None, candidate)
    except TypeError:
        return False
    return True


def _told(classes: tuple[type, ...]) -> str:
    return " or ".join(one.__name__ for one in classes)
