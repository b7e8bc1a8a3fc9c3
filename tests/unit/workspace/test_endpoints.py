"""Names of endpoints: each means one, and one that a model has left is told until it is taken down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from tidewheel.cli.app import app
from tidewheel.core.config import read_config
from tidewheel.core.errors import DefinitionError, NotFoundError
from tidewheel.core.records import Deployment
from tidewheel.pipeline import Model, pipeline
from tidewheel.workspace.describe import _check_endpoints
from tidewheel.workspace.workspace import Workspace

AT = datetime(2013, 4, 1, tzinfo=UTC)


@pipeline
def training():
    return {}


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "p"\nmodules = ["p"]\n[mlflow]\nis_enabled = false\n')
    with Workspace(read_config(tmp_path)) as workspace:
        yield workspace


def decide(workspace, endpoint: str, model: str, *, day: int) -> None:
    """What `deploy` decides before it starts a server."""
    at = AT + timedelta(days=day)
    deployment = Deployment(
        id=f"d{day}",
        endpoint=endpoint,
        place="dev",
        model=model,
        version=day,
        package_digest="p",
        event_id="e",
        at=at,
        recorded_at=at,
    )
    workspace.stores.deployments.create(deployment, expected=None)


def test_an_endpoint_that_its_model_left_is_told_and_taken_down_by_its_name(workspace):
    decide(workspace, "delay", "delay", day=1)
    decide(workspace, "other", "other", day=2)
    assert workspace.left_endpoints() == {}
    decide(workspace, "live", "delay", day=3)
    assert workspace.left_endpoints() == {"delay": "live"}
    said = CliRunner().invoke(app, ["-C", str(workspace.config.root), "status"]).output
    assert "endpoint delay was left for live and still answers: `tidewheel undeploy delay` takes it down" in said
    assert workspace.undeploy("delay") == "delay"  # the model's other endpoint stays
    assert workspace.left_endpoints() == {}
    assert workspace.undeploy("delay") == "live"
    with pytest.raises(NotFoundError, match="delay"):
        workspace.undeploy("delay")
    assert [one.endpoint for one in workspace.stores.deployments.active()] == ["other"]


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ({"a": "live", "b": "live"}, "models 'a' and 'b' have the endpoint 'live'"),
        ({"a": "b", "b": None}, "models 'a' and 'b' have the endpoint 'b'"),
        ({"a": "b", "b": "live"}, "endpoint 'b' of model 'a' has the name of another model"),
    ],
)
def test_two_models_at_one_endpoint_are_refused(endpoints, said):
    models = {name: Model(name, pipeline=training, endpoint=endpoint) for name, endpoint in endpoints.items()}
    with pytest.raises(DefinitionError, match="in each other's way") as caught:
        _check_endpoints(models)
    assert said in caught.value.problems


def test_models_with_endpoints_of_their_own_are_fine():
    _check_endpoints({"a": Model("a", pipeline=training, endpoint="a"), "b": Model("b", pipeline=training)})


def test_what_a_project_declares_twice_is_told_when_it_is_read(workspace):
    source = "from tidewheel.pipeline import Model, pipeline\n@pipeline\ndef training():\n    return {}\n"
    path = workspace.config.root / "p.py"
    path.write_text(source + 'first = Model("m", pipeline=training)\nsecond = Model("m", pipeline=training)\n')
    with pytest.raises(DefinitionError, match="two models are called 'm'"):
        workspace.project.declared()
    path.write_text(source + 'm = Model("m", pipeline=training)\nn = Model("n", pipeline=training, endpoint="m")\n')
    with pytest.raises(DefinitionError, match="in each other's way"):
        workspace.project.declared()
    path.write_text(source + 'm = Model("m", pipeline=training)\nalso = m\n')
    assert set(workspace.project.declared().models) == {"m"}
