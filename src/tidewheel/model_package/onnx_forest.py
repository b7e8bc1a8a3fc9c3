"""Forests as ONNX in double precision: `ai.onnx.ml` version 5, operator TreeEnsemble.

float32 moves rows across thresholds, and the common converters get native categories wrong; here thresholds and leaves
keep every bit, categories are set membership, and what is missing or unknown goes where the model sends it. Texts are
mapped to codes inside the graph, so that REST, batch and edge take the same raw rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto, numpy_helper

from tidewheel.model_package.forest import Forest, Leaf, Split
from tidewheel.model_package.onnx_answers import give_answers
from tidewheel.model_package.onnx_graph import ML_DOMAIN, Graph
from tidewheel.model_package.signature import Signature

_LEQ = 0
_MEMBER = 6


def write_onnx(forest: Forest, signature: Signature) -> bytes:
    """The model file of a forest that takes raw rows.

    Raises:
        ConversionError: the columns' names are not possible in ONNX.
    """
    graph = Graph(signature)
    give_answers(graph, forest_scores(graph, forest, forest.columns), forest.link)
    return graph.to_bytes()


def forest_scores(graph: Graph, forest: Forest, columns: Sequence[str]) -> str:
    """The sums of a forest, of shape [n, targets].

    Args:
        columns: names of values of shape [n, 1], in the order of the forest's columns.
    """
    features = graph.join([_feature(graph, forest, *one) for one in zip(forest.columns, columns, strict=True)])
    if forest.is_single:
        features = graph.cast(graph.cast(features, TensorProto.FLOAT), TensorProto.DOUBLE)
    return graph.add("Add", _ensemble(graph, forest, features), graph.constant(np.array([forest.base])))


def _feature(graph: Graph, forest: Forest, column: str, value: str) -> str:
    """The number on which trees decide."""
    if column not in forest.categories:
        return value
    known = forest.categories[column]
    if column in forest.texts():
        codes = graph.add(
            "LabelEncoder",
            value,
            domain=ML_DOMAIN,
            keys_strings=list(known) or ["\0"],
            values_floats=[float(code) for code in range(len(known))] or [float("nan")],
            default_float=float("nan"),
        )
        return graph.cast(codes, TensorProto.DOUBLE)
    is_one = graph.add("Equal", value, graph.constant(np.array([known], dtype=np.float64)))
    ones = graph.cast(is_one, TensorProto.DOUBLE)
    code = graph.add("MatMul", ones, graph.constant(np.arange(len(known), dtype=np.float64).reshape(-1, 1)))
    is_known = graph.cast(graph.add("ReduceMax", ones, graph.constant(np.array([1])), keepdims=1), TensorProto.BOOL)
    return graph.add("Where", is_known, code, graph.constant(np.array([[np.nan]])))


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


def _ensemble(graph: Graph, forest: Forest, features: str) -> str:
    table = _Table()
    for target, tree in forest.trees:
        table.add_tree(target, tree)
    members = {"membership_values": numpy_helper.from_array(np.array(table.members), "members")}
    return graph.add(
        "TreeEnsemble",
        features,
        domain=ML_DOMAIN,
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
        **(members if table.members else {}),
    )
