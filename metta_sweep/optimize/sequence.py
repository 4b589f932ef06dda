"""Search without a model: the next point of a sequence, whatever came of the points before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from metta_sweep.optimize.points import Encoder, FreshPoints
from metta_sweep.optimize.port import CurvePoint, Measured, SearchTask, Suggestion
from metta_sweep.space.scales import Array


class SequenceSearch:
    """An optimizer that goes through a sequence of points. Results only tell it which points are taken.

    Args:
        task: What it is made for.
        origin: Origin of its suggestions.
        batches: The sequence, as codes ``(n, d)`` of feasible points; without an end.
        reason: Why a point is suggested, for a person.
    """

    def __init__(self, task: SearchTask, *, origin: str, batches: Iterator[Array], reason: str) -> None:
        self._task = task
        self._origin = origin
        self._reason = reason
        self._points = FreshPoints(batches)
        self._encoder = Encoder(task.space)
        self._count = 0

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        """Return the first point of the sequence that is neither observed nor pending.

        Raises:
            RequestError: A pending point is outside the space.
        """
        waiting = [self._encoder.codes(params) for params in pending]
        found = self._points.next(waiting)
        if found is not None:
            return self._suggestion(found, self._origin, self._reason)
        turn = self._count + len(waiting)
        again = self._task.space.sample(1, np.random.default_rng([self._task.seed, turn]))[0]
        return self._suggestion(again, "repeat", "every point of the space has been run: one of them again")

    def observe(
        self,
        params: Mapping[str, Any],
        score: Measured,
        cost: float = 1.0,
        noise: Measured | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Note that a point is taken.

        Raises:
            RequestError: It is outside the space.
        """
        del score, cost, noise, curve
        self.observe_failure(params)

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        """Note that a point is taken.

        Raises:
            RequestError: It is outside the space.
        """
        self._points.take(self._encoder.codes(params))
        self._count += 1

    def _suggestion(self, codes: Array, origin: str, reason: str) -> Suggestion:
        return Suggestion(params=self._task.space.values(codes), origin=origin, reason=reason)
