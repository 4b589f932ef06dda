"""How well hyperparameters explain the data: the marginal likelihood, its gradient, and the priors.

A hyperparameter vector ``theta`` is ``(log l_1 .. log l_d, log s2, log t2)``. The mean of the process is a constant
with prior N(0, 1), integrated out: it adds 1 to every covariance (Rasmussen & Williams 2006, eq. 2.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from metta_sweep.optimize.protein.kernel import Geometry, matern52, matern52_slope, pairs
from metta_sweep.space.scales import Array

MEAN_VARIANCE = 1.0
"""Prior variance of the constant mean, in standardized units."""
JITTER = 1e-8
LENGTH_SHIFT, LENGTH_DEVIATION = 2.4, 1.0
"""How much shorter than Hvarfner's the log lengthscales of numbers are expected, and their prior's deviation."""
CATEGORY_LENGTH = (-0.5, 1.0)
"""Mean and deviation of the log lengthscale of a category."""
CURVES_DEVIATION = 0.5
"""Deviation of the log lengthscales where all learning curves have told them already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Independent normal priors of the entries of ``theta``."""

    mean: Array
    """Prior means ``(d + 2,)``."""
    deviation: Array
    """Prior standard deviations ``(d + 2,)``."""

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        *,
        signal: tuple[float, float] = (0.0, 1.0),
        noise: tuple[float, float] = (-4.0, 2.0),
        lengths: Array | None = None,
    ) -> Priors:
        """Return the priors for parameters of certain kinds.

        Lengthscales: LogNormal(sqrt2 + ln(d)/2 - 2.4, 1), the dimension-scaled prior of Hvarfner et al. (2024, eq. 7)
        moved to shorter scales and narrowed: so it predicts best near the best point, in few and in many dimensions.
        For categories LogNormal(-0.5, 1), as one category says less about another than one end of a range about the
        other.

        Args:
            geometry: Kinds of the parameters.
            signal: Mean and deviation of log s2.
            noise: Mean and deviation of log t2: wide, so that noise-free and very noisy metrics both fit.
            lengths: Log lengthscales that learning curves have told ``(d,)``; None where they have not.
        """
        category = np.array(geometry.unordered, dtype=bool)
        length = np.sqrt(2.0) + 0.5 * np.log(max(1, geometry.dim)) - LENGTH_SHIFT
        means, deviations = (
            np.where(category, *each) for each in zip(CATEGORY_LENGTH, (length, LENGTH_DEVIATION), strict=True)
        )
        if lengths is not None:
            means, deviations = lengths, np.full(geometry.dim, CURVES_DEVIATION)
        return cls(mean=np.array([*means, signal[0], noise[0]]), deviation=np.array([*deviations, signal[1], noise[1]]))

    def log_density(self, theta: Array) -> float:
        """Return the log density at ``theta``, up to a constant."""
        away = (theta - self.mean) / self.deviation
        return -0.5 * float(away @ away)

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the log density."""
        gradient: Array = -(theta - self.mean) / self.deviation**2
        return gradient


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Data of one Gaussian process, ready to judge hyperparameters."""

    differences: Array
    """Unscaled squared differences of every pair ``(d, n (n - 1) / 2)``, in the order of :func:`kernel.pairs`."""
    targets: Array
    """Standardized observations ``(n,)``."""
    known_noise: Array
    """Variance of each observation that is known beforehand ``(n,)``."""
    priors: Priors
    mean_covariance: float | Array = MEAN_VARIANCE
    """Prior covariance of the mean: of a constant, or of one that source sweeps give ``(n, n)``."""

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return pairs(len(self.targets))

    @cached_property
    def _above(self) -> NDArray[np.intp]:
        """Where the pairs are in a flat covariance: above its diagonal."""
        return self._pairs[0] * len(self.targets) + self._pairs[1]

    @cached_property
    def _mean_of_pairs(self) -> float | Array:
        return self.mean_covariance if isinstance(self.mean_covariance, float) else self.mean_covariance[self._pairs]

    @cached_property
    def _least_variance(self) -> Array:
        """What every variance ``(n,)`` has whatever the hyperparameters are."""
        of_mean = self.mean_covariance if isinstance(self.mean_covariance, float) else self.mean_covariance.diagonal()
        return of_mean + self.known_noise + JITTER

    def distances(self, theta: Array) -> Array:
        """Return scaled squared distances of the pairs."""
        r2: Array = np.exp(-2.0 * theta[:-2]) @ self.differences
        return r2

    def _factor(self, theta: Array, correlation: Array) -> tuple[Array, int]:
        """Return the lower Cholesky factor ``(n, n)`` of the covariance, and LAPACK's status: 0 where it succeeded.

        What is above the diagonal of the factor is not set to 0.

        Args:
            theta: Hyperparameters ``(d + 2,)``.
            correlation: Of the pairs.
        """
        count, signal, noise = len(self.targets), *np.exp(theta[-2:])
        covariance = np.empty(count * count)
        covariance[self._above] = signal * correlation + self._mean_of_pairs
        covariance[:: count + 1] = signal + noise + self._least_variance
        # LAPACK stores by columns: transposed, what was filled above the diagonal is its lower triangle, uncopied.
        factor, info = lapack.dpotrf(covariance.reshape(count, count).T, lower=1, clean=0, overwrite_a=1)
        return factor, info

    def log_posterior(self, theta: Array, correlation: Array | None = None) -> float:
        """Return log p(y | theta) + log p(theta), up to a constant (Rasmussen & Williams 2006, eq. 5.8).

        Args:
            theta: Hyperparameters ``(d + 2,)``.
            correlation: Of the pairs, where it is known already.
        """
        factor, info = self._factor(theta, matern52(self.distances(theta)) if correlation is None else correlation)
        if info:
            return -np.inf
        half, _ = lapack.dtrtrs(factor, self.targets, lower=1)
        fit = -0.5 * float(half @ half) - float(np.log(factor.diagonal()).sum())
        return fit + self.priors.log_density(theta)

    def log_posterior_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the log posterior and its gradient ``(d + 2,)`` (Rasmussen & Williams 2006, eq. 5.9)."""
        signal, noise, inverse_l2 = np.exp(theta[-2]), np.exp(theta[-1]), np.exp(-2.0 * theta[:-2])
        correlation, slope = matern52_slope(self.distances(theta))
        factor, info = self._factor(theta, correlation)
        if info:
            return -np.inf, np.zeros_like(theta)
        value = -float(np.log(factor.diagonal()).sum())
        alpha, _ = lapack.dpotrs(factor, self.targets, lower=1)
        inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
        left, right = self._pairs
        weight = alpha[left] * alpha[right] - inverse.T.reshape(-1)[self._above]  # each pair stands for two entries
        own = 0.5 * float(alpha @ alpha - inverse.trace())
        by_length = -2.0 * signal * inverse_l2 * (self.differences @ (weight * slope))
        gradient = np.array([*by_length, signal * (float(weight @ correlation) + own), noise * own])
        value -= 0.5 * float(self.targets @ alpha)
        return value + self.priors.log_density(theta), gradient + self.priors.gradient(theta)
