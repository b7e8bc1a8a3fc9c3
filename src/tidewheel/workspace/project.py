"""The project as its workspace sees it: captured sources, declarations and plans, without importing its code."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.config import Config
from tidewheel.core.digest import digest_value
from tidewheel.core.errors import DefinitionError, NotFoundError, RunError, SourceError
from tidewheel.core.records import SourceState
from tidewheel.orchestrator import ForkServer
from tidewheel.pipeline import Plan
from tidewheel.source_repository import (
    Closure,
    SourcesChangedError,
    capture_sources,
    copy_sources,
    find_import_roots,
    pack_sources,
    read_runtime,
)
from tidewheel.workspace.declaration import (
    ANSWER,
    REQUEST,
    Declared,
    DescribeAnswer,
    DescribeRequest,
    ModelDeclaration,
)
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.warm_server import WORKER_MODULE


class CapturedSources(msgspec.Struct, frozen=True):
    """The sources at one moment, and the copy of them that is imported from."""

    state: SourceState
    folder: Path

    @property
    def import_roots(self) -> tuple[Path, ...]:
        """Folders of the copy for `sys.path`."""
        return tuple(find_import_roots(self.folder))


class Project:
    """Reads a project in processes of their own; answers are cached by the digest of the sources.

    Args:
        config: where the project is.
        stores: where copies and answers are kept.
    """

    def __init__(self, config: Config, stores: Stores) -> None:
        self._config = config
        self._stores = stores

    def capture(self) -> CapturedSources:
        """Takes the sources as they are now, uncommitted changes included; an equal capture is the same copy.

        Raises:
            SourceError: a file changed while it was read, twice.
        """
        state, folder = capture_sources(self._config.root, self._stores.folder / "sources", self._excluded())
        if self._stores.sources.find(state.digest) is None:
            self._stores.artifacts.put(pack_sources(folder, state))
            self._stores.sources.put(state)
        return CapturedSources(state, folder)

    def kept(self, digest: str) -> CapturedSources:
        """Sources that an earlier run imported from, as they were; the project itself may be another by now.

        Raises:
            NotFoundError: no run imported sources of this digest.
            SourceError: their copy is gone, and the project is not at that commit.
        """
        state = self._stores.sources.find(digest)
        if state is None:
            raise NotFoundError("sources", digest)
        folder = self._stores.folder / "sources"
        try:
            return CapturedSources(state, copy_sources(self._config.root, state, folder))
        except SourcesChangedError:
            told = f"check out commit {state.commit[:12]}" if state.commit and not state.is_dirty else "bring it back"
            raise SourceError(
                "the copy of the sources is gone that the run imported from",
                where=str(folder / digest),
                next_step=f"{told}, and call this again",
            ) from None

    def declared(self) -> Declared:
        """All pipelines and models.

        Raises:
            DefinitionError: the project cannot be imported.
        """
        declared = self.plan("", {}, self.capture()).declared
        assert declared is not None
        return declared

    def model(self, name: str) -> ModelDeclaration:
        """A declared model.

        Raises:
            NotFoundError: no model of this name is declared.
        """
        models = self.declared().models
        if name not in models:
            raise NotFoundError("model", name, known=models)
        return models[name]

    def plan(
        self,
        pipeline: str,
        parameters: Mapping[str, Any],
        captured: CapturedSources,
        server: ForkServer | None = None,
    ) -> DescribeAnswer:
        """The plan of a pipeline with raw parameters, and the closures of its steps.

        Args:
            pipeline: its name; empty for the declarations alone.
            server: forks the process that imports the project; without one, there is one for this question.

        Raises:
            TidewheelError: whatever is wrong with the definition or the parameters.
        """
        request = DescribeRequest(
            import_roots=tuple(str(root) for root in captured.import_roots),
            modules=self._config.project.modules,
            pipeline=pipeline,
            parameters=dict(parameters),
        )
        if not request.modules:
            raise DefinitionError(
                "the project declares no modules",
                (),
                where="tidewheel.toml",
                next_step='name those that declare pipelines under [project], such as modules = ["flights"]',
            )
        known = self._stores.plans.find(self._key(captured, request))
        if known is not None:
            return DescribeAnswer.from_json(known.extra)
        if server is not None:
            answer = _ask(request, server)
        else:
            with closing(ForkServer(WORKER_MODULE)) as server:
                answer = _ask(request, server)
        if answer.error is not None:
            raise answer.error.to_error()
        self._keep(captured, request, answer)
        return answer

    def _keep(self, captured: CapturedSources, request: DescribeRequest, answer: DescribeAnswer) -> None:
        """Keeps the answer, and those to what is likely to be asked next: importing a project can take seconds."""
        answers = {
            name: DescribeAnswer(declared=answer.declared, plan=plan, closures=_of_plan(plan, answer.closures))
            for name, plan in answer.plans.items()
        }
        if request.pipeline and self._stores.plans.find(self._key(captured, _about(request, ""))) is None:
            answers[""] = DescribeAnswer(declared=answer.declared)
        for name, one in answers.items():
            self._put(self._key(captured, _about(request, name)), one)
        self._put(self._key(captured, request), msgspec.structs.replace(answer, plans={}))

    def _key(self, captured: CapturedSources, request: DescribeRequest) -> str:
        runtime = read_runtime((), cache_dir=self._stores.folder / "cache")
        return digest_value("description", [captured.state.digest, runtime.digest, request.to_dict()])

    def _put(self, key: str, answer: DescribeAnswer) -> None:
        plan = answer.plan
        self._stores.plans.put(key, plan.digest if plan else key, plan.to_json() if plan else b"", answer.to_json())

    def _excluded(self) -> tuple[str, ...]:
        return (*self._config.project.exclude, self._config.workspace.path)


def _about(request: DescribeRequest, pipeline: str) -> DescribeRequest:
    return msgspec.structs.replace(request, pipeline=pipeline, parameters={})


def _of_plan(plan: Plan, closures: Mapping[str, Closure]) -> dict[str, Closure]:
    return {node.step: closures[node.step] for node in plan.nodes if node.step in closures}


def _ask(request: DescribeRequest, server: ForkServer) -> DescribeAnswer:
    with tempfile.TemporaryDirectory(prefix="tidewheel-") as name:
        folder, log = Path(name), Path(name, "log.txt")
        (folder / REQUEST).write_bytes(request.to_json())
        server.start(REQUEST, folder, log)
        while not (ended := server.wait(None)):
            pass
        try:
            return DescribeAnswer.from_json((folder / ANSWER).read_bytes())
        except FileNotFoundError:
            told = log.read_text(errors="replace").strip()[-2000:] if log.exists() else ""
            raise RunError(
                f"the project's declarations could not be read (exit code {ended[0].code})", where=told
            ) from None
