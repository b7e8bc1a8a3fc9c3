"""What features there are: searched by words, and those that are nearly the same pointed out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from tidewheel.core.errors import ParameterError
from tidewheel.core.records.record import Record
from tidewheel.feature_store.expression_syntax import Call, Cast, Column, Node, parse
from tidewheel.pipeline.feature_view import OnDemandDefinition, ViewDefinition

Definition = ViewDefinition | OnDemandDefinition

_SIMILAR = 0.84
_WORD = re.compile(r"[a-z0-9]+")


class NearDuplicate(Record, frozen=True, kw_only=True):
    """Two features that a person may take for each other.

    Attributes:
        first, second: as `view:feature`.
        reason: what makes them alike, and in what they differ.
    """

    first: str
    second: str
    reason: str


def near_duplicates(views: Sequence[Definition]) -> list[NearDuplicate]:
    """Pairs of features with one expression under two names, or with nearly one name and two expressions.

    Example:
        >>> from tidewheel.pipeline import OnDemandView
        >>> view = OnDemandView("v", inputs={"a": "double"}, features={"twice": "a * 2", "double": "2*a"})
        >>> [one.reason for one in near_duplicates([view.definition])]
        ['the same expression under two names']
    """
    features = [_Feature(view, name, sql) for view in views for name, sql in view.features.items()]
    pairs = ((a, b) for index, a in enumerate(features) for b in features[index + 1 :])
    return [
        NearDuplicate(first=first.address, second=second.address, reason=reason)
        for first, second in pairs
        if (reason := _reason(first, second))
    ]


def search(views: Iterable[Definition], text: str) -> list[str]:
    """The features that words are about, as `view:feature`, the best first.

    All words must occur, or nearly, in the feature's name, or its view's name, table, keys, owner or description.
    """
    wanted = _WORD.findall(text.lower())
    scored = []
    for view in views:
        about = _words(view)
        for name in view.features:
            own = _WORD.findall(name.lower().replace("_", " "))
            score = sum(max(2 * _closeness(word, own), _closeness(word, about)) for word in wanted)
            if wanted and all(_closeness(word, [*own, *about]) for word in wanted):
                scored.append((-score, f"{view.name}:{name}"))
    return [address for _, address in sorted(scored)]


class _Feature:
    """A feature with the forms in which it is compared."""

    def __init__(self, view: Definition, name: str, sql: str) -> None:
        self.address = f"{view.name}:{name}"
        self.view = view.name
        self.name = name
        self.normal = re.sub(r"[^a-z0-9]", "", name.lower())
        self.source = view.table if isinstance(view, ViewDefinition) else ""
        self.expression = _normal_form(sql)
        self.keys = tuple(sorted(view.keys)) if isinstance(view, ViewDefinition) else ()


def _reason(first: _Feature, second: _Feature) -> str:
    if first.expression == second.expression and first.source == second.source:
        if first.name != second.name:
            return "the same expression under two names"
        return "the same feature in two views" if first.keys == second.keys else ""
    if first.keys != second.keys or first.view == second.view:
        return ""
    if first.normal == second.normal:
        return "one name for two different expressions of the same entity"
    matcher = difflib.SequenceMatcher(None, first.normal, second.normal)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)  # from cheap to exact, for many features
    if all(bound() >= _SIMILAR for bound in bounds):
        return "nearly the same name for different expressions of the same entity"
    return ""


def _normal_form(sql: str) -> str:
    """The expression without spelling: case of words, spaces, parentheses, order of sums and products."""
    try:
        return _told(parse(sql))
    except ParameterError:  # DuckDB's SQL says more than on-demand features can
        return re.sub(r"\s+", "", sql).lower()


def _told(tree: Node) -> str:
    match tree:
        case Column(name):
            return name.lower()
        case Call(name, arguments):
            told = [_told(argument) for argument in arguments]
            return f"{name}({', '.join(sorted(told) if name in ('+', '*', 'and', 'or', '=', '<>') else told)})"
        case Cast(value, type_name):
            return f"{_told(value)}::{type_name}"
    return repr(tree)


def _words(view: Definition) -> list[str]:
    texts = [view.name, view.owner, view.description]
    if isinstance(view, ViewDefinition):
        texts += [view.table, *view.keys]
    return _WORD.findall(" ".join(texts).lower().replace("_", " "))


def _closeness(word: str, words: Sequence[str]) -> float:
    if word in words:
        return 1.0
    if any(word in one for one in words):
        return 0.8
    return 0.5 if difflib.get_close_matches(word, words, n=1, cutoff=0.8) else 0.0
