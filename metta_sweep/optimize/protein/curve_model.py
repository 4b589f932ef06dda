"""What all curves together say: the final score of a point, of a run on its way, and of a run that was ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from metta_sweep.optimize.protein.curve_likelihood import JITTER, CurveEvidence, CurveHypers, mean_covariance
from metta_sweep.optimize.protein.curves import STAGES, RunCurve, Stages
from metta_sweep.optimize.protein.kernel import Geometry, matern52, scaled_distances
from metta_sweep.optimize.protein.outputs import ScoreTransform
from metta_sweep.optimize.protein.posterior import FitError
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.optimize.shown import ENDLESS, Shown
from metta_sweep.space.scales import Array

FIT_RUNS = 40
"""Most runs that hyperparameters are fitted on; all of them are conditioned on."""
_SMALLEST = 1e-9
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is expected of the end of one run, in transformed units."""

    mean: float
    """Mean of its point's final score over many seeds."""
    variance: float
    """Variance of what that mean is."""
    run_mean: float
    """Mean of the final score that this very run will report."""
    run_variance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveModel:
    """The joint process, conditioned on the curves of ``N`` runs (``n`` values)."""

    geometry: Geometry
    score_map: ScoreTransform
    hypers: CurveHypers
    curves: tuple[tuple[Array, Array], ...]
    """Shares and transformed scores of each run."""
    cuts: tuple[float, ...]
    """Shares at which the curves are cut."""
    points: Array
    """Codes of the runs ``(N, d)``."""
    stages: Stages
    inverse: Array
    """Inverse covariance of the values ``(n, n)``."""
    alpha: Array
    """Inverse covariance times values ``(n,)``."""

    @classmethod
    @on_one_thread
    def fit(cls, geometry: Geometry, runs: Sequence[RunCurve], shown: Shown = ENDLESS) -> CurveModel:
        """Learn from curves in canonical order.

        Args:
            geometry: Kinds of the parameters.
            runs: Runs with at least one report each.
            shown: Where final scores end.

        Raises:
            FitError: The covariance could not be factored.
        """
        score_map = ScoreTransform.fit(np.array([run.reports[-1][1] for run in runs]), shown=shown)
        curves = tuple(_transformed(run.reports, score_map) for run in runs)
        points = np.array([run.codes for run in runs]).reshape(len(runs), geometry.dim)
        few = _worth_fitting(np.array([scores[-1] for _, scores in curves]))
        hypers = _evidence(geometry, points[few], Stages.of([curves[i] for i in few])).most_probable()
        return cls._conditioned(geometry, score_map, hypers, points, curves, STAGES)

    @classmethod
    def _conditioned(
        cls,
        geometry: Geometry,
        score_map: ScoreTransform,
        hypers: CurveHypers,
        points: Array,
        curves: tuple[tuple[Array, Array], ...],
        cuts: tuple[float, ...],
    ) -> CurveModel:
        everything = _evidence(geometry, points, Stages.of(curves, cuts))
        inverse = _inverse(everything.covariance(hypers))
        return cls(
            geometry=geometry,
            score_map=score_map,
            hypers=hypers,
            curves=curves,
            cuts=cuts,
            points=points,
            stages=everything.stages,
            inverse=inverse,
            alpha=inverse @ everything.stages.value,
        )

    @on_one_thread
    def cut_at(self, share: float) -> CurveModel:
        """Return the model for a run that has done ``share``: like is compared with like.

        Other curves are cut where this one ends and halfway there, so that what they did later is not averaged into
        what they had done by then.

        Raises:
            FitError: The covariance could not be factored.
        """
        end = share * (1.0 + _ROUNDING)
        cuts = (0.5 * end, end)
        return self._conditioned(self.geometry, self.score_map, self.hypers, self.points, self.curves, cuts)

    @on_one_thread
    def forecast(self, codes: Array, reports: Sequence[tuple[float, float]] = ()) -> Forecast:
        """Return what is expected of a run at codes ``(d,)``, given its reports so far: share and raw score."""
        own = Stages.of([_transformed(reports, self.score_map)] if reports else [], self.cuts)
        time = np.append(own.time, 0.0)
        points = np.repeat(codes[None], len(time), axis=0)
        covariance = self._covariance(points, time)
        mean = covariance @ self.alpha
        spread = self._own(time) - covariance @ self.inverse @ covariance.T
        seed = self.hypers.of_one_run(time, time)
        white = self.hypers.temporal[-1]
        told = spread[:-1, :-1] + seed[:-1, :-1] + np.diag(white / own.count + JITTER)
        pull = np.stack([spread[:-1, -1], spread[:-1, -1] + seed[:-1, -1]])
        gain = np.linalg.solve(told, pull.T).T
        means = mean[-1] + gain @ (own.value - mean[:-1])
        prior = spread[-1, -1] + np.array([0.0, seed[-1, -1] + white])
        variances = np.maximum(_SMALLEST, prior - (gain * pull).sum(1))
        return Forecast(
            mean=float(means[0]),
            variance=float(variances[0]),
            run_mean=float(means[1]),
            run_variance=float(variances[1]),
        )

    @on_one_thread
    def finals(self) -> tuple[Array, Array]:
        """Return means and variances ``(N,)`` of the transformed noise-free final score of every run's point."""
        covariance = self._covariance(self.points, np.zeros(len(self.points)))
        solved, prior = covariance @ self.inverse, float(self._own(np.zeros(1))[0, 0])
        return solved @ self.stages.value, np.maximum(_SMALLEST, prior - (solved * covariance).sum(1))

    @on_one_thread
    def stand_ins(self, ended: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return what stands for the final scores of runs that were ended: means and noise variances ``(k,)``.

        The mean is what all curves say of the point. The noise is what they leave open, times the number of ended runs
        that say about the same: what close curves leave open they leave open together, and said several times it is
        no better known.

        Args:
            ended: Which runs were ended ``(N,)``, ``k`` of them.
        """
        points = self.points[ended]
        mean, variance = self.finals()
        near = matern52(_distances(self.geometry, points, points, self.hypers))
        same = (points[:, None] == points).all(-1)
        repeats = (self.hypers.between(near, same) ** 2).sum(1)
        return mean[ended], variance[ended] * repeats

    def _covariance(self, points: Array, time: Array) -> Array:
        """Return the covariance ``(m, n)`` of noise-free scores at codes ``(m, d)`` and log shares ``(m,)``."""
        distances = _distances(self.geometry, points, self.points, self.hypers)
        same = (points[:, None] == self.points).all(-1)
        correlation = self.hypers.between(matern52(distances), same)[:, self.stages.run]
        return self.hypers.of_points(correlation, time, self.stages.time) + mean_covariance(time, self.stages.time)

    def _own(self, time: Array) -> Array:
        """Return the prior covariance of one point between log shares ``(m,)``."""
        return self.hypers.of_points(np.ones((len(time), len(time))), time, time) + mean_covariance(time, time)


def _transformed(reports: Sequence[tuple[float, float]], score_map: ScoreTransform) -> tuple[Array, Array]:
    shares, scores = np.array(reports, dtype=np.float64).T
    return shares, score_map.forward(scores)


def _evidence(geometry: Geometry, points: Array, stages: Stages) -> CurveEvidence:
    return CurveEvidence(geometry=geometry, differences=geometry.squared_differences(points), stages=stages)


def _distances(geometry: Geometry, left: Array, right: Array, hypers: CurveHypers) -> Array:
    scale = np.sqrt(hypers.inverse_squares)[geometry.owner]
    a, b = geometry.features(left) * scale, geometry.features(right) * scale
    return scaled_distances(a, b)


def _worth_fitting(scores: Array) -> NDArray[np.intp]:
    """Return indices, in order, of at most FIT_RUNS runs: the best half, and an even share of the others."""
    if len(scores) <= FIT_RUNS:
        return np.arange(len(scores))
    order = np.argsort(-scores, kind="stable")
    best, rest = order[: FIT_RUNS // 2], order[FIT_RUNS // 2 :]
    spread = rest[np.linspace(0, len(rest) - 1, FIT_RUNS - len(best)).round().astype(int)]
    return np.sort(np.concatenate([best, spread]))


def _inverse(covariance: Array) -> Array:
    factor, info = lapack.dpotrf(covariance, lower=1)
    if info:
        raise FitError(f"a covariance of {len(covariance)} reports is not positive definite")
    inverse, _ = lapack.dpotri(factor, lower=1)
    full: Array = np.tril(inverse) + np.tril(inverse, -1).T
    return full
