"""Requests that come again: a client that does not know whether it was answered repeats its ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidewheel.core.records import EndpointSpec
from tidewheel.prediction_log.answered_index import Answered, digest_question
from tidewheel.prediction_service.inference_protocol import Question
from tidewheel.prediction_service.refusal import Refusal


class Repetition:
    """A request of which some rows, or all, were answered before; those get the recorded answers, by whichever version.

    Attributes:
        fresh: the rows that were not; None when there are none.
        version: whose answers these are.
        outliers: what was beyond limits in the rows that were answered before, by prediction id.

    Raises:
        Refusal: with status 409: an id has other inputs now, or one answer cannot hold two versions' rows.
    """

    def __init__(self, question: Question, known: Mapping[str, Answered], spec: EndpointSpec) -> None:
        for row, name in enumerate(question.prediction_ids):
            if name in known and known[name].question != digest_question(question.row(row)):
                raise Refusal(409, f"prediction id {name!r} was answered for other inputs; use a new id")
        self._ids, self._known = question.prediction_ids, known
        self._rows = [row for row, name in enumerate(self._ids) if name not in known]
        self.fresh = question.only(self._rows) if self._rows else None
        said_by = {(one.version, one.package_digest) for one in known.values()}
        if self.fresh:
            said_by.add((spec.version, spec.package_digest))
        if len(said_by) > 1:
            told = ", ".join(f"{name!r} by v{one.version}" for name, one in list(known.items())[:5])
            raise Refusal(
                409, f"some rows were answered before: {told}; ask for each version's rows in a request of their own"
            )
        self.version = next(iter(said_by))[0]
        self.outliers = {name: one.outliers for name, one in known.items() if one.outliers}

    def answers(self, fresh: Mapping[str, Any]) -> dict[str, Any]:
        """All rows in the order of the request.

        Args:
            fresh: the answers to the fresh rows, by output name.
        """
        place = {row: number for number, row in enumerate(self._rows)}
        names = fresh or next(iter(self._known.values())).outputs
        return {
            name: np.array(
                [
                    fresh[name][place[row]] if row in place else self._known[identifier].outputs[name]
                    for row, identifier in enumerate(self._ids)
                ]
            )
            for name in names
        }
