"""What a `Model` names of its pipeline's outputs is registered, or it is told why it cannot be."""

from __future__ import annotations

import pytest

from small_project import SMALL, SmallProject
from tidewheel.core.errors import DefinitionError

MODEL = """
from tidewheel.pipeline import Model

counter = Model("counter", pipeline=counting, package={package!r})
"""


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            "totals",
            "output 'totals' of pipeline 'counting', which model 'counter' registers, is no package but builtins.dict",
        ),
        ("package", "pipeline 'counting' has no output 'package', which model 'counter' registers"),
    ],
)
def test_an_output_that_is_no_package_is_not_registered_and_the_run_fails_by_it(tmp_path, package, said):
    project = SmallProject(tmp_path / "project", SMALL + MODEL.format(package=package))
    with project.open() as workspace:
        with pytest.raises(DefinitionError, match=said) as caught:
            workspace.submit("counting")
        assert "Model(package=...)" in caught.value.next_step
        run = workspace.run("latest")
        assert (run.status, said in run.record.reason) == ("failed", True)
        assert workspace.stores.models.list("counter") == []
