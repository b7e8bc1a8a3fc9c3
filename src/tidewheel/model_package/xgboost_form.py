"""XGBoost's own JSON form of a boosted forest, read and looked through before XGBoost sees it.

XGBoost trusts what it loads: a file that breaks off ends the process, and an index beyond a tree's nodes is followed.
So a file is decoded into the records below, every index is held against what it points into, and what XGBoost is
handed is written anew from them. The form is that of XGBoost's documentation, "Introduction to Model IO"; fields that
answers do not need are left out.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Annotated

import msgspec

from tidewheel.core.errors import UnreadableFileError

_OBJECTIVES = frozenset(
    {
        "binary:logistic",
        "count:poisson",
        "multi:softprob",
        "reg:absoluteerror",
        "reg:gamma",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:tweedie",
    }
)
_ROOT = 2**31 - 1
_MOST_CATEGORIES = 1 << 16

_Index = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
_Child = Annotated[int, msgspec.Meta(ge=-1, lt=1 << 31)]
_Byte = Annotated[int, msgspec.Meta(ge=-128, lt=256)]
_Count = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]


class _TreeParameters(msgspec.Struct, forbid_unknown_fields=True):
    num_deleted: _Count
    num_feature: _Count
    num_nodes: _Count
    size_leaf_vector: _Count


class _Tree(msgspec.Struct):
    id: _Index
    tree_param: _TreeParameters
    left_children: list[_Child]
    right_children: list[_Child]
    parents: list[_Index]
    split_indices: list[_Index]
    split_conditions: list[float]
    split_type: list[_Index]
    default_left: list[_Index]
    base_weights: list[float]
    loss_changes: list[float]
    sum_hessian: list[float]
    categories: list[_Index]
    categories_nodes: list[_Index]
    categories_segments: list[_Index]
    categories_sizes: list[_Index]


class _Texts(msgspec.Struct, forbid_unknown_fields=True):
    """Texts one behind the other, as bytes."""

    offsets: list[_Index]
    values: list[_Byte]


class _Categories(msgspec.Struct, forbid_unknown_fields=True):
    enc: list[_Texts]
    feature_segments: list[_Index]
    sorted_idx: list[_Index]


class _ForestParameters(msgspec.Struct):
    num_parallel_tree: _Count
    num_trees: _Count


class _Forest(msgspec.Struct):
    cats: _Categories
    gbtree_model_param: _ForestParameters
    iteration_indptr: list[_Index]
    tree_info: list[_Index]
    trees: list[_Tree]


class _Booster(msgspec.Struct):
    model: _Forest
    name: str


class _LearnerParameters(msgspec.Struct):
    base_score: Annotated[str, msgspec.Meta(pattern=r"^\[?[-+0-9.eE,]{1,4000}\]?$")]
    boost_from_average: _Count
    num_class: _Count
    num_feature: _Count
    num_target: _Count


class _Learner(msgspec.Struct):
    attributes: dict[str, str]
    feature_names: list[str]
    feature_types: list[str]
    gradient_booster: _Booster
    learner_model_param: _LearnerParameters
    objective: dict[str, str | dict[str, str]]


class _Document(msgspec.Struct):
    learner: _Learner
    version: Annotated[list[_Index], msgspec.Meta(min_length=3, max_length=3)]


def checked_form(data: bytes, columns: list[str], classes: int) -> bytes:
    """The form as XGBoost may read it.

    Args:
        data: what `Booster.save_raw("json")` gave, or somebody claims so.
        columns: that the model takes.
        classes: that it tells apart; 0 for a model of numbers.

    Raises:
        UnreadableFileError: it is no such form, or points beyond itself.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
        _check(document.learner, columns, classes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UnreadableFileError(f"it is no model of XGBoost: {error}") from None
    best = document.learner.attributes.get("best_iteration")
    document.learner.attributes = {} if best is None else {"best_iteration": best}
    return msgspec.json.encode(document)


def _check(learner: _Learner, columns: list[str], classes: int) -> None:
    forest, told = learner.gradient_booster.model, learner.learner_model_param
    _require(learner.gradient_booster.name == "gbtree", f"booster {learner.gradient_booster.name!r}")
    _require(learner.objective.get("name") in _OBJECTIVES, f"objective {learner.objective.get('name')!r}")
    _require(learner.feature_names in ([], columns), "it takes other columns")
    _require(len(learner.feature_types) in (0, len(columns)), "types of other columns")
    _require(
        int(told.num_feature) == len(columns) and int(told.num_target) == 1, "another number of columns or targets"
    )
    groups = max(1, int(told.num_class))
    _require(groups in (1, classes), "another number of classes")
    _require(told.base_score.count(",") in (0, groups - 1), "another number of base scores")
    count = len(forest.trees)
    _require(count > 0 and int(forest.gbtree_model_param.num_trees) == len(forest.tree_info) == count, "lost trees")
    _require(0 < int(forest.gbtree_model_param.num_parallel_tree) <= count, "trees side by side")
    _require(all(group < groups for group in forest.tree_info), "a tree of no class")
    bounds = forest.iteration_indptr
    _require(len(bounds) > 1 and bounds[0] == 0 and bounds[-1] == count, "iterations without trees")
    _require(all(low <= high for low, high in pairwise(bounds)), "iterations out of order")
    best = learner.attributes.get("best_iteration", "0")
    _require(best.isdecimal() and int(best) < len(bounds) - 1, "a best iteration that is none")
    _check_categories(forest.cats, len(columns))
    for tree in forest.trees:
        _check_tree(tree, len(columns))


def _check_categories(known: _Categories, width: int) -> None:
    _require(len(known.enc) in (0, width), "categories of other columns")
    sizes = [max(0, len(one.offsets) - 1) for one in known.enc]
    for one in known.enc:
        bounds = one.offsets or [0]
        _require(bounds[0] == 0 and bounds[-1] == len(one.values), "categories beyond their texts")
        _require(all(low <= high for low, high in pairwise(bounds)), "categories out of order")
    starts = [*accumulate(sizes, initial=0)] if sizes else []
    _require(known.feature_segments == starts, "categories beyond their columns")
    _require(len(known.sorted_idx) == sum(sizes), "categories in no order")
    for size, start in zip(sizes, starts, strict=False):
        _require(sorted(known.sorted_idx[start : start + size]) == list(range(size)), "categories in no order")


def _check_tree(tree: _Tree, width: int) -> None:
    count = len(tree.left_children)
    by_node = (
        *(tree.right_children, tree.parents, tree.split_indices, tree.split_conditions, tree.split_type),
        *(tree.default_left, tree.base_weights, tree.loss_changes, tree.sum_hessian),
    )
    _require(count > 0 and all(len(one) == count for one in by_node), "a tree with nodes of which it does not say all")
    _require(int(tree.tree_param.num_nodes) == count, "a tree of another size")
    _require(int(tree.tree_param.num_feature) == width, "a tree of other columns")
    _require(int(tree.tree_param.size_leaf_vector) <= 1, "leaves of several numbers")
    _require(tree.parents[0] == _ROOT, "a tree without a root")
    for node, (left, right) in enumerate(zip(tree.left_children, tree.right_children, strict=True)):
        _require((left == -1) == (right == -1), "a node with one child")
        if left == -1:
            continue
        # Every node names one parent, and the root none: so no walk from the root comes back to where it was.
        is_inside = 0 < left < count and 0 < right < count and left != right
        _require(is_inside and tree.parents[left] == tree.parents[right] == node, "a node with children of another")
        _require(tree.split_indices[node] < width, "a split by a column that there is not")
    _check_members(tree)


def _check_members(tree: _Tree) -> None:
    nodes = [node for node, kind in enumerate(tree.split_type) if kind]
    _require(tree.categories_nodes == nodes and set(tree.split_type) <= {0, 1}, "splits by categories that it lacks")
    _require(len(tree.categories_segments) == len(tree.categories_sizes) == len(nodes), "splits by no categories")
    for start, size in zip(tree.categories_segments, tree.categories_sizes, strict=True):
        _require(start + size <= len(tree.categories), "categories beyond those of the tree")
    _require(all(one < _MOST_CATEGORIES for one in tree.categories), "too many categories")


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(f"it has {otherwise}")
