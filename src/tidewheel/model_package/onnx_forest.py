"""Forests as ONNX in double precision: `ai.onnx.ml` version 5, operator TreeEnsemble.

float32 moves rows across thresholds, and the common converters get native categories wrong; here thresholds and leaves
keep every bit, categories are set membership, and what is missing or unknown goes where the model sends it. Texts are
mapped to codes inside the graph, so that REST, batch and edge take the same raw rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tidewheel.core.errors import ConversionError
from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.signature import Signature

_LEQ, _MEMBER = 0, 6
_ML_DOMAIN = "ai.onnx.ml"


def write_onnx(forest: Forest, signature: Signature) -> bytes:
    """The model file: one input of shape [n, 1] per field, outputs as the signature names them.

    Raises:
        ConversionError: the columns' names are not possible in ONNX.
    """
    nodes = [*_feature_nodes(forest), _ensemble(forest), *_answer_nodes(forest)]
    graph = helper.make_graph(
        nodes,
        "tidewheel",
        [_input(field.name, field.kind == "string") for field in signature.inputs],
        _outputs(forest),
        _constants(forest),
    )
    model = helper.make_model(
        graph,
        producer_name="tidewheel",
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(_ML_DOMAIN, 5)],
        ir_version=10,
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:  # such as a column that is called like an output
        raise ConversionError(f"the ONNX form is not valid: {str(error).splitlines()[0]}") from None
    return bytes(model.SerializeToString(deterministic=True))


def _input(name: str, is_text: bool) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.STRING if is_text else TensorProto.DOUBLE, [None, 1])


def _feature_nodes(forest: Forest) -> list[Any]:
    nodes, names = [], []
    for index, column in enumerate(forest.columns):
        if column not in forest.categories:
            names.append(column)
            continue
        codes, doubles = f"_code_{index}", f"_feature_{index}"
        texts = forest.categories[column]
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [column],
                [codes],
                domain=_ML_DOMAIN,
                keys_strings=list(texts) or ["\0"],
                values_floats=[float(code) for code in range(len(texts))] or [float("nan")],
                default_float=float("nan"),
            )
        )
        nodes.append(helper.make_node("Cast", [codes], [doubles], to=TensorProto.DOUBLE))
        names.append(doubles)
    return [*nodes, helper.make_node("Concat", names, ["_features"], axis=1)]


class _Table:
    """The flat arrays of a TreeEnsemble while trees are written into them."""

    def __init__(self) -> None:
        self.features: list[int] = []
        self.modes: list[int] = []
        self.splits: list[float] = []
        self.true_ids: list[int] = []
        self.true_leafs: list[int] = []
        self.false_ids: list[int] = []
        self.false_leafs: list[int] = []
        self.missing: list[int] = []
        self.members: list[float] = []
        self.targets: list[int] = []
        self.weights: list[float] = []
        self.roots: list[int] = []

    def add_tree(self, target: int, tree: Split | Leaf) -> None:
        if isinstance(tree, Leaf):  # a root must be a split: both ways lead to the same leaf
            tree = Split(0, 0.0, (), True, tree, tree)
        self.roots.append(self._add(target, tree)[0])

    def _add(self, target: int, node: Split | Leaf) -> tuple[int, int]:
        """Writes a node; returns its index among splits or leaves, and 1 when it is a leaf."""
        if isinstance(node, Leaf):
            self.targets.append(target)
            self.weights.append(node.value)
            return len(self.weights) - 1, 1
        if node.threshold is None and not node.members:  # no code goes left; ONNX Runtime refuses an empty set
            node = replace(node, threshold=-1.0)
        index = len(self.features)
        self.features.append(node.feature)
        self.modes.append(_LEQ if node.threshold is not None else _MEMBER)
        self.splits.append(node.threshold if node.threshold is not None else float("nan"))
        self.missing.append(int(node.is_missing_left))
        for ids in (self.true_ids, self.true_leafs, self.false_ids, self.false_leafs):
            ids.append(0)
        if node.threshold is None:
            self.members += [*map(float, node.members), float("nan")]
        self.true_ids[index], self.true_leafs[index] = self._add(target, node.left)
        self.false_ids[index], self.false_leafs[index] = self._add(target, node.right)
        return index, 0


def _ensemble(forest: Forest) -> Any:
    table = _Table()
    for target, tree in forest.trees:
        table.add_tree(target, tree)
    return helper.make_node(
        "TreeEnsemble",
        ["_features"],
        ["_sums"],
        domain=_ML_DOMAIN,
        n_targets=len(forest.base),
        aggregate_function=1,
        post_transform=0,
        tree_roots=table.roots,
        nodes_featureids=table.features,
        nodes_modes=numpy_helper.from_array(np.array(table.modes, dtype=np.uint8), "nodes_modes"),
        nodes_splits=numpy_helper.from_array(np.array(table.splits), "nodes_splits"),
        nodes_truenodeids=table.true_ids,
        nodes_trueleafs=table.true_leafs,
        nodes_falsenodeids=table.false_ids,
        nodes_falseleafs=table.false_leafs,
        nodes_missing_value_tracks_true=table.missing,
        leaf_targetids=table.targets,
        leaf_weights=numpy_helper.from_array(np.array(table.weights), "leaf_weights"),
        **({"membership_values": numpy_helper.from_array(np.array(table.members), "members")} if table.members else {}),
    )


def _constants(forest: Forest) -> list[Any]:
    constants = [numpy_helper.from_array(np.array([forest.base]), "_base")]
    if forest.task != "regression":
        kind = np.int64 if not isinstance(forest.classes[0], str) else object
        constants.append(numpy_helper.from_array(np.array(forest.classes, dtype=kind), "_classes"))
    if forest.task == "binary":
        constants.append(numpy_helper.from_array(np.array([0.5]), "_half"))
    if forest.task != "multiclass":
        constants.append(numpy_helper.from_array(np.array([-1]), "_flat"))
    return constants


def _answer_nodes(forest: Forest) -> list[Any]:
    nodes = [helper.make_node("Add", ["_sums", "_base"], ["_scores"])]
    if forest.task == "regression":
        answer = "_scores"
        if forest.link == "exp":
            nodes.append(helper.make_node("Exp", ["_scores"], ["_exp"]))
            answer = "_exp"
        return [*nodes, helper.make_node("Reshape", [answer, "_flat"], ["prediction"])]
    if forest.task == "binary":
        return [
            *nodes,
            helper.make_node("Sigmoid", ["_scores"], ["_odds"]),
            helper.make_node("Reshape", ["_odds", "_flat"], ["probability"]),
            helper.make_node("Greater", ["probability", "_half"], ["_is_positive"]),
            helper.make_node("Cast", ["_is_positive"], ["_index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["_classes", "_index"], ["label"]),
        ]
    return [
        *nodes,
        helper.make_node("Softmax", ["_scores"], ["probability"], axis=1),
        helper.make_node("ArgMax", ["_scores"], ["_index"], axis=1, keepdims=0),
        helper.make_node("Gather", ["_classes", "_index"], ["label"]),
    ]


def _outputs(forest: Forest) -> list[Any]:
    if forest.task == "regression":
        return [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None])]
    kind = TensorProto.STRING if isinstance(forest.classes[0], str) else TensorProto.INT64
    shape = [None] if forest.task == "binary" else [None, len(forest.classes)]
    return [
        helper.make_tensor_value_info("label", kind, [None]),
        helper.make_tensor_value_info("probability", TensorProto.DOUBLE, shape),
    ]
