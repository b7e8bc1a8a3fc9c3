"""Features by the definitions that a model was trained with, whatever the project declares by now."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.core.errors import ConflictError, NotFoundError, SchemaMismatchError, StorageError
from tidewheel.feature_store.lookup import StoredView, ViewFacts
from tidewheel.feature_store.online_schema import connect
from tidewheel.feature_store.pinned_plan import KINDS_OF_REQUESTS, PinnedPlan
from tidewheel.feature_store.stored_types import micros_of
from tidewheel.pipeline.feature_view import Definition, ViewDefinition

MATERIALIZE = "run `tidewheel features materialize`"
_FITS = {"float": ("float", "integer"), "integer": ("integer",), "string": ("text",), "boolean": ("boolean",)}


class PinnedViews:
    """Looks up, or computes, what a model takes, from the generations that hold exactly these definitions.

    To be used by one thread; `open` and `find` open the file when it is needed, so that another thread may make one.

    Args:
        path: the online store's file; it may be written by others at the same time, or replaced.
        definitions: in the order of the join that the model was trained on.
        wanted: the model's inputs: `float`, `integer`, `string` or `boolean` by name; views give some of them.

    Raises:
        ParameterError: an on-demand feature has no valid expression.
        SchemaMismatchError: nothing but on-demand views is needed, and one has a type that the model does not take.
    """

    def __init__(self, path: Path, definitions: Sequence[Definition], wanted: Mapping[str, str]) -> None:
        self.plan = PinnedPlan(definitions, wanted)
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._facts: dict[str, tuple[int, ViewFacts]] = {}
        self._prepared: dict[frozenset[str], list[StoredView]] = {}
        if not self.plan.stored:
            self._check_types()

    def open(self) -> None:
        """Makes sure that all the definitions are online, and that the file is the one that is there now.

        Raises:
            NotFoundError: the store, or a view as it is defined here, is not there.
            SchemaMismatchError: a feature has a type that the model does not take.
            StorageError: the file cannot be read.
        """
        if not self.plan.stored:
            return  # all is computed from what requests bring
        try:
            inode = os.stat(self._path).st_ino
        except FileNotFoundError:
            self.close()
            raise NotFoundError("online store", self._path.name, next_step=MATERIALIZE) from None
        except OSError as error:  # its folder may not be entered any more
            self.close()
            raise StorageError(f"the online store cannot be read: {error.strerror}", where=str(self._path)) from error
        if self._connection is not None and inode == self._inode:
            return
        self.close()
        connection = connect(self._path)
        try:
            self._facts = self._read_facts(connection)
            self._check_types()
        except sqlite3.Error as error:
            connection.close()
            raise StorageError(f"the online store cannot be read: {error}", where=str(self._path)) from error
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, inode

    def key_types(self) -> dict[str, str]:
        """The kinds of the entity keys, see `StoredColumn`; after `open`."""
        return {column.name: column.kind for _, facts in self._facts.values() for column in facts.keys}

    def find(self, columns: Mapping[str, Sequence[Any]], rows: int, at: datetime) -> dict[str, list[Any]] | None:
        """The wanted features that are not among the columns; None when the store changed, after which `open` looks.

        A row's value is the newest one, if it is within the view's time to live at `at`. Features that are among the
        columns are taken as they are, also where others are computed from them.

        Args:
            columns: what a request brings: entity keys, inputs of on-demand views, features.
            rows: how many.
            at: the time of the request.

        Raises:
            ParameterError: a key has a value of another type.
            SchemaMismatchError: an input of an on-demand view has a value of another type.
            ConflictError: the store holds values of later than `at`, and so not those of then.
            StorageError: the file cannot be read.
        """
        given = self.plan.given(columns)
        needs = self.plan.needs(given)
        if not needs.stored:
            return self.plan.compute(needs, [], columns, rows)
        if self._connection is None:
            return None
        moment = micros_of(at)
        answer: dict[str, list[Any]] = {}
        views = self._views(given)
        try:
            for view in views:
                if not view.read(self._connection, columns, rows, moment, answer):
                    self.close()
                    return None
                if view.newest > moment:
                    raise _too_new(view, at)
        except sqlite3.Error as error:
            self.close()
            raise StorageError(f"the online store cannot be read: {error}", where=str(self._path)) from error
        answer = {name: answer[name] for name in answer if name in self.plan.wanted}
        return answer | self.plan.compute(needs, views, columns, rows) if needs.computed else answer

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        self._prepared.clear()

    def _views(self, given: frozenset[str]) -> list[StoredView]:
        prepared = self._prepared.get(given)
        if prepared is None:
            if len(self._prepared) >= KINDS_OF_REQUESTS:
                self._prepared.clear()
            needs = self.plan.needs(given)
            prepared = self._prepared[given] = [
                StoredView(self._facts[digest][1], self._facts[digest][0], needs.stored[digest])
                for digest in needs.stored
            ]
        return prepared

    def _read_facts(self, connection: sqlite3.Connection) -> dict[str, tuple[int, ViewFacts]]:
        rows = connection.execute(
            "select g.id, g.facts from current c join generation g on g.id = c.generation"
        ).fetchall()
        online = [(number, msgspec.json.decode(text, type=ViewFacts)) for number, text in rows]
        found = {facts.definition: (number, facts) for number, facts in online}
        names = {facts.view for _, facts in online}
        for view in self.plan.stored:
            if view.digest not in found:
                raise _not_online(view, names)
        return {view.digest: found[view.digest] for view in self.plan.stored}

    def _check_types(self) -> None:
        facts = [facts for _, facts in self._facts.values()]
        kinds = {column.name: column.kind for one in facts for column in one.features}
        for name, kind in (kinds | self.plan.computed_kinds(facts)).items():
            wanted = self.plan.wanted.get(name)
            if wanted is not None and kind not in _FITS[wanted]:
                raise SchemaMismatchError(
                    f"feature {name!r} of view {self.plan.owners[name]!r} is {kind}, but the model takes {wanted}",
                    next_step="train the model on what the view gives, or cast the feature in the view",
                )


def _not_online(view: ViewDefinition, names: Collection[str]) -> NotFoundError:
    if view.name not in names:
        return NotFoundError("online feature view", view.name, next_step=MATERIALIZE)
    error = NotFoundError(
        "feature view",
        view.name,
        where="online store",
        next_step=f"{MATERIALIZE}, which brings those of models in production online too; or train the model again",
    )
    error.what = (
        f"feature view {view.name!r} is online by another definition than the one that the model was trained with"
    )
    return error


def _too_new(view: StoredView, at: datetime) -> ConflictError:
    return ConflictError(
        f"feature view {view.facts.view!r} holds values of after {at.isoformat()}, the time of the request: "
        "the online store answers for now, not for the past",
        next_step="send the values of then as inputs, or ask before later ones are materialized",
    )
