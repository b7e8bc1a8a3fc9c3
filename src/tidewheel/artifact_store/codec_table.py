"""Which codec stores which type: declared data, so that a plan can be checked without importing pandas."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

from tidewheel.artifact_store.protocol import Codec, identity_of
from tidewheel.core.errors import CodecNotFoundError

_HERE = "tidewheel.artifact_store"

# Address of each codec of this package, and the identity that its class states too (a test compares them).
_IDENTITIES = {
    f"{_HERE}.json_codec:JsonCodec": "json/1",
    f"{_HERE}.bytes_codec:BytesCodec": "bytes/1",
    f"{_HERE}.file_codec:FileCodec": "file/1",
    f"{_HERE}.arrow_codec:ArrowCodec": "arrow/1",
    f"{_HERE}.pandas_codec:PandasCodec": "pandas/1",
    f"{_HERE}.numpy_codec:NumpyCodec": "numpy/1",
    f"{_HERE}.figure_codec:FigureCodec": "figure/1",
    f"{_HERE}.sklearn_codec:SklearnCodec": "sklearn/1",
    f"{_HERE}.lightgbm_codec:LightgbmCodec": "lightgbm/1",
    f"{_HERE}.xgboost_codec:XgboostCodec": "xgboost/1",
}

# Names of types by codec. A value's type is looked up along its MRO, so subclasses find the nearest entry; libraries
# that moved a class between their releases stand here with both names.
_TYPES = {
    "json": (
        "builtins.NoneType",
        "builtins.bool",
        "builtins.int",
        "builtins.float",
        "builtins.str",
        "builtins.list",
        "builtins.tuple",
        "builtins.dict",
        "builtins.set",
        "builtins.frozenset",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "decimal.Decimal",
        "uuid.UUID",
        "enum.Enum",
        "msgspec.Struct",
        "msgspec._core.Struct",
        "tidewheel.core.metrics.Metrics",
        "numpy.bool",
        "numpy.integer",
        "numpy.floating",
        "numpy.str_",
        "dataclass",
        "namedtuple",
        "enum",
    ),
    "bytes": ("builtins.bytes", "builtins.bytearray", "builtins.memoryview"),
    "file": ("pathlib.PurePath", "pathlib.Path", "pathlib._local.PurePath", "pathlib._local.Path"),
    "arrow": ("pyarrow.lib.Table", "pyarrow.lib.RecordBatch", "pyarrow.lib.RecordBatchReader"),
    "pandas": (
        "pandas.DataFrame",
        "pandas.Series",
        "pandas.core.frame.DataFrame",
        "pandas.core.series.Series",
    ),
    "numpy": ("numpy.ndarray", "numpy.generic", "numpy.longdouble", "numpy.timedelta64"),
    "figure": ("matplotlib.figure.Figure",),
    "sklearn": ("sklearn.base.BaseEstimator",),
    "lightgbm": ("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMModel"),
    "xgboost": ("xgboost.core.Booster", "xgboost.sklearn.XGBModel"),
}

_SHOWN = (
    "None, bool, int, float, str, bytes, list, tuple, dict, dataclass, NamedTuple, Enum, Metrics, pathlib.Path, "
    "numpy.ndarray, pyarrow.Table, pandas.DataFrame, matplotlib Figure, models of scikit-learn, LightGBM and XGBoost"
)


class CodecTable:
    """Finds the codec of a type by the type's name; imports codecs on use. Immutable, safe for threads.

    Example:
        >>> table = CodecTable.default()
        >>> table.find_for_type_names(["pandas.DataFrame", "builtins.object"])
        'pandas/1'
        >>> table.find_for_type_names(["socket.socket"]) is None
        True
    """

    def __init__(self, addresses: Mapping[str, str], identities: Mapping[str, str]) -> None:
        self._addresses = MappingProxyType(dict(addresses))
        self._identities = MappingProxyType(dict(identities))
        self._codecs: dict[str, Codec] = {}

    @classmethod
    def default(cls) -> Self:
        """The codecs of this package."""
        by_name = {identity.partition("/")[0]: address for address, identity in _IDENTITIES.items()}
        return cls({type_name: by_name[name] for name, types in _TYPES.items() for type_name in types}, _IDENTITIES)

    def extended(self, entries: Mapping[str, str]) -> CodecTable:
        """This table and more entries, which win over what it has.

        Args:
            entries: qualified type name (or `dataclass`, `namedtuple`, `enum`) to `module:Class` of its codec. That
                module is imported to learn the codec's identity, so it must not import anything heavy itself.
        """
        return CodecTable({**self._addresses, **entries}, self._identities)

    def find_for_type_names(self, type_names: Sequence[str]) -> str | None:
        """The identity of the codec for the first name that has one.

        Args:
            type_names: qualified names along the type's MRO, then the pseudo names that apply to it: `dataclass`,
                `namedtuple`, `enum`. A builtin may stand without its module.
        """
        address = self._find_address(type_names)
        return None if address is None else self._identity(address)

    def for_value(self, value: Any) -> Codec:
        """The codec that stores this value.

        Raises:
            CodecNotFoundError: its type has none.
        """
        kind = type(value)
        address = self._find_address(_type_names(kind))
        if address is None:
            raise CodecNotFoundError(
                f"type {qualified_name(kind)} has no codec",
                next_step=f"return a type that has one ({_SHOWN}), or convert the value to it",
            )
        return self._codec(address)

    def for_identity(self, identity: str) -> Codec:
        """The codec that wrote an artifact.

        Raises:
            CodecNotFoundError: this Tidewheel has no codec of that name and version.
        """
        for address, declared in self._identities.items():
            if declared == identity:
                return self._codec(address)
        for address in sorted(set(self._addresses.values()) - set(self._identities)):
            if self._identity(address) == identity:
                return self._codec(address)
        known = sorted(set(self._identities.values()))
        raise CodecNotFoundError(
            f"codec {identity!r} is unknown to this Tidewheel",
            next_step=f"read the artifact with the Tidewheel that wrote it; known: {', '.join(known)}",
        )

    def _find_address(self, type_names: Sequence[str]) -> str | None:
        for name in type_names:
            found = self._addresses.get(name) or self._addresses.get(f"builtins.{name}")
            if found is not None:
                return found
        return None

    def _identity(self, address: str) -> str:
        return self._identities.get(address) or identity_of(self._codec(address))

    def _codec(self, address: str) -> Codec:
        codec = self._codecs.get(address)
        if codec is None:
            module, _, name = address.partition(":")
            codec = self._codecs[address] = getattr(importlib.import_module(module), name)()
        return codec


def qualified_name(kind: type) -> str:
    """Module and qualified name of a class.

    Example:
        >>> qualified_name(dict)
        'builtins.dict'
    """
    return f"{kind.__module__}.{kind.__qualname__}"


def _type_names(kind: type) -> list[str]:
    names = [qualified_name(one) for one in kind.__mro__]
    if hasattr(kind, "__dataclass_fields__"):
        names.append("dataclass")
    return names
