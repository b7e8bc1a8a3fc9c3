"""The model card: written when a version is registered, an artifact of the operation `card` on its package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidewheel.artifact_store.codec_table import qualified_name
from tidewheel.core.errors import TidewheelError
from tidewheel.core.records import Artifact, EvaluationReport, Event, Execution, ModelVersion
from tidewheel.workspace.card_document import Document, Picture
from tidewheel.workspace.card_sections import CardFacts, card_document
from tidewheel.workspace.operation import record_operation
from tidewheel.workspace.stores import Stores
from tidewheel.workspace.verdicts import verdict_of

OPERATION = "card"
_REPORT_TYPE = qualified_name(EvaluationReport)


@dataclass(frozen=True)
class ModelCard:
    """The card of a version.

    Attributes:
        version: whose it is.
        document: what it says: `.to_markdown()`, `.to_html()`.
        markdown, html: the artifacts that were linked to the version.
    """

    version: ModelVersion
    document: Document
    markdown: Artifact
    html: Artifact

    def __repr__(self) -> str:
        titles = ", ".join(section.title for section in self.document.sections)
        return f"<card of {self.version.model} v{self.version.version}, {self.version.state}: {titles}>"

    def to_markdown(self) -> str:
        """For a repository or a terminal."""
        return self.document.to_markdown()

    def to_html(self) -> str:
        """One file with its pictures."""
        return self.document.to_html()


def model_card(stores: Stores, version: ModelVersion, event: Callable[[], Event]) -> ModelCard:
    """The card from today's facts; recorded when it is not the one that is linked already.

    Args:
        event: asked for the cause when it has to be recorded.
    """
    document = card_document(_facts(stores, version))
    markdown = stores.artifacts.put(document.to_markdown().encode())
    html = stores.artifacts.put(document.to_html().encode())
    linked = linked_card(stores, version)
    if linked is None or linked.outputs["markdown"].digest != markdown.digest:
        parameters = {"model": version.model, "version": version.version}
        with record_operation(stores, OPERATION, parameters, event()) as operation:
            operation.inputs["package"] = version.package
            operation.outputs |= {"markdown": markdown, "html": html}
    return ModelCard(version, document, markdown, html)


def linked_card(stores: Stores, version: ModelVersion) -> Execution | None:
    """The newest operation that wrote a card of this version."""
    found = [
        one
        for one in stores.executions.by_input(version.package.digest)
        if one.step == OPERATION
        and one.status == "succeeded"
        and (one.parameters.get("model"), one.parameters.get("version")) == (version.model, version.version)
    ]
    return max(found, key=lambda one: one.id, default=None)


def _facts(stores: Stores, version: ModelVersion) -> CardFacts:
    missing: list[str] = []

    def found(name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except TidewheelError as error:
            missing.append(f"{name}: {error.what}")
            return None

    report, pictures = None, []
    for execution in stores.executions.list(version.run_id):
        for name, artifact in execution.outputs.items():
            if artifact.type_name == _REPORT_TYPE:
                report = found("evaluation", partial(stores.artifacts.load, artifact, as_type=EvaluationReport))
            elif artifact.codec.startswith("figure/"):
                png = found(f"picture {name}", partial(stores.artifacts.load, artifact))
                ref = f"tidewheel get {version.run_id}/{execution.node}.{name}"
                if png is not None:
                    pictures.append(Picture(f"{execution.node}.{name}", png, ref))
    return CardFacts(
        version=version,
        package=found("package", partial(stores.artifacts.load, version.package)),
        run=found("run", partial(stores.runs.get, version.run_id)),
        verdict=found("verdict", partial(verdict_of, stores, version.model, version.version)),
        report=report,
        pictures=tuple(pictures),
        missing=tuple(missing),
    )
