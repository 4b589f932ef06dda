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

from metta_sweep.optimize.protein.kernel import Geometry, matern52, matern52_slope
from metta_sweep.space.scales import Array

MEAN_VARIANCE = 1.0
"""Prior variance of the constant mean, in standardized units."""
JITTER = 1e-8
LENGTH_SHIFT, LENGTH_DEVIATION = 2.4, 1.0
"""How much shorter than Hvarfner's the log lengthscales of numbers are expected, and their prior's deviation."""
CATEGORY_LENGTH = (-0.5, 1.0)
"""Mean and deviation of the log lengthscale of a category."""


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
        """
        category = np.array(geometry.unordered, dtype=bool)
        length = np.sqrt(2.0) + 0.5 * np.log(max(1, geometry.dim)) - LENGTH_SHIFT
        return cls(
            mean=np.array([*np.where(category, CATEGORY_LENGTH[0], length), signal[0], noise[0]]),
            deviation=np.array([*np.where(category, CATEGORY_LENGTH[1], LENGTH_DEVIATION), signal[1], noise[1]]),
        )

    def log_density(self, theta: Array) -> float:
        """Return the log density at ``theta``, up to a constant."""
        return float(-0.5 * (((theta - self.mean) / self.deviation) ** 2).sum())

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the log density."""
        gradient: Array = -(theta - self.mean) / self.deviation**2
        return gradient


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Data of one Gaussian process, ready to judge hyperparameters."""

    differences: Array
    """Unscaled squared differences ``(d, n, n)``."""
    targets: Array
    """Standardized observations ``(n,)``."""
    known_noise: Array
    """Variance of each observation that is known beforehand ``(n,)``."""
    priors: Priors
    mean_covariance: float | Array = MEAN_VARIANCE
    """Prior covariance of the mean: of a constant, or of one that source sweeps give ``(n, n)``."""

    @cached_property
    def _diagonal(self) -> NDArray[np.intp]:
        return np.arange(len(self.targets)) * (len(self.targets) + 1)

    def distances(self, theta: Array) -> Array:
        """Return scaled squared distances ``(n, n)``."""
        dim = len(self.differences)
        return np.tensordot(np.exp(-2.0 * theta[:dim]), self.differences, axes=1)

    def log_posterior(self, theta: Array, r2: Array | None = None) -> float:
        """Return log p(y | theta) + log p(theta), up to a constant (Rasmussen & Williams 2006, eq. 5.8).

        Args:
            theta: Hyperparameters ``(d + 2,)``.
            r2: Scaled squared distances where they are known already.
        """
        covariance = np.exp(theta[-2]) * matern52(self.distances(theta) if r2 is None else r2)
        covariance += self.mean_covariance
        covariance.flat[self._diagonal] += np.exp(theta[-1]) + self.known_noise + JITTER
        factor, info = lapack.dpotrf(covariance, lower=1, overwrite_a=1)
        if info:
            return -np.inf
        half, _ = lapack.dtrtrs(factor, self.targets, lower=1)
        fit = -0.5 * float(half @ half) - float(np.log(factor.flat[self._diagonal]).sum())
        return fit + self.priors.log_density(theta)

    def log_posterior_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the log posterior and its gradient ``(d + 2,)`` (Rasmussen & Williams 2006, eq. 5.9)."""
        signal, noise, inverse_l2 = np.exp(theta[-2]), np.exp(theta[-1]), np.exp(-2.0 * theta[:-2])
        correlation, slope = matern52_slope(self.distances(theta))
        covariance = signal * correlation + MEAN_VARIANCE
        covariance.flat[self._diagonal] += noise + self.known_noise + JITTER
        factor, info = lapack.dpotrf(covariance, lower=1)
        if info:
            return -np.inf, np.zeros_like(theta)
        alpha, _ = lapack.dpotrs(factor, self.targets, lower=1)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weight = 0.5 * (np.outer(alpha, alpha) - inverse)
        by_length = -2.0 * signal * inverse_l2 * np.tensordot(self.differences, weight * slope, axes=2)
        by_signal = signal * float((weight * correlation).sum())
        gradient = np.array([*by_length, by_signal, noise * float(np.trace(weight))])
        value = -0.5 * float(self.targets @ alpha) - float(np.log(np.diag(factor)).sum())
        return value + self.priors.log_density(theta), gradient + self.priors.gradient(theta)
