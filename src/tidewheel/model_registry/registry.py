"""The registry: what is registered is whole, what is live is not deleted, and a promotion is one atomic move."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tidewheel.artifact_store import LocalArtifactStore
from tidewheel.core.clock import utc_now
from tidewheel.core.errors import ConflictError, NotFoundError, ParameterError, ProtectedError, TidewheelError
from tidewheel.core.records import Artifact, ModelState, ModelVersion, Run, Snapshot, Verdict
from tidewheel.metadata_store import AliasStore, ModelStore
from tidewheel.model_registry.finding import Finding

CHAMPION = "champion"
_GONE: tuple[ModelState, ...] = ("retired", "deleted")
_UNFIT: tuple[ModelState, ...] = ("rejected", *_GONE)
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class ModelRegistry:
    """Registers, promotes and protects versions.

    Args:
        models: versions and their states.
        aliases: which version is the champion.
        artifacts: where packages are.
    """

    def __init__(self, models: ModelStore, aliases: AliasStore, artifacts: LocalArtifactStore) -> None:
        self._models = models
        self._aliases = aliases
        self._artifacts = artifacts

    def register(
        self,
        model: str,
        package: Artifact,
        *,
        run: Run,
        metrics: Mapping[str, float | None],
        parameters: Mapping[str, Any],
        snapshots: Sequence[Snapshot],
        verdict_digest: str,
        state: ModelState,
        reason: str,
        at: datetime,
        features: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[ModelVersion, bool]:
        """Gives a package the model's next version number; one that is registered already keeps its own.

        The package is verified and forced to the disk first: a version exists only with its files. A version that is
        registered already takes over the features: what was joined by them gave the same package. One that was deleted
        and is made again comes back under its number, in the state that it would have now.

        Returns:
            The version, and whether it is new.

        Raises:
            ArtifactMissingError, ArtifactCorruptError: the package is not whole; nothing was registered.
        """
        champion = self._aliases.get(model, CHAMPION)

        def build(number: int) -> ModelVersion:
            return ModelVersion(
                model=model,
                version=number,
                state=state,
                package=package,
                run_id=run.id,
                metrics=dict(metrics),
                parameters=dict(parameters),
                snapshots=tuple(snapshots),
                previous_version=champion,
                verdict_digest=verdict_digest,
                reason=reason,
                features=served,
                at=at,
                recorded_at=utc_now(),
            )

        served = tuple(dict(one) for one in features)
        with self._packages_held():
            self._artifacts.verify(package)
            self._artifacts.sync([package])
            version, is_new = self._models.register(model, package.digest, build)
            if version.state == "deleted":
                told = f"made again by run {run.id}: {reason}"
                self._models.set_state(
                    model, version.version, state, told, run.event_id, at, verdict_digest=verdict_digest
                )
            if version.features != served:
                self._models.set_features(model, version.version, served)
        return self._models.get(model, version.version), is_new

    def judge_again(
        self,
        version: ModelVersion,
        *,
        verdict_digest: str,
        state: ModelState,
        reason: str,
        event_id: str,
        at: datetime,
    ) -> ModelVersion:
        """Gives a registered version the verdict of a later run of its pipeline.

        What is in production or was retired keeps its state: a gate that holds the champion against itself says
        nothing about it.
        """
        is_live = self._aliases.get(version.model, CHAMPION) == version.version
        if version.verdict_digest == verdict_digest or is_live or version.state == "retired":
            return version
        try:
            return self._models.set_state(
                version.model,
                version.version,
                state,
                reason,
                event_id,
                at,
                expected=version.state,
                verdict_digest=verdict_digest,
                unless_alias=CHAMPION,
            )
        except ProtectedError:  # promoted since it was looked at
            return self._models.get(version.model, version.version)

    def get(self, model: str, version: int) -> ModelVersion:
        """A version.

        Raises:
            NotFoundError: there is no such model or version.
        """
        return self._models.get(model, version)

    def champion(self, model: str) -> ModelVersion | None:
        """The version in production, None before the first promotion."""
        version = self._aliases.get(model, CHAMPION)
        return None if version is None else self._models.get(model, version)

    def promote(
        self,
        model: str,
        version: int,
        *,
        expected: int | None,
        event_id: str,
        reason: str,
        at: datetime,
        verdict: Verdict | None = None,
        is_forced: bool = False,
    ) -> ModelVersion:
        """Makes a version the champion, by compare-and-swap.

        Args:
            expected: the version that must be the champion now; None for none.
            verdict: the version's own; the champion that it compared with must still be the champion.
            is_forced: promote against the verdict, for a person who knows better.

        Raises:
            NotFoundError: there is no such version.
            ArtifactMissingError, ArtifactCorruptError: its package is not whole.
            ConflictError: another promotion was first, its gate failed, or its verdict is about another champion.
        """
        chosen = self._models.get(model, version)
        if not is_forced or chosen.state == "deleted":
            _check_state(chosen)
        if not is_forced and verdict is not None and verdict.champion_version != expected:
            raise ConflictError(
                f"the verdict of {model} v{version} compares it with {_name(verdict.champion_version)}, "
                f"but the champion is {_name(expected)}",
                next_step="run its pipeline again, so that the gate compares it with today's champion",
            )
        with self._packages_held():
            self._artifacts.verify(chosen.package)
            self._aliases.move(
                model,
                CHAMPION,
                version,
                expected=expected,
                event_id=event_id,
                reason=reason,
                at=at,
                refuses=() if is_forced else _UNFIT,
            )
        return chosen

    def roll_back(self, model: str, *, event_id: str, reason: str, at: datetime) -> ModelVersion:
        """Makes the champion before this one the champion again; the left one retires, lest it be promoted again.

        Both happen in one transaction.

        Raises:
            NotFoundError: there was no champion before.
            ArtifactMissingError, ArtifactCorruptError: the former champion's package is not whole; nothing was changed.
            ConflictError: another promotion was first.
        """
        current = self._aliases.get(model, CHAMPION)
        previous = next(self._previous(model, current), None) if current is not None else None
        if current is None or previous is None:
            raise NotFoundError("previous champion of model", model, next_step=f"see `tidewheel models {model}`")
        with self._packages_held():
            self._artifacts.verify(self._models.get(model, previous).package)
            self._aliases.move(
                model,
                CHAMPION,
                previous,
                expected=current,
                event_id=event_id,
                reason=f"rolled back: {reason}",
                at=at,
                retires=f"rolled back: {reason}",
                refuses=_GONE,
            )
        return self._models.get(model, previous)

    def check(self, model: str | None = None) -> list[Finding]:
        """Damage from outside: packages that are missing or altered, of all versions."""
        live = {name: version for (name, alias), version in self._aliases.all().items() if alias == CHAMPION}
        findings = []
        for version in self._models.list(model):
            if version.state == "deleted":
                continue
            try:
                self._artifacts.verify(version.package)
            except TidewheelError as error:
                findings.append(
                    Finding(
                        model=version.model,
                        version=version.version,
                        message=f"{error.what}; run {version.run_id} again to restore it",
                        is_champion=live.get(version.model) == version.version,
                    )
                )
        return findings

    def set_state(
        self, model: str, version: int, state: ModelState, *, event_id: str, reason: str, at: datetime
    ) -> ModelVersion:
        """Changes a version's state because a person says so; the gate's verdict stays what it is.

        Raises:
            ProtectedError: the champion would no longer be fit to be one.
            ConflictError: no transition leads there, or it leads to or from `deleted`.
            NotFoundError: there is no such version.
        """
        known = self._models.get(model, version)
        if "deleted" in (state, known.state):
            raise ConflictError(
                f"{model} v{version} is {known.state} and cannot be set to {state}",
                next_step="`tidewheel models delete` deletes; a run that makes the same package brings it back",
            )
        if state != "approved" and self._aliases.get(model, CHAMPION) == version:
            raise ProtectedError(
                f"{model} v{version} is the champion and cannot become {state}",
                next_step=f"promote another version, or `tidewheel rollback {model}`",
            )
        guard = "" if state == "approved" else CHAMPION
        return self._models.set_state(
            model, version, state, reason, event_id, at, expected=known.state, unless_alias=guard
        )

    def point(
        self,
        model: str,
        alias: str,
        version: int | None,
        *,
        expected: int | None,
        event_id: str,
        reason: str,
        at: datetime,
    ) -> None:
        """Points an alias of a person's own choice to a version, which is then not deleted; or removes it.

        Args:
            version: None to remove the alias.
            expected: where it must point now; None for nowhere.

        Raises:
            ParameterError: it is `champion`, which only promotion moves, or no name.
            ConflictError: it points elsewhere.
            ArtifactMissingError, ArtifactCorruptError: the version's package is not whole.
        """
        if alias == CHAMPION or not _ALIAS.fullmatch(alias):
            raise ParameterError(
                f"alias {alias!r} cannot be set",
                next_step="`tidewheel promote` moves it" if alias == CHAMPION else "use letters, digits, '-', '_', '.'",
            )
        with self._packages_held():
            if version is not None:
                self._artifacts.verify(self._models.get(model, version).package)
                self._aliases.move(model, alias, version, expected=expected, event_id=event_id, reason=reason, at=at)
            elif expected is not None:
                self._aliases.remove(model, alias, expected=expected, event_id=event_id, reason=reason, at=at)

    def delete(self, model: str, version: int, *, event_id: str, reason: str, at: datetime) -> ModelVersion:
        """Deletes a version's package; what is known of it stays: history, verdict, run, snapshots with their tags.

        The fact comes first: whoever dies in between leaves a deleted version, whose package the same call removes.

        Raises:
            ProtectedError: it is the champion, deployed, or an alias points to it; nothing was changed.
            NotFoundError: there is no such version.
        """
        with self._packages_held():
            deleted = self._models.delete(model, version, reason, event_id, at)
            users = self._models.find_by_package(deleted.package.digest)
            if all(one.state == "deleted" for one in users):
                self._artifacts.delete(deleted.package.digest)
        return deleted

    @contextmanager
    def _packages_held(self) -> Iterator[None]:
        """Between looking at a package and moving an alias to it, nobody deletes it, and the other way round."""
        self._artifacts.root.mkdir(parents=True, exist_ok=True)
        with (self._artifacts.root / "aliases.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _previous(self, model: str, current: int) -> Iterator[int]:
        """Former champions, the latest first, that may answer again."""
        for move in reversed(self._aliases.history(model, CHAMPION)):
            former = move.from_version
            if former in (None, current):
                continue
            if self._models.get(model, former).state not in _GONE:
                yield former


def _check_state(version: ModelVersion) -> None:
    if version.state in _UNFIT:
        raise ConflictError(
            f"{version.model} v{version.version} is {version.state}: {version.reason}",
            next_step="choose another version" + ("" if version.state == "deleted" else ", or promote it with --force"),
        )


def _name(version: int | None) -> str:
    return "no champion" if version is None else f"v{version}"
