"""One process over (point, share of training): its covariance, and how well hyperparameters explain curves.

The score of run ``r`` at point ``x`` and log share ``t`` is

    y_r(x, t) = m(t) + f(x, t) + e_r(t) + white noise

with independent Gaussian processes: a mean curve ``m``, what the point does to it ``f``, what the seed does ``e_r``:

    cov f(x, t), f(x', t') = s2 ((1 - w) k(x, x') + w [x = x']) a(t) a(t') exp(-|t - t'| / lt)
    cov e_r(t), e_r(t')    = u2 a(t) a(t') exp(-|t - t'| / le)      with a(t) = exp(alpha t), so a(0) = 1 at the end

The share ``w`` is what a point has of its own, beyond what its neighbours tell. Without it all that sets close points
apart would count as luck of the seed, and a search works among close points.

Exponential correlation in log share makes a curve forget by factors: from 10% to 20% as much as from 50% to 100%, so
that later reports say more about the end (Swersky et al. 2014 and Lin et al. 2024 have such products of kernels).
``theta`` is ``(log l_1 .. log l_d, log s2, logit w, alpha, log lt, log u2, log le, log v2)``, ``v2`` the white noise of
a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from metta_sweep.optimize.protein.curves import Stages
from metta_sweep.optimize.protein.kernel import Geometry, matern52, matern52_slope
from metta_sweep.optimize.protein.likelihood import Priors
from metta_sweep.space.scales import Array

TEMPORAL_MEAN = (-0.3, -0.8, 0.4, 1.4, -1.5, -0.7, -3.0)
"""Prior means of log s2, logit w, alpha, log lt, log u2, log le and log v2."""
TEMPORAL_DEVIATION = (1.0, 1.0, 0.4, 0.7, 1.0, 1.0, 1.5)
MEAN_LEVEL, MEAN_SHAPE, MEAN_MEMORY = 0.5, 1.0, 2.0
"""Variance of the mean curve's level, of its shape, and how far in log share its shape is correlated."""
JITTER = 1e-6
_ITERATIONS, _SPAN = 12, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveHypers:
    """Hyperparameters of the joint process, by name."""

    theta: Array
    """``(d + 7,)``, see the module."""

    @property
    def lengths(self) -> Array:
        """Log l ``(d,)``."""
        return self.theta[:-7]

    @property
    def inverse_squares(self) -> Array:
        """1 / l^2 ``(d,)``."""
        return np.exp(-2.0 * self.lengths)

    @property
    def temporal(self) -> tuple[float, float, float, float, float, float]:
        """s2, alpha, lt, u2, le, v2."""
        s2, lt, u2, le, v2 = np.exp(self.theta[[-7, -4, -3, -2, -1]]).tolist()
        return s2, float(self.theta[-5]), lt, u2, le, v2

    @property
    def own(self) -> float:
        """w: the share of f's variance that a point has of its own."""
        return 1.0 / (1.0 + float(np.exp(-self.theta[-6])))

    def between(self, matern: Array, same: Array) -> Array:
        """Return the correlation between points, of which some are the same."""
        correlation: Array = (1.0 - self.own) * matern + self.own * same
        return correlation

    def of_points(self, correlation: Array, left: Array, right: Array) -> Array:
        """Return cov f for point correlations ``(n, m)`` at log shares ``(n,)`` and ``(m,)``."""
        s2, alpha, lt, *_ = self.temporal
        return s2 * correlation * _fading(alpha, lt, left, right)

    def of_one_run(self, left: Array, right: Array) -> Array:
        """Return cov e_r between log shares ``(n,)`` and ``(m,)`` of one run."""
        _, alpha, _, u2, le, _ = self.temporal
        return u2 * _fading(alpha, le, left, right)


def _fading(alpha: float, memory: float, left: Array, right: Array) -> Array:
    fading: Array = np.exp(alpha * left)[:, None] * np.exp(alpha * right) * np.exp(-_gaps(left, right) / memory)
    return fading


def _gaps(left: Array, right: Array) -> Array:
    return np.abs(left[:, None] - right)


def mean_covariance(left: Array, right: Array) -> Array:
    """Return the covariance of the mean curve between log shares ``(n,)`` and ``(m,)``."""
    covariance: Array = MEAN_LEVEL + MEAN_SHAPE * np.exp(-_gaps(left, right) / MEAN_MEMORY)
    return covariance


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveEvidence:
    """Thinned curves of ``N`` runs, ready to judge hyperparameters."""

    geometry: Geometry
    differences: Array
    """Unscaled squared differences of the runs' points ``(d, N, N)``."""
    stages: Stages

    @cached_property
    def priors(self) -> Priors:
        """Priors of ``theta``: the lengthscales are Protein's."""
        plain = Priors.of(self.geometry)
        return Priors(
            mean=np.array([*plain.mean[:-2], *TEMPORAL_MEAN]),
            deviation=np.array([*plain.deviation[:-2], *TEMPORAL_DEVIATION]),
        )

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """Where each run's values start ``(N,)``."""
        return np.flatnonzero(np.diff(self.stages.run, prepend=-1))

    @cached_property
    def _same(self) -> Array:
        """1 where two runs are of the same point ``(N, N)``, else 0."""
        same: Array = (self.differences.max(0, initial=0.0) == 0.0).astype(np.float64)
        return same

    @cached_property
    def _gaps(self) -> Array:
        return _gaps(self.stages.time, self.stages.time)

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of values of one run."""
        left, right = np.nonzero(self.stages.run[:, None] == self.stages.run)
        return left, right

    @cached_property
    def _mean(self) -> Array:
        return mean_covariance(self.stages.time, self.stages.time)

    def covariance(self, hypers: CurveHypers) -> Array:
        """Return the covariance of all values ``(n, n)``, noise included."""
        matern = matern52(np.tensordot(hypers.inverse_squares, self.differences, axes=1))
        correlation = hypers.between(matern, self._same)
        run, time = self.stages.run, self.stages.time
        total = hypers.of_points(correlation[run][:, run], time, time) + self._mean
        total[self._pairs] += hypers.of_one_run(time, time)[self._pairs]
        total.flat[:: len(time) + 1] += hypers.temporal[-1] / self.stages.count + JITTER
        return total

    def log_posterior_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return log p(y | theta) + log p(theta), up to a constant, and its gradient ``(d + 7,)``."""
        hypers = CurveHypers(theta=theta)
        s2, alpha, lt, u2, le, v2 = hypers.temporal
        run, time, pairs = self.stages.run, self.stages.time, self._pairs
        matern, slope = matern52_slope(np.tensordot(hypers.inverse_squares, self.differences, axes=1))
        own, correlation = hypers.own, hypers.between(matern, self._same)
        growth = np.exp(alpha * time)
        fading = s2 * np.outer(growth, growth) * np.exp(-self._gaps / lt)
        points = fading * correlation[run][:, run]
        seeds = u2 * growth[pairs[0]] * growth[pairs[1]] * np.exp(-self._gaps[pairs] / le)
        white = v2 / self.stages.count
        covariance = points + self._mean
        covariance[pairs] += seeds
        covariance.flat[:: len(time) + 1] += white + JITTER
        factor, info = lapack.dpotrf(covariance, lower=1)
        if info:
            return -np.inf, np.zeros_like(theta)
        solved, _ = lapack.dpotrs(factor, self.stages.value, lower=1)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weight = 0.5 * (np.outer(solved, solved) - inverse)
        by_run = np.add.reduceat(np.add.reduceat(weight * fading, self._starts, 0), self._starts, 1)
        by_length = -2.0 * hypers.inverse_squares * (1.0 - own) * np.tensordot(self.differences, by_run * slope, axes=2)
        of_points, of_seeds = weight * points, weight[pairs] * seeds
        by_growth = 2.0 * float(of_points.sum(1) @ time) + float(of_seeds @ (time[pairs[0]] + time[pairs[1]]))
        by_time = [
            float(of_points.sum()),
            own * (1.0 - own) * float((by_run * (self._same - matern)).sum()),
            by_growth,
            float((of_points * self._gaps).sum()) / lt,
            float(of_seeds.sum()),
            float(of_seeds @ self._gaps[pairs]) / le,
            float(weight.diagonal() @ white),
        ]
        value = -0.5 * float(self.stages.value @ solved) - float(np.log(np.diag(factor)).sum())
        gradient = np.array([*by_length, *by_time])
        return value + self.priors.log_density(theta), gradient + self.priors.gradient(theta)

    def most_probable(self) -> CurveHypers:
        """Return the mode of the posterior of the hyperparameters, found by L-BFGS (Liu & Nocedal 1989)."""
        priors = self.priors
        bounds = list(zip(priors.mean - _SPAN * priors.deviation, priors.mean + _SPAN * priors.deviation, strict=True))

        def loss(theta: Array) -> tuple[float, Array]:
            value, gradient = self.log_posterior_gradient(theta)
            return (-value, -gradient) if np.isfinite(value) else (1e25, np.zeros_like(theta))

        options = {"maxiter": _ITERATIONS}
        return CurveHypers(
            theta=minimize(loss, priors.mean, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        )
