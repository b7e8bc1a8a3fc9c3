"""From scores to the answers that a signature names: the link, the label, and the probabilities."""

from __future__ import annotations

from typing import Literal

import numpy as np
from onnx import TensorProto

from tidewheel.model_package.onnx_graph import Graph

# `share`: the scores are probabilities already, of two classes that of the second.
Link = Literal["identity", "exp", "logistic", "softmax", "share", "one_against_rest"]


def give_answers(graph: Graph, scores: str, link: Link) -> None:
    """Ends a graph.

    Args:
        graph: whose signature says task and classes.
        scores: of shape [n, targets]; of two classes one target.
        link: from scores to the answer.
    """
    task = graph.signature.task
    answer = _linked(graph, scores, link)
    flat = graph.constant(np.array([-1]))
    if task == "regression":
        graph.give("prediction", graph.add("Reshape", answer, flat))
        return
    classes = graph.signature.classes
    labels = graph.constant(np.array(classes, dtype=object if isinstance(classes[0], str) else np.int64))
    if task == "binary":
        probability = graph.add("Reshape", answer, flat)
        is_second = graph.add("Greater", probability, graph.constant(np.array([0.5])))
        index = graph.cast(is_second, TensorProto.INT64)
        graph.give("probability", probability)
    else:
        index = graph.add("ArgMax", scores, axis=1, keepdims=0)
        graph.give("probability", answer)
    graph.give("label", graph.add("Gather", labels, index))


def _linked(graph: Graph, scores: str, link: Link) -> str:
    if link == "exp":
        return graph.add("Exp", scores)
    if link == "logistic":
        return graph.add("Sigmoid", scores)
    if link == "softmax":
        return graph.add("Softmax", scores, axis=1)
    if link == "one_against_rest":
        odds = graph.add("Sigmoid", scores)
        return graph.add("Div", odds, graph.add("ReduceSum", odds, graph.constant(np.array([1])), keepdims=1))
    return scores
