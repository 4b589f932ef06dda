"""The posterior of a Gaussian process under several hyperparameter samples at once, with gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry, matern52, matern52_slope, scaled_distances
from metta_sweep.optimize.protein.likelihood import JITTER, MEAN_VARIANCE
from metta_sweep.space.scales import Array


class FitError(ArithmeticError):
    """The covariance of the data could not be factored."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """A conditioned process: ``H`` hyperparameter samples, ``n`` observations."""

    geometry: Geometry
    hypers: Hypers
    points: Array
    """Codes ``(n, d)``."""
    features: Array
    """Scaled features ``(H, n, f)``."""
    inverse: Array
    """Inverse covariance ``(H, n, n)``."""
    alpha: Array
    """Inverse covariance times observations ``(H, n)``."""
    targets: Array
    """Observations ``(H, n)``."""
    known_noise: Array
    """Known variances ``(n,)``."""

    @classmethod
    def of(cls, geometry: Geometry, hypers: Hypers, points: Array, targets: Array, known_noise: Array) -> Posterior:
        """Condition on observations.

        Args:
            geometry: Kinds of the parameters.
            hypers: Hyperparameter samples.
            points: Codes ``(n, d)``.
            targets: Observations ``(n,)``, or ``(H, n)`` where each sample sees its own.
            known_noise: Known variances ``(n,)``.

        Raises:
            FitError: The covariance is not positive definite in spite of its jitter.
        """
        features = geometry.features(points) / hypers.lengthscales[:, None, geometry.owner]
        covariance = hypers.signal[:, None, None] * matern52(scaled_distances(features, features)) + MEAN_VARIANCE
        diagonal = np.arange(len(points))
        covariance[:, diagonal, diagonal] += hypers.noise[:, None] + known_noise + JITTER
        inverse = np.stack([_inverse(each) for each in covariance])
        wide = np.broadcast_to(targets, (len(inverse), len(points)))
        alpha = (inverse @ wide[..., None])[..., 0]
        return cls(
            geometry=geometry,
            hypers=hypers,
            points=points,
            features=features,
            inverse=inverse,
            alpha=alpha,
            targets=wide,
            known_noise=known_noise,
        )

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return mean and variance ``(H, m)`` of the noise-free value (Rasmussen & Williams 2006, eqs. 2.25, 2.26)."""
        covariance = self._signal * matern52(scaled_distances(self._scaled(points), self.features)) + MEAN_VARIANCE
        mean = (covariance @ self.alpha[..., None])[..., 0]
        explained = ((covariance @ self.inverse) * covariance).sum(-1)
        return mean, self._positive(explained)

    def predict_with_gradient(self, points: Array) -> tuple[Array, Array, Array, Array]:
        """Return mean, variance ``(H, m)`` and their gradients by the codes ``(H, m, d)``; 0 for categories."""
        scaled = self._scaled(points)
        correlation, slope = matern52_slope(scaled_distances(scaled, self.features))
        covariance = self._signal * correlation + MEAN_VARIANCE
        solved = covariance @ self.inverse
        mean = (covariance @ self.alpha[..., None])[..., 0]
        variance = self._positive((solved * covariance).sum(-1))
        slope = 2.0 * self._signal * slope
        by_mean = self._pull(slope * self.alpha[:, None, :], scaled)
        by_variance = self._pull(-2.0 * slope * solved, scaled)
        return mean, variance, by_mean, by_variance

    @property
    def _signal(self) -> Array:
        return self.hypers.signal[:, None, None]

    def _scaled(self, points: Array) -> Array:
        owner = self.geometry.owner
        scaled: Array = self.geometry.features(points) / self.hypers.lengthscales[:, None, owner]
        return scaled

    def _positive(self, explained: Array) -> Array:
        return np.maximum(self.hypers.signal[:, None] + MEAN_VARIANCE - explained, 1e-10)

    def _pull(self, weights: Array, scaled: Array) -> Array:
        """Return sum_j w_j (x - X_j) / l^2 for every numeric parameter: ``(H, m, d)``."""
        mine, numeric = self.geometry.numeric_features, self.geometry.numeric
        gradient = np.zeros((*weights.shape[:2], self.geometry.dim))
        total = weights.sum(-1, keepdims=True)
        moved = total * scaled[..., mine] - weights @ self.features[..., mine]
        gradient[..., numeric] = moved / self.hypers.lengthscales[:, None, numeric]
        return gradient


def _inverse(covariance: Array) -> Array:
    factor, info = lapack.dpotrf(covariance, lower=1)
    if info or not np.isfinite(np.diag(factor)).all():
        raise FitError(f"a covariance of {len(covariance)} observations is not positive definite")
    inverse, _ = lapack.dpotri(factor, lower=1)
    full: Array = np.tril(inverse) + np.tril(inverse, -1).T
    return full
