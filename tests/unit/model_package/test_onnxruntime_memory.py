"""A graph of a few hundred bytes may compute a tensor of any size: it is refused memory, and the process lives on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tidewheel.core.errors import SchemaMismatchError
from tidewheel.model_package import Field, Package, ParityReport, Signature
from tidewheel.model_package.archive import MAXIMUM_BYTES
from tidewheel.model_package.onnxruntime_memory import MEMORY_BYTES
from tidewheel.model_package.package import Examples, Manifest
from tidewheel.model_package.signature import OutputField
from tidewheel.steps.gate_package import measured

HUGE = 1 << 33
"""Values, of eight bytes each."""
SIGNATURE = Signature(
    inputs=(Field(name="x", kind="float"),), outputs=(OutputField(name="prediction", kind="float"),), task="regression"
)


def graph(nodes: Sequence[NodeProto], last: str, **constants: object) -> bytes:
    """A model whose answer is the sum of a tensor of doubles, added to its only field."""
    added = [
        helper.make_node("ReduceSum", [last], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["wide"]),
        helper.make_node("Reshape", ["wide", "flat"], ["prediction"]),
    ]
    values = {"flat": np.array([-1]), **constants}
    made = helper.make_graph(
        [*nodes, *added],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", 1])],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString())


def doubled() -> bytes:
    """Joined to itself: no shape in the file is large."""
    names = ["x", *(f"x{at}" for at in range(34))]
    nodes = [helper.make_node("Concat", [here, here], [then], axis=1) for here, then in pairwise(names)]
    return graph(nodes, names[-1])


def squared() -> bytes:
    """Each product is a square with the square of the values: four of them make 3 x 3 into 1.8e15."""
    nodes = [helper.make_node("Expand", ["x", "three"], ["m0"]), helper.make_node("Shape", ["m0"], ["s0"])]
    for at in range(4):
        nodes += [
            helper.make_node("Mul", [f"s{at}", f"s{at}"], [f"s{at + 1}"]),
            helper.make_node("Expand", ["one", f"s{at + 1}"], [f"m{at + 1}"]),
        ]
    return graph(nodes, "m4", three=np.array([3, 3]), one=np.array([[1.0]]))


def filled(shape: str) -> NodeProto:
    return helper.make_node(
        "ConstantOfShape", [shape], ["z"], value=helper.make_tensor("v", TensorProto.DOUBLE, [1], [0])
    )


def by_value() -> bytes:
    """As large as a row says."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["row"]),
        helper.make_node("Cast", ["row"], ["many"], to=TensorProto.INT64),
    ]
    return graph([*nodes, filled("many")], "z")


def one_node(operator: str, **constants: object) -> bytes:
    return graph([helper.make_node(operator, list(constants), ["z"])], "z", **constants)


BOMBS = {
    "ConstantOfShape": lambda: graph([filled("s")], "z", s=np.array([HUGE])),
    "Tile": lambda: one_node("Tile", a=np.array([1.0]), s=np.array([HUGE])),
    "Expand": lambda: one_node("Expand", a=np.array([1.0]), s=np.array([HUGE])),
    "Range": lambda: one_node("Range", a=np.array(0.0), b=np.array(float(HUGE)), c=np.array(1.0)),
    "an outer product": lambda: one_node("Mul", a=np.ones((1, 1 << 17)), b=np.ones((1 << 17, 1))),
    "a product of matrices": lambda: one_node("MatMul", a=np.ones((1 << 17, 1)), b=np.ones((1, 1 << 17))),
    "joined to itself": doubled,
    "repeated squaring": squared,
    "as large as a row says": by_value,
}


ASK_ALL = """
import json, sys
from pathlib import Path
from tidewheel.core.errors import TidewheelError
from tidewheel.model_package import onnxruntime_memory
onnxruntime_memory.MEMORY_BYTES = 256 << 20
from tidewheel.model_package.measurement import peak_memory_mb
from tidewheel.model_package.onnxruntime_model import OnnxModel
from tidewheel.model_package.signature import Signature

folder = Path(sys.argv[1])
signature = Signature.from_json((folder / "signature.json").read_bytes())
told = {}
for path in sorted(folder.glob("*.onnx")):
    try:
        model = OnnxModel(path.read_bytes(), signature)
        told[path.stem] = model.predict({"x": [float(1 << 33)]})["prediction"].tolist()
    except TidewheelError as error:
        told[path.stem] = error.what
print(json.dumps([told, peak_memory_mb()]))
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], float]:
    """What one process says to every bomb in turn, and to an honest graph after them; and its peak in MB."""
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "signature.json").write_bytes(SIGNATURE.to_json())
    honest = graph([helper.make_node("Expand", ["one", "s"], ["z"])], "z", one=np.array([1.0]), s=np.array([1000]))
    for name, made in [*BOMBS.items(), ("zz honest", lambda: honest)]:
        (folder / f"{name}.onnx").write_bytes(made())
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL, str(folder)], capture_output=True, text=True, check=True, timeout=300
    )
    told, peak = json.loads(done.stdout.splitlines()[-1])
    return told, peak


@pytest.mark.parametrize("name", BOMBS)
def test_a_tensor_that_a_graph_computes_is_refused_beyond_the_limit(asked, name):
    assert asked[0][name] == "the model asks for more than 0.3 GB to answer these rows"


def test_the_process_stays_small_and_answers_on(asked):
    told, peak = asked
    assert told["zz honest"] == [float(1 << 33) + 1000.0]
    assert peak < 256 + 300


def test_the_limit_leaves_room_for_the_largest_package():
    assert MEMORY_BYTES == 2 * MAXIMUM_BYTES


def test_texts_that_are_repeated_end_the_process_that_proves_a_package_and_no_other():
    """Texts are held outside of the arena: there the limit of the fresh process holds."""
    nodes = [
        helper.make_node("Expand", ["x", "s"], ["many"]),
        helper.make_node("Shape", ["many"], ["counted"]),
        helper.make_node("Cast", ["counted"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=0),
        helper.make_node("Reshape", ["sum", "flat"], ["prediction"]),
    ]
    constants = {"s": np.array([1, 1 << 20]), "flat": np.array([-1])}
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["n", 1])],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    data = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    signature = Signature(inputs=(Field(name="x", kind="string"),), outputs=SIGNATURE.outputs, task="regression")
    package = Package(
        Manifest(runtime="onnx", signature=signature),
        Examples(inputs={"x": ["x" * 100_000]}, outputs={"prediction": [float(1 + (1 << 20))]}),
        ParityReport(sample_rows=1, boundary_rows=0, maximum_difference=0.0, tolerance=1e-6),
        {"model.onnx": bytes(data)},
        b"{}",
    )
    with pytest.raises(SchemaMismatchError, match="cannot run the package"):
        measured(package, sys.executable, memory_bytes=2 << 30)
