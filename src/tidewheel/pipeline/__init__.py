"""The definition of pipelines: pure, light, and without any knowledge of stores, engines or codecs."""

from tidewheel.core.errors import ParametersError, StopRun
from tidewheel.core.metrics import Metrics
from tidewheel.pipeline import features
from tidewheel.pipeline.contract import Contract, Freshness, RowRule
from tidewheel.pipeline.feature_view import FeatureView, OnDemandView
from tidewheel.pipeline.gate import Baseline, Budget, Gate
from tidewheel.pipeline.model import Model
from tidewheel.pipeline.outlier_limits import ColumnLimit, RowDetector
from tidewheel.pipeline.parameters import (
    Parameter,
    bind_parameters,
    bind_value,
    declared_parameters,
    parse_parameters,
)
from tidewheel.pipeline.pipeline import Pipeline, pipeline
from tidewheel.pipeline.plan import InputSpec, OutputSpec, Plan, PlanNode, StepOptions
from tidewheel.pipeline.ref import Ref
from tidewheel.pipeline.sources import champion, reference, release_resolver, set_resolver, sql, table
from tidewheel.pipeline.step import Step, step
from tidewheel.pipeline.tracing import inside_step, is_inside_step

__all__ = [
    "Baseline",
    "Budget",
    "ColumnLimit",
    "Contract",
    "FeatureView",
    "Freshness",
    "Gate",
    "InputSpec",
    "Metrics",
    "Model",
    "OnDemandView",
    "OutputSpec",
    "Parameter",
    "ParametersError",
    "Pipeline",
    "Plan",
    "PlanNode",
    "Ref",
    "RowDetector",
    "RowRule",
    "Step",
    "StepOptions",
    "StopRun",
    "bind_parameters",
    "bind_value",
    "champion",
    "declared_parameters",
    "features",
    "inside_step",
    "is_inside_step",
    "parse_parameters",
    "pipeline",
    "reference",
    "release_resolver",
    "set_resolver",
    "sql",
    "step",
    "table",
]
