"""The learning curves that Protein was told of, and the process that is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metta_sweep.optimize.port import Outlook
from metta_sweep.optimize.protein.covering import worth_conditioning_on
from metta_sweep.optimize.protein.curves import Reports, RunCurve
from metta_sweep.optimize.protein.history import CodedObservation
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.outlook import unjudged, why_not_judged
from metta_sweep.optimize.shown import NAMELESS, Metric, Shown
from metta_sweep.space.scales import Array

if TYPE_CHECKING:
    from metta_sweep.optimize.protein.curve_model import CurveModel


MOST = 500
"""Curves at most that the process is conditioned on: its work grows with the cube of their number."""


class KnownCurves:
    """Curves of runs that trained to their end and of runs that were ended; the process is fitted when it is needed.

    Of more than :data:`MOST` the best and those that cover the space are conditioned on; an ended run that is not among
    them teaches nothing but that its point was tried.

    Args:
        geometry: Kinds of the parameters.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
        metric: What is known of it.
    """

    def __init__(self, geometry: Geometry, sign: float = 1.0, metric: Metric = NAMELESS) -> None:
        self._geometry, self._sign, self._metric = geometry, sign, metric
        self._runs: list[RunCurve] = []
        self._fitted: tuple[CurveModel, list[RunCurve]] | None = None

    def add(self, run: RunCurve) -> None:
        """Learn of one more run."""
        self._runs.append(run)
        self._fitted = None

    @property
    def runs(self) -> list[RunCurve]:
        """All runs. One that was ended and went on later is there once, with all that it reported."""
        return [*self._finished, *self.ended]

    @property
    def _finished(self) -> list[RunCurve]:
        return [run for run in self._runs if not run.ended]

    @property
    def ended(self) -> list[RunCurve]:
        """Runs that were ended early and stayed so, those that never reported too."""
        went_on = {run.beginning for run in self._finished}
        silent = [run for run in self._runs if run.ended and not run.reports]
        furthest: dict[object, RunCurve] = {}
        for run in self._runs:
            if run.ended and run.reports and run.beginning not in went_on:
                furthest[run.beginning] = max(furthest.get(run.beginning, run), run, key=lambda one: one.reports[::-1])
        return [*furthest.values(), *silent]

    @property
    def has_ended(self) -> bool:
        """Whether a run was ended after it had reported."""
        return any(run.reports for run in self.ended)

    def as_taught(self, seen: Sequence[CodedObservation]) -> list[CodedObservation]:
        """Return observations by what all curves say of their points, and what stands for runs that were ended.

        Where no run has told its curve and finished, observations are returned as they are.

        Args:
            seen: What was observed of runs that were not ended.
        """
        if not self._is_model_there or not (self.has_ended or any(len(run.reports) > 1 for run in self._finished)):
            return list(seen)
        from metta_sweep.optimize.protein.posterior import FitError
        from metta_sweep.optimize.protein.stand_ins import stand_ins, without_luck

        try:
            model, runs = self._model()
            return [*without_luck(model, runs, seen), *stand_ins(model, runs)]
        except FitError:
            return list(seen)

    @property
    def lengths(self) -> Array | None:
        """Log lengthscales ``(d,)`` of the process of all curves, once runs were ended; None before, or without it.

        What stands for a run that was ended has so much noise that final scores alone would forget which parameters
        made it bad.
        """
        from metta_sweep.optimize.protein.posterior import FitError

        if not (self.has_ended and self._is_model_there):
            return None
        try:
            return self._model()[0].hypers.lengths
        except FitError:
            return None

    def outlook(self, codes: Array, reports: Reports, sign: float, *, min_share: float, min_full_runs: int) -> Outlook:
        """Return what is expected of a run that is on its way.

        Args:
            codes: Its point ``(d,)``.
            reports: Share of its length, rising, and score.
            sign: 1 where a larger metric is better, -1 where a smaller one is.
            min_share: Share of its length before which it is not judged.
            min_full_runs: Runs known with their curves to their end, before which no run is judged.
        """
        known = sum(len(run.reports) > 1 for run in self._finished)
        reason = why_not_judged(reports, known, min_share, min_full_runs)
        if reason is not None:
            return unjudged(reports, sign, reason)
        from metta_sweep.optimize.protein.posterior import FitError
        from metta_sweep.optimize.protein.worth import judged

        try:
            return judged(
                *self._model(), codes, reports, sign, others=[run.reports for run in self.runs if run.reports]
            )
        except FitError as error:
            return unjudged(reports, sign, f"not judged, as the model could not be fitted: {error}")

    def reconsidered(self, points: Sequence[Array], sign: float) -> list[Outlook]:
        """Return what is thought by now of runs that were ended, in their order; nothing where there is no model.

        Args:
            points: Their points ``(d,)`` each.
            sign: 1 where a larger metric is better, -1 where a smaller one is.
        """
        if not self._is_model_there or not points:
            return []
        from metta_sweep.optimize.protein.posterior import FitError
        from metta_sweep.optimize.protein.worth import reconsidered

        try:
            return [reconsidered(*self._model(), codes, sign) for codes in points]
        except FitError:
            return []

    @property
    def _is_model_there(self) -> bool:
        return any(run.reports for run in self._finished)

    def _model(self) -> tuple[CurveModel, list[RunCurve]]:
        """Return the process of all curves, and the runs that it knows, in an order that no order of reports changes.

        Raises:
            FitError: A covariance could not be factored.
        """
        from metta_sweep.optimize.protein.curve_model import CurveModel

        if self._fitted is None:
            finished = self._worth_knowing(self._finished, max(MOST // 2, MOST - len(self.ended)))
            runs = [*finished, *self._worth_knowing(self.ended, MOST - len(finished))]
            runs = sorted(runs, key=lambda run: (run.codes, run.reports))
            self._fitted = CurveModel.fit(self._geometry, runs, self._shown()), runs
        return self._fitted

    def _worth_knowing(self, runs: Sequence[RunCurve], most: int) -> list[RunCurve]:
        """Return at most so many of the runs that have reported: the best, and others that cover the space."""
        told = sorted((run for run in runs if run.reports), key=lambda run: (run.codes, run.reports))
        points = self._geometry.features(np.array([run.codes for run in told]).reshape(len(told), self._geometry.dim))
        scores = np.array([run.reports[-1][1] for run in told]).reshape(len(told), 1)
        return [told[place] for place in worth_conditioning_on(points, scores, most)]

    def _shown(self) -> Shown:
        """Return where final scores end, by those of the runs that came to theirs."""
        finished = sorted((run.codes, run.reports[-1][1]) for run in self._finished)
        points = np.array([codes for codes, _ in finished]).reshape(len(finished), self._geometry.dim)
        return Shown.of(np.array([score for _, score in finished]), points, self._sign, self._metric)
