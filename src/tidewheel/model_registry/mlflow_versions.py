"""Model versions and their champion alias in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.records import ModelVersion
from tidewheel.metadata_store import ProjectionStore
from tidewheel.metadata_store.projection import Projection
from tidewheel.model_package import Package
from tidewheel.model_registry.mlflow_forms import form_of

VERSION_TAG, STATE_TAG = "tidewheel.version", "tidewheel.state"
ALIAS = "champion"
_DELETED = "deleted"


class MlflowVersions:
    """Writes versions and aliases, and puts right what others changed.

    Args:
        client: of the MLflow store.
        projections: what was written last, by which others' changes are told from our own.
        artifacts: where packages are.
        tell: is told of each change of others that was put right.
    """

    def __init__(
        self,
        client: mlflow.MlflowClient,
        projections: ProjectionStore,
        artifacts: LocalArtifactStore,
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._projections = projections
        self._artifacts = artifacts
        self._tell = tell

    def write(self, experiment: str, run_id: str, version: ModelVersion) -> None:
        """Makes MLflow hold a version, once; MLflow's number may be another one."""
        name, key = version.model, f"{version.model}/{version.version}"
        self._ensure_model(name)
        found = self._find(name, version.version)
        if version.state == "deleted":
            self._take_away(found, key)
            return
        known = self._projections.find("model_version", key)
        if found is not None and not _has_files(found.source, self._client):
            self._tell(f"the files of {name} v{version.version} were gone")
            self._client.delete_model_version(name, found.version)
            found = None
        elif found is None and known is not None and known.digest != _DELETED:
            self._tell(f"{name} v{version.version} had been deleted")
        if found is None:
            found = self._create(experiment, run_id, version)
        self._tag(found, version)
        written = Projection(
            kind="model_version", key=key, digest=version.package.digest, external_id=str(found.version)
        )
        if known != written:
            self._projections.put(written)

    def _take_away(self, found: Any, key: str) -> None:
        """A version that was deleted here is not shown any more."""
        if found is not None:
            self._client.delete_model_version(found.name, found.version)
        written = Projection(kind="model_version", key=key, digest=_DELETED, external_id="")
        if self._projections.find("model_version", key) != written:
            self._projections.put(written)

    def point(self, model: str, champion: int | None) -> None:
        """Makes the alias name the champion."""
        if champion is None:
            return
        target = self._find(model, champion)
        if target is None:
            return
        wanted = str(target.version)
        known = self._projections.find("alias", f"{model}/{ALIAS}")
        now = self._client.get_registered_model(model).aliases.get(ALIAS)
        if known is not None and str(now) != known.external_id and str(now) != wanted:
            told = "had been deleted" if now is None else f"had been moved to MLflow's version {now}"
            self._tell(f"alias {ALIAS!r} of {model} {told}")
        if str(now) != wanted:
            self._client.set_registered_model_alias(model, ALIAS, wanted)
        written = Projection(kind="alias", key=f"{model}/{ALIAS}", digest=str(champion), external_id=wanted)
        if known != written:
            self._projections.put(written)

    def foreign(self, model: str) -> list[str]:
        """MLflow's numbers of versions under our model's name that others registered; they stay."""
        found = self._client.search_model_versions(f"name = '{model}'")
        return sorted(str(one.version) for one in found if VERSION_TAG not in one.tags)

    def _ensure_model(self, name: str) -> None:
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._client.create_registered_model(name, tags={"tidewheel": "written from its facts"})

    def _find(self, model: str, version: int) -> Any:
        found = self._client.search_model_versions(f"name = '{model}'")
        return next((one for one in found if one.tags.get(VERSION_TAG) == str(version)), None)

    def _create(self, experiment: str, run_id: str, version: ModelVersion) -> Any:
        tag = f"{version.model}/{version.version}"
        known = self._client.search_logged_models([experiment], f"tags.`{VERSION_TAG}` = '{tag}'")
        usable = [one for one in known if one.status == "READY" and _has_files(one.model_uri, self._client)]
        # One that a killed projection had finished is taken; what it had begun only, is not shown as a model.
        uri = usable[0].model_uri if usable else self._log(experiment, run_id, version, tag)
        tags = {
            VERSION_TAG: str(version.version),
            STATE_TAG: version.state,
            "tidewheel.package": version.package.digest,
            "tidewheel.verdict": version.verdict_digest,
        }
        # A server refuses a source that is not the model of this id; a store in a file would take it from the source.
        model_id = uri.removeprefix("models:/")
        return self._client.create_model_version(
            version.model, uri, run_id=run_id, tags=tags, description=version.reason, model_id=model_id
        )

    def _log(self, experiment: str, run_id: str, version: ModelVersion, tag: str) -> str:
        package: Package = self._artifacts.load(version.package)
        tags = {VERSION_TAG: tag} | ({"tidewheel.native": package.manifest.reason} if package.manifest.reason else {})
        mlflow.set_experiment(experiment_id=experiment)  # of the logged model, which asks neither run nor argument
        logged = Model.log(
            artifact_path=None, name="model", flavor=form_of(package), run_id=run_id, tags=tags, package=package
        )
        return str(logged.model_uri)

    def _tag(self, found: Any, version: ModelVersion) -> None:
        key = f"{version.model}/{version.version}"
        wanted = {STATE_TAG: version.state, "tidewheel.package": version.package.digest}
        known = self._projections.find("model_state", key)
        for name, value in wanted.items():
            now = found.tags.get(name)
            if now == value:
                continue
            if name != STATE_TAG or (known is not None and now != known.external_id):
                self._tell(f"tag {name!r} of {version.model} v{version.version} had been changed to {now!r}")
            self._client.set_model_version_tag(found.name, found.version, name, value)
        written = Projection(kind="model_state", key=key, digest=version.state, external_id=version.state)
        if known != written:
            self._projections.put(written)


def _has_files(uri: str, client: mlflow.MlflowClient) -> bool:
    """Whether a model's files are there: looked for on this machine, asked of a server that keeps them itself."""
    location = uri
    if uri.startswith("models:/m-"):
        try:
            location = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
        except MlflowException:
            return False
    parts = urlsplit(location)
    if parts.scheme == "mlflow-artifacts":
        try:
            listed = mlflow.artifacts.list_artifacts(artifact_uri=location)
        except MlflowException:
            return False
        return any(Path(one.path).name == "MLmodel" for one in listed)
    if parts.scheme not in ("", "file"):
        return True
    return Path(unquote(parts.path), "MLmodel").is_file()
