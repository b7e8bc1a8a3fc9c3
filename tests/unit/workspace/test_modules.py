"""Modules of a project as its workers and its keys see them."""

from __future__ import annotations

import sys
import types
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tidewheel.core.records import SourceState
from tidewheel.orchestrator.attempt import WorkerRequest
from tidewheel.workspace.preparation import _module_digest
from tidewheel.workspace.project import CapturedSources
from tidewheel.workspace.worker import _missed_modules


@pytest.mark.parametrize(
    ("module", "digest"),
    [
        ("shop", "1"),
        ("shop.basket", "2"),
        ("shop.fast", "3"),
        ("native", "4"),
        ("shop.gone", ""),
    ],
)
def test_a_module_has_the_digest_of_its_file_be_it_source_or_binary(tmp_path: Path, module, digest):
    names = ["shop/__init__.py", "shop/basket.py", f"shop/fast{EXTENSION_SUFFIXES[0]}", "native/__init__.so"]
    (tmp_path / "native.py").touch()  # what a package and a module share a name with loses, as in Python
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    files = {name: str(number) for number, name in enumerate(names, 1)} | {"native.py": "9"}
    captured = CapturedSources(SourceState(digest="d", files=files), tmp_path)
    assert _module_digest(module, captured) == digest


def test_a_module_loaded_through_a_link_to_the_sources_is_seen(tmp_path: Path, monkeypatch):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "planted.py").touch()
    link.symlink_to(real)
    module = types.ModuleType("planted")
    module.__file__ = str(real / "planted.py")
    monkeypatch.setitem(sys.modules, "planted", module)
    request = WorkerRequest(
        run_id="1",
        node="n",
        kind="step",
        step="m:n",
        attempt=1,
        sources=str(link),
        import_roots=(str(link),),
        inputs={},
        parameters={},
        arguments={},
        outputs=(),
        known_modules=(),
        artifact_root="",
        cpu=1,
        seed=0,
    )
    assert _missed_modules(request, "") == ("planted",)
