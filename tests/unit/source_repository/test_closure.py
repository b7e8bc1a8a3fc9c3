"""The closure of a step changes exactly when code that the step can reach changes."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

import tidewheel.pipeline
from tidewheel.core.errors import NotFoundError, SourceError
from tidewheel.source_repository import Closure, ProjectCode, find_import_roots, missed_modules

HEAD = "from tidewheel.pipeline import step\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return root


def closure_of(root: Path, files: dict[str, str], address: str = "p.s:train") -> Closure:
    return ProjectCode(find_import_roots(write(root, files))).closure(address)


def changes(tmp_path: Path, files: dict[str, str], name: str, old: str, new: str) -> bool:
    """Whether the step's closure changes when `old` is replaced by `new` in one file."""
    before = closure_of(tmp_path / "before", files)
    edited = files | {name: files[name].replace(old, new)}
    assert edited != files
    return closure_of(tmp_path / "after", edited).digest != before.digest


PROJECT = {
    "p/__init__.py": "",
    "p/s.py": HEAD
    + """
from p.features import scale
import p.plots as plots

LIMIT = 3
UNUSED = 4

def unrelated():
    return 1

@step
def train(rows: int) -> int:
    '''What it does.'''
    return scale(rows) + LIMIT  # a comment

@step
def evaluate() -> int:
    return plots.draw()
""",
    "p/features.py": """
import math

FACTOR = 2.0

def scale(x):
    return helper(x) * FACTOR

def helper(x):
    return math.floor(x)

def other(x):
    return x
""",
    "p/plots.py": "def draw():\n    return 1\n",
}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("p/s.py", "+ LIMIT", "- LIMIT", id="own-body"),
        pytest.param("p/s.py", "@step\ndef train", "@step(cache=False)\ndef train", id="decorator"),
        pytest.param("p/s.py", "LIMIT = 3", "LIMIT = 5", id="constant"),
        pytest.param("p/s.py", "LIMIT = 3", "LIMIT = 3\nLIMIT += 1", id="augmented-constant"),
        pytest.param("p/s.py", "rows: int", "rows: int = 2", id="default"),
        pytest.param("p/features.py", "helper(x) *", "helper(x) +", id="imported-function"),
        pytest.param("p/features.py", "math.floor", "math.ceil", id="helper-of-helper"),
        pytest.param("p/features.py", "2.0", "2.5", id="constant-of-helper"),
        pytest.param("p/features.py", "import math", "import cmath as math", id="what-a-name-is-imported-from"),
    ],
)
def test_a_change_that_is_reached_changes_it(tmp_path, name, old, new):
    assert changes(tmp_path, PROJECT, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("p/s.py", "# a comment", "# another", id="comment"),
        pytest.param("p/s.py", "What it does.", "What else.", id="docstring"),
        pytest.param("p/s.py", "scale(rows) + LIMIT", "(scale(rows)\n        + LIMIT)", id="formatting"),
        pytest.param("p/s.py", "UNUSED = 4", "UNUSED = 5", id="unused-constant"),
        pytest.param("p/s.py", "    return 1\n", "    return 2\n", id="unrelated-function-of-the-module"),
        pytest.param("p/s.py", "draw()", "draw() + 1", id="another-step"),
        pytest.param("p/features.py", "return x\n", "return -x\n", id="unrelated-function-of-an-imported-module"),
        pytest.param("p/plots.py", "return 1", "return 2", id="module-imported-for-another-step"),
    ],
)
def test_a_change_that_is_not_reached_leaves_it(tmp_path, name, old, new):
    assert not changes(tmp_path, PROJECT, name, old, new)


# Each body of `train` (with the module's other lines) reaches `p.a:f`, by one way of the language.
REACHING = {
    "attribute": "import p.a as a\n@step\ndef train(): return a.f()",
    "full-path": "import p.a\n@step\ndef train(): return p.a.f()",
    "relative": "from .a import f\n@step\ndef train(): return f()",
    "relative-module": "from . import a\n@step\ndef train(): return a.f()",
    "renamed": "from p.a import f as g\n@step\ndef train(): return g()",
    "re-export": "from p.sub import f\n@step\ndef train(): return f()",
    "star": "from p.a import *\n@step\ndef train(): return f()",
    "inside": "@step\ndef train():\n    from p.a import f\n    return f()",
    "inside-module": "@step\ndef train():\n    import p.a\n    return p.a.f()",
    "decorator": "from p.a import f\n@f\n@step\ndef train(): return 1",
    "default": "from p.a import f\n@step\ndef train(x=f()): return x",
    "keyword-default": "from p.a import f\n@step\ndef train(*, x=f()): return x",
    "annotation": "from p.a import f\n@step\ndef train(x: f): return x",
    "text-annotation": "from p.a import f\n@step\ndef train(x: 'list[f]'): return x",
    "base": "from p.a import f\nclass C(f): pass\n@step\ndef train(): return C()",
    "method": "from p.a import f\nclass C:\n    def m(self): return f()\n@step\ndef train(): return C().m()",
    "field": "from p.a import f\nclass C:\n    x: f\n@step\ndef train(): return C()",
    "nested": "from p.a import f\n@step\ndef train():\n    def g(): return f()\n    return g()",
    "lambda": "from p.a import f\n@step\ndef train(): return (lambda f=f: f)()",
    "comprehension": "from p.a import f\n@step\ndef train(): return [f() for x in range(3) if f]",
    "first-iterable": "from p.a import f\n@step\ndef train(): return [f for f in f()]",
    "assignment": "from p.a import f\ng = f\n@step\ndef train(): return g()",
    "unpacked": "from p.a import f\ng, h = f, 1\n@step\ndef train(): return h",
    "try": "try:\n    from p.a import f\nexcept ImportError:\n    f = None\n@step\ndef train(): return f()",
    "if": "import os\nif os.sep:\n    from p.a import f as g\nelse:\n    g = None\n@step\ndef train(): return g",
    "for": "from p.a import f\nfor g in [f]:\n    pass\n@step\ndef train(): return g",
    "with": "from p.a import f\nwith f() as g:\n    pass\n@step\ndef train(): return g",
    "walrus": "from p.a import f\nx = [g := f]\n@step\ndef train(): return g",
    "match": "from p.a import f\nmatch f:\n    case g: pass\n@step\ndef train(): return g",
    "global": "from p.a import f\ndef set_it():\n    global g\n    g = f\n@step\ndef train(): return g",
    "module-as-value": "import p.a as a\n@step\ndef train(): return getattr(a, 'f')()",
    "module-in-a-list": "from p import a\nALL = [a]\n@step\ndef train(): return ALL[0].f()",
    "getattr-on-globals": "from p.a import f\n@step\ndef train(): return globals()['f']()",
    "eval": "from p.a import f\n@step\ndef train(): return eval('f()')",
    "effect": "import p.patch\n@step\ndef train(): return 1",
    "registered": "import p.plug\n@step\ndef train(): return 1",
    "subclass-hook": "import p.hook\n@step\ndef train(): return 1",
    "package-effect": "import p.sub.inner\n@step\ndef train(): return 1",
    "call-at-import": "from p.a import f\nx = f()\n@step\ndef train(): return 1",
}


@pytest.mark.parametrize("way", REACHING)
def test_every_way_to_reach_a_definition_counts(tmp_path, way):
    files = {
        "p/__init__.py": "",
        "p/a.py": "def f(*a):\n    return 1\n",
        "p/s.py": HEAD + REACHING[way] + "\n",
        "p/sub/__init__.py": "from p.a import f\nprint(f())\n" if way == "package-effect" else "from p.a import f\n",
        "p/sub/inner.py": "",
        "p/patch.py": "import json\nfrom p.a import f\njson.dumps = f\n",
        "p/registry.py": "KNOWN = []\ndef register(g):\n    KNOWN.append(g)\n    return g\n",
        "p/plug.py": "from p.a import f\nfrom p.registry import register\n@register\ndef plug(): return f()\n",
        "p/hook.py": "from p.a import f\nclass Base:\n    def __init_subclass__(cls): f(cls)\nclass Sub(Base): pass\n",
    }
    assert changes(tmp_path, files, "p/a.py", "return 1", "return 2")


# Each reads a local name `f`, or only mentions the module's.
NOT_REACHING = {
    "argument": "@step\ndef train(f): return f()",
    "local": "@step\ndef train():\n    f = int\n    return f()",
    "loop": "@step\ndef train():\n    for f in []: pass\n    return f",
    "comprehension": "@step\ndef train(): return [f for f in []]",
    "enclosing": "@step\ndef train():\n    f = int\n    def g(): return f()\n    return g()",
    "handler": "@step\ndef train():\n    try: pass\n    except OSError as f: return f",
    "capture": "@step\ndef train(x):\n    match x:\n        case {'a': [*f]}: return f",
    "attribute-of-something": "@step\ndef train(x): return x.f()",
    "inner-import": "@step\ndef train():\n    from math import floor as f\n    return f(1)",
    "types-only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    g = f\n@step\ndef train(x: g): return x",
    "main": "if __name__ == '__main__':\n    f()\n@step\ndef train(x): return x",
    "known-decorator": "import functools\n@functools.cache\ndef g(): return f()\n@step\ndef train(x): return x",
    "other-step": "@step\ndef other(): return f()\n@step\ndef train(x): return x",
    "plain-class": "class C:\n    def m(self): return f()\nc = C()\n@step\ndef train(x): return x",
}


@pytest.mark.parametrize("way", NOT_REACHING)
def test_a_local_or_unused_name_does_not_reach(tmp_path, way):
    files = {"p/__init__.py": "", "p/s.py": f"{HEAD}def f(*a):\n    return 1\n{NOT_REACHING[way]}\n"}
    assert not changes(tmp_path, files, "p/s.py", "return 1\n", "return 2\n")


def test_a_definition_that_is_bound_twice_counts_with_both(tmp_path):
    files = {
        "p/s.py": HEAD + "import os\nif os.sep:\n    def f(): return 1\nelse:\n    def f(): return 3\n"
        "@step\ndef train(): return f()\n"
    }
    assert changes(tmp_path, files, "p/s.py", "return 3", "return 4")


def test_cycles_of_modules_and_of_calls_end(tmp_path):
    files = {
        "p/s.py": HEAD + "import p.a\n@step\ndef train(n): return p.a.f(n)\ndef back(n): return p.a.f(n)\n",
        "p/a.py": "import p.s\ndef f(n): return p.s.back(n - 1) if n else f(n)\n",
    }
    closure = closure_of(tmp_path, files)
    assert {"p.a:f", "p.s:back", "p.s:train"} <= closure.parts.keys()
    assert changes(tmp_path, files, "p/s.py", "p.a.f(n)\n", "p.a.f(n + 1)\n")


def test_a_long_chain_of_calls_does_not_exhaust_the_stack(tmp_path):
    calls = "".join(f"def f{i}(): return f{i + 1}()\n" for i in range(3000))
    files = {"p/s.py": f"{HEAD}{calls}def f3000(): return 1\n@step\ndef train(): return f0()\n"}
    assert changes(tmp_path, files, "p/s.py", "return 1\n", "return 2\n")


def test_modules_are_those_that_get_imported_with_the_step(tmp_path):
    closure = closure_of(tmp_path, PROJECT)
    assert closure.modules == ("p", "p.features", "p.plots", "p.s")
    assert closure.undecided == {}


def test_imports_are_those_that_reached_code_uses(tmp_path):
    files = {
        "p/s.py": HEAD + "import numpy as np\nimport pandas as pd\nimport seaborn_styles\nimport json\n"
        "def other(): return pd.DataFrame()\n"
        "@step\ndef train():\n    from sklearn.linear_model import Ridge\n    return np.mean(json, Ridge)\n"
    }
    assert closure_of(tmp_path, files).imports == ("numpy", "seaborn_styles", "sklearn")


def test_a_package_that_declares_only_needs_no_more_of_tidewheel(tmp_path):
    assert closure_of(tmp_path / "a", {"p/s.py": HEAD + "@step\ndef train(): return 1\n"}).imports == ()
    words = ", ".join(tidewheel.pipeline.__all__)
    written = f"from tidewheel import Metrics, StopRun, TidewheelError\nfrom tidewheel.pipeline import {words}\n"
    used = f"@step\ndef train(): return [Metrics, StopRun, TidewheelError, {words}]\n"
    assert closure_of(tmp_path / "words", {"p/s.py": written + used}).imports == ()
    more = HEAD + "from tidewheel.steps import model_training\n@step\ndef train(): return model_training.fit()\n"
    assert closure_of(tmp_path / "b", {"p/s.py": more}).imports == ("tidewheel",)


@pytest.mark.parametrize(
    "line",
    [
        "import importlib\n@step\ndef train(x): return importlib.import_module(x)",
        "from importlib import import_module as load\n@step\ndef train(x): return load(x)",
        "@step\ndef train(x):\n    import importlib\n    return importlib.import_module(x)",
        "@step\ndef train(x): return __import__(x)",
        "import importlib\nPLUGIN = importlib.import_module('p.plugin')\n@step\ndef train(x): return x",
    ],
)
def test_a_dynamic_import_takes_its_module_whole_and_says_so(tmp_path, line):
    files = {"p/s.py": f"{HEAD}{line}\ndef other():\n    return 1\n"}
    closure = closure_of(tmp_path, files)
    assert "import" in closure.undecided["p.s"]
    assert changes(tmp_path / "x", files, "p/s.py", "return 1\n", "return 2\n")


def test_what_a_dynamic_import_loaded_is_reported_as_missed(tmp_path):
    files = {
        "p/__init__.py": "",
        "p/s.py": HEAD + "import importlib\n@step\ndef train(x): return importlib.import_module(x)\n",
        "p/plugin.py": "VALUE = 1\n",
    }
    closure = closure_of(tmp_path, files)
    loaded = {name: str(tmp_path / f"{name.replace('.', '/')}.py") for name in ("p.s", "p.plugin")}
    loaded |= {"json": json_file(), "__main__": str(tmp_path / "worker.py"), "sys": None, "p": None}
    assert missed_modules(closure, loaded, [tmp_path]) == ("p.plugin",)


def json_file() -> str:
    import json

    return str(json.__file__)


def test_reading_resources_is_no_dynamic_import(tmp_path):
    files = {"p/s.py": HEAD + "import importlib.resources\n@step\ndef train(): return importlib.resources.files('p')\n"}
    assert closure_of(tmp_path, files).undecided == {}


def test_modules_below_src_are_found(tmp_path):
    files = {
        "src/p/__init__.py": "",
        "src/p/s.py": HEAD + "from p.a import f\n@step\ndef train(): return f()\n",
        "src/p/a.py": "def f(): return 1\n",
        "tests/test_s.py": "def broken(:\n",
    }
    assert "p.a:f" in closure_of(tmp_path, files).parts


def test_a_syntax_error_in_a_reached_module_names_file_and_line(tmp_path):
    files = {"p/s.py": HEAD + "import p.a\n@step\ndef train(): return 1\n", "p/a.py": "x = 1\ndef f(:\n"}
    with pytest.raises(SourceError, match=r"a\.py:2") as caught:
        closure_of(tmp_path, files)
    assert "is no Python" in str(caught.value)


@pytest.mark.parametrize("content", [b"x = '\xff'\n", b"x = 1\0\n"])
def test_a_module_that_is_no_text_is_an_error_with_its_name(tmp_path, content):
    write(tmp_path, {"p/s.py": HEAD + "import p.a\n@step\ndef train(): return 1\n"})
    (tmp_path / "p/a.py").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.py"):
        ProjectCode([tmp_path]).closure("p.s:train")


def test_an_unknown_step_is_answered_with_near_names(tmp_path):
    with pytest.raises(NotFoundError, match=r"did you mean 'p.s:train'"):
        closure_of(tmp_path, PROJECT, "p.s:trian")
    with pytest.raises(NotFoundError, match=r"did you mean 'p.features'"):
        closure_of(tmp_path, PROJECT, "p.featurs:scale")


def test_a_closure_survives_its_json(tmp_path):
    closure = closure_of(tmp_path, PROJECT)
    assert Closure.from_json(closure.to_json()) == closure


def test_an_installed_package_hides_a_folder_of_its_name(tmp_path):
    files = {
        "p/s.py": HEAD + "import numpy as np\n@step\ndef train(): return np.mean(1)\n",
        "numpy/script.py": "x = 1\n",
    }
    assert closure_of(tmp_path, files).imports == ("numpy",)


def test_a_long_expression_can_be_read(tmp_path):
    files = {"p/s.py": f"{HEAD}@step\ndef train(x): return {'x + ' * 1500}1\n"}
    assert changes(tmp_path, files, "p/s.py", "+ 1\n", "+ 2\n")


def test_a_doubtful_escape_in_the_project_is_no_concern_of_ours(tmp_path):
    files = {"p/s.py": HEAD + "@step\ndef train(x): return '\\d'\n"}
    assert closure_of(tmp_path, files).parts


def test_a_module_that_gives_names_on_demand_is_taken_whole(tmp_path):
    files = {
        "p/s.py": HEAD + "from p.lazy import f\n@step\ndef train(x): return f()\n",
        "p/lazy.py": "def __getattr__(name): return make(name)\ndef make(name): return 1\n",
    }
    assert "'f'" in closure_of(tmp_path, files).undecided["p.lazy"]
    assert changes(tmp_path / "x", files, "p/lazy.py", "return 1", "return 2")


def test_a_name_imported_from_another_place_outside_changes_it(tmp_path):
    files = {"p/s.py": HEAD + "from numpy import mean as agg\n@step\ndef train(x): return agg(x)\n"}
    assert changes(tmp_path, files, "p/s.py", "import mean", "import median")


def test_twelve_steps_of_a_project_of_thirty_files_take_a_moment(tmp_path):
    helpers = "".join(f"def f{i}(x):\n    y = x + {i}\n    return [y * a for a in range(y)]\n" for i in range(12))
    files = {f"p/m{i}.py": f"import p.m{(i + 1) % 30} as n\n{helpers}\nZ = 1\n" for i in range(30)}
    files["p/s.py"] = HEAD + "".join(
        f"from p.m{i} import f{i}\n@step\ndef train{i}(x): return f{i}(x)\n" for i in range(12)
    )
    write(tmp_path, files)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        code = ProjectCode([tmp_path])
        assert all(len(code.closure(f"p.s:train{i}").modules) == 32 for i in range(12))
        best = min(best, time.process_time() - start)
    assert best < 0.15  # 0.03 s where this was written
