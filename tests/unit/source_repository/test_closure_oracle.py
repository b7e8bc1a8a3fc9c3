"""Random projects: a closure changes exactly for the definitions that plain graph search reaches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.source_repository import ProjectCode

MODULES = ("m0", "pkg", "pkg.m1", "pkg.m2")
PER_MODULE = 3
FILES = {"m0": "m0.py", "pkg": "pkg/__init__.py", "pkg.m1": "pkg/m1.py", "pkg.m2": "pkg/m2.py"}
FORMS = ("from", "alias", "module", "inside", "inside-module")
Place = tuple[str, int]


class Definition(NamedTuple):
    """One definition: a function, class or constant, and what it uses in which form."""

    kind: str
    uses: tuple[tuple[Place, str], ...]


Project = dict[Place, Definition]
_PLACES = [(module, index) for module in MODULES for index in range(PER_MODULE)]


@st.composite
def projects(draw: st.DrawFn) -> Project:
    uses = st.lists(st.tuples(st.sampled_from(_PLACES), st.sampled_from(FORMS)), max_size=2).map(tuple)
    kinds = st.sampled_from(["function", "class", "constant", "nested"])
    return {place: Definition("function" if place == ("m0", 0) else draw(kinds), draw(uses)) for place in _PLACES}


def render(project: Project, changed: Place | None) -> dict[str, str]:
    """The files; `changed` gets another number in its body."""
    texts: dict[str, list[str]] = {module: [] for module in MODULES}
    heads: dict[str, list[str]] = {module: [] for module in MODULES}
    for (module, index), definition in project.items():
        number = 2 if (module, index) == changed else 1
        inner: list[str] = []
        values: list[str] = []
        for (target, target_index), form in definition.uses:
            name = f"d{target_index}"
            # Of its own form: one name for a function and for a module would be either.
            alias = f"u{index}_{target.replace('.', '_')}_{target_index}_{form.replace('-', '_')}"
            # A constant has no body to import in; in one module names are used directly.
            if target == module:
                values.append(name)
            elif form == "from" or (definition.kind == "constant" and form.startswith("inside")):
                heads[module].append(f"from {target} import {name} as {alias}")
                values.append(alias)
            elif form == "alias":
                heads[module].append(f"import {target} as {alias}")
                values.append(f"{alias}.{name}")
            elif form == "module":
                heads[module].append(f"import {target}")
                values.append(f"{target}.{name}")
            elif form == "inside":
                inner.append(f"from {target} import {name} as {alias}")
                values.append(alias)
            else:
                inner.append(f"import {target}")
                values.append(f"{target}.{name}")
        texts[module].append(body_of(definition.kind, index, inner, ", ".join([*values, str(number)])))
    return {FILES[module]: "\n".join([*heads[module], *texts[module], ""]) for module in MODULES}


def body_of(kind: str, index: int, inner: list[str], values: str) -> str:
    imports = "".join(f"{line}; " for line in inner)
    return {
        "constant": f"d{index} = ({values},)",
        "function": f"def d{index}():\n    {imports}return ({values},)",
        "nested": f"def d{index}():\n    def g():\n        {imports}return [({values},) for d{index} in g]\n    g()",
        "class": f"class d{index}:\n    def m(self):\n        {imports}return ({values},)",
    }[kind]


def reachable(project: Project, start: Place) -> set[Place]:
    seen: set[Place] = set()
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place not in seen:
            seen.add(place)
            waiting += [target for target, _ in project[place].uses]
    return seen


def digest(project: Project, changed: Place | None) -> str:
    with tempfile.TemporaryDirectory() as name:
        for file, text in render(project, changed).items():
            path = Path(name, file)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        closure = ProjectCode([Path(name)]).closure("m0:d0")
        assert closure.undecided == {}, closure.undecided
        return closure.digest


@settings(max_examples=15)
@given(projects())
def test_exactly_the_reachable_definitions_change_a_closure(project):
    before = digest(project, None)
    reached = reachable(project, ("m0", 0))
    for place in _PLACES:
        assert (digest(project, place) != before) == (place in reached), place
