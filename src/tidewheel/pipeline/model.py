"""Which pipeline makes a model, and what keeps it fresh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tidewheel.core.errors import DefinitionError
from tidewheel.pipeline.feature_view import FeatureView, OnDemandView
from tidewheel.pipeline.pipeline import Pipeline

# Fit for a URL and for a folder of its own: `..` is neither.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Model(msgspec.Struct, frozen=True):
    """A declaration at the top of one of the project's modules; the workspace finds it.

    Attributes:
        name: registry, endpoint and `why` know it by this.
        pipeline: makes it; all its parameters need defaults if triggers shall start it.
        package, verdict, metrics: names of the pipeline's outputs.
        monitors: watch it; see `tidewheel.monitoring`.
        triggers: start the pipeline again; see `tidewheel.triggers`.
        endpoint: where it is served; the model's name by default.
        features: views that its pipeline joins, which the prediction service looks up by entity keys.

    Raises:
        DefinitionError: `pipeline` is no `@pipeline`, or a name is not fit for a URL and a folder.
    """

    name: str
    pipeline: Pipeline
    package: str = "package"
    verdict: str = "verdict"
    metrics: str = "metrics"
    monitors: Sequence[Any] = ()
    triggers: Sequence[Any] = ()
    endpoint: str | None = None
    features: Sequence[FeatureView | OnDemandView] = ()

    def __post_init__(self) -> None:
        problems = []
        pipeline: object = self.pipeline
        if not isinstance(pipeline, Pipeline):
            problems.append(f"pipeline is a {type(pipeline).__name__}, not a @pipeline @ Model.pipeline")
        for place, name in (("name", self.name), ("endpoint", self.endpoint)):
            if name is not None and not _NAME.fullmatch(str(name)):
                problems.append(f"{name!r} is not made of letters, digits, '-', '_' and '.' only @ Model.{place}")
        views: Sequence[object] = self.features
        problems += [
            f"{view!r} is no FeatureView or OnDemandView @ Model.features[{index}]"
            for index, view in enumerate(views)
            if not isinstance(view, FeatureView | OnDemandView)
        ]
        if problems:
            raise DefinitionError(f"model {self.name!r} is declared wrongly", problems)
