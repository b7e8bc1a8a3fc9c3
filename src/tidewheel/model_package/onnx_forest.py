"""Forests as ONNX in double precision: `ai.onnx.ml` version 5, operator TreeEnsemble.

float32 moves rows across thresholds, and the common converters get native categories wrong; here thresholds and leaves
keep every bit, categories are set membership, and what is missing or unknown goes where the model sends it. Texts are
mapped to codes inside the graph, so that REST, batch and edge take the same raw rows.

In a column that is decided by sets, what is missing or unknown has a code of its own, and is a member like the others
where it goes left. It is not NaN: ONNX Runtime looks for a number in a large set as a whole number, and what NaN is as
such is left to the processor, the least one on x86, but 0 in WebAssembly, which is the code of the first category.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    missing = _missing_codes(forest)
    codes = (missing.get(name, math.nan) for name in forest.columns)
    features = graph.join([_feature(graph, forest, *one) for one in zip(forest.columns, columns, codes, strict=True)])
    if forest.is_single:
        features = graph.cast(graph.cast(features, TensorProto.FLOAT), TensorProto.DOUBLE)
    return graph.add("Add", _ensemble(graph, forest, features, missing), graph.constant(np.array([forest.base])))


def _missing_codes(forest: Forest) -> dict[str, float]:
    """By column that is decided by sets: the code of what is missing or unknown, which is that of no category."""
    names = {forest.columns[split.feature] for split in forest.splits() if split.threshold is None}
    return {name: float(len(forest.categories[name])) for name in names}


def _feature(graph: Graph, forest: Forest, column: str, value: str, missing: float) -> str:
    """The number on which trees decide; `missing` in place of what is no known category."""
    if column not in forest.categories:
        return value
    known = forest.categories[column]
    if column in forest.texts():
        codes = graph.add(
            "LabelEncoder",
            value,
            domain=ML_DOMAIN,
            keys_strings=list(known) or ["\0"],
            values_floats=[float(code) for code in range(max(1, len(known)))],
            default_float=missing,
        )
        return graph.cast(codes, TensorProto.DOUBLE)
    is_one = graph.add("Equal", value, graph.constant(np.array([known], dtype=np.float64)))
    ones = graph.cast(is_one, TensorProto.DOUBLE)
    code = graph.add("MatMul", ones, graph.constant(np.arange(len(known), dtype=np.float64).reshape(-1, 1)))
    is_known = graph.cast(graph.add("ReduceMax", ones, graph.constant(np.array([1])), keepdims=1), TensorProto.BOOL)
    return graph.add("Where", is_known, code, graph.constant(np.array([[missing]])))


class _Table:
    """The flat arrays of a TreeEnsemble while trees are written into them.

    Args:
        missing_codes: see `_missing_codes`, here by the column's index.
    """

    def __init__(self, missing_codes: Mapping[int, float]) -> None:
        self._missing_codes = missing_codes
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
        members = self._members(node)
        if node.threshold is None and not members:  # no code goes left; ONNX Runtime refuses an empty set
            node = replace(node, threshold=-1.0)
        index = len(self.features)
        self.features.append(node.feature)
        self.modes.append(_LEQ if node.threshold is not None else _MEMBER)
        self.splits.append(node.threshold if node.threshold is not None else float("nan"))
        self.missing.append(int(node.is_missing_left))
        for ids in (self.true_ids, self.true_leafs, self.false_ids, self.false_leafs):
            ids.append(0)
        if node.threshold is None:
            self.members += [*members, float("nan")]
        self.true_ids[index], self.true_leafs[index] = self._add(target, node.left)
        self.false_ids[index], self.false_leafs[index] = self._add(target, node.right)
        return index, 0

    def _members(self, split: Split) -> list[float]:
        """The codes that go left."""
        if split.threshold is not None:
            return []
        missing = self._missing_codes[split.feature]
        known = [float(code) for code in split.members if code < missing]
        return [*known, missing] if split.is_missing_left else known


def _ensemble(graph: Graph, forest: Forest, features: str, missing: Mapping[str, float]) -> str:
    table = _Table({place: missing[name] for place, name in enumerate(forest.columns) if name in missing})
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
