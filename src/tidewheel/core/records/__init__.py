"""The facts that cross folders: one file per noun, frozen, with a JSON round trip, no I/O and no behaviour."""

from tidewheel.core.records.artifact import Artifact
from tidewheel.core.records.contract import (
    ContractColumn,
    ContractFinding,
    ContractReport,
    ContractRule,
    TableContract,
)
from tidewheel.core.records.deployment import Deployment
from tidewheel.core.records.endpoint import EndpointSpec, EndpointState
from tidewheel.core.records.evaluation import (
    CalibrationBin,
    EvaluationReport,
    FeatureImportance,
    MeasuredMetric,
    SegmentMetric,
    WorseSlice,
)
from tidewheel.core.records.event import Event, Evidence
from tidewheel.core.records.execution import Execution, ExecutionStatus, Failure
from tidewheel.core.records.label import Label
from tidewheel.core.records.model_version import ModelState, ModelVersion
from tidewheel.core.records.outlier import Outlier, OutlierCount, OutlierCounts
from tidewheel.core.records.outlier_policy import OutlierPolicy
from tidewheel.core.records.prediction import Prediction
from tidewheel.core.records.record import Record
from tidewheel.core.records.run import Run, RunStatus
from tidewheel.core.records.runtime import Runtime
from tidewheel.core.records.served_limits import ServedLimit, ServedLimits
from tidewheel.core.records.signal import Signal
from tidewheel.core.records.snapshot import Snapshot
from tidewheel.core.records.source_state import SourceState
from tidewheel.core.records.validation import (
    ColumnSkew,
    OutlierFinding,
    ReferenceSource,
    ValidationReport,
    ValueSkew,
)
from tidewheel.core.records.verdict import Check, TrainingRows, Verdict

__all__ = [
    "Artifact",
    "CalibrationBin",
    "Check",
    "ColumnSkew",
    "ContractColumn",
    "ContractFinding",
    "ContractReport",
    "ContractRule",
    "Deployment",
    "EndpointSpec",
    "EndpointState",
    "EvaluationReport",
    "Event",
    "Evidence",
    "Execution",
    "ExecutionStatus",
    "Failure",
    "FeatureImportance",
    "Label",
    "MeasuredMetric",
    "ModelState",
    "ModelVersion",
    "Outlier",
    "OutlierCount",
    "OutlierCounts",
    "OutlierFinding",
    "OutlierPolicy",
    "Prediction",
    "Record",
    "ReferenceSource",
    "Run",
    "RunStatus",
    "Runtime",
    "SegmentMetric",
    "ServedLimit",
    "ServedLimits",
    "Signal",
    "Snapshot",
    "SourceState",
    "TableContract",
    "TrainingRows",
    "ValidationReport",
    "ValueSkew",
    "Verdict",
    "WorseSlice",
]
