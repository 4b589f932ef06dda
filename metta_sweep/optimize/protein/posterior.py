"""The posterior of a Gaussian process under several hyperparameter samples at once, with gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import lapack

from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry, matern52, matern52_slope, scaled_distances
from metta_sweep.optimize.protein.likelihood import JITTER, MEAN_VARIANCE
from metta_sweep.space.scales import Array

_AT_ONCE = 256
"""Points that are predicted at a time."""


class Trend(Protocol):
    """A mean of ``S`` basis functions, each with a coefficient that is integrated out."""

    @property
    def variance(self) -> float:
        """Prior variance of each coefficient."""

    def basis(self, points: Array) -> Array:
        """Return the basis functions ``(S, m)`` at codes ``(m, d)``."""

    def basis_gradient(self, points: Array) -> Array:
        """Return their gradients by the codes ``(S, m, d)``."""

    def offset(self, basis: Array) -> Array:
        """Return the prior mean ``(m,)`` of basis functions ``(S, m)``, or their gradients' ``(m, d)``."""


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
    trend: Trend | None = None
    """The mean; None for a constant."""
    basis: Array | None = None
    """Its basis functions at the points ``(S, n)``."""

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        hypers: Hypers,
        points: Array,
        targets: Array,
        known_noise: Array,
        trend: Trend | None = None,
    ) -> Posterior:
        """Condition on observations.

        Args:
            geometry: Kinds of the parameters.
            hypers: Hyperparameter samples.
            points: Codes ``(n, d)``.
            targets: Observations ``(n,)``, or ``(H, n)`` where each sample sees its own.
            known_noise: Known variances ``(n,)``.
            trend: The mean; None for a constant.

        Raises:
            FitError: The covariance is not positive definite in spite of its jitter.
        """
        features = geometry.features(points) / hypers.lengthscales[:, None, geometry.owner]
        covariance = hypers.signal[:, None, None] * matern52(scaled_distances(features, features)) + MEAN_VARIANCE
        diagonal = np.arange(len(points))
        covariance[:, diagonal, diagonal] += hypers.noise[:, None] + known_noise + JITTER
        basis = None if trend is None else trend.basis(points)
        if trend is not None and basis is not None:
            covariance += trend.variance * (basis.T @ basis)
        inverse = np.stack([_inverse(each) for each in covariance])
        wide = np.broadcast_to(targets, (len(inverse), len(points)))
        rest = wide if trend is None or basis is None else wide - trend.offset(basis)
        alpha = (inverse @ rest[..., None])[..., 0]
        return cls(
            geometry=geometry,
            hypers=hypers,
            points=points,
            features=features,
            inverse=inverse,
            alpha=alpha,
            targets=wide,
            known_noise=known_noise,
            trend=trend,
            basis=basis,
        )

    def mean(self, points: Array) -> Array:
        """Return the mean alone ``(H, m)``, at a fraction of the time that the variance takes."""
        return np.concatenate([self._mean(part) for part in _parts(points)], axis=1)

    def _mean(self, points: Array) -> Array:
        basis = self._basis(points)
        mean: Array = (self._between(points, basis) @ self.alpha[..., None])[..., 0]
        return mean if basis is None or self.trend is None else mean + self.trend.offset(basis)

    def mean_gradient(self, points: Array) -> Array:
        """Return the gradient of the same by the codes ``(H, m, d)``, where it has no trend; 0 for categories."""
        scaled = self._scaled(points)
        _, slope = matern52_slope(scaled_distances(scaled, self.features))
        return self._pull(2.0 * self._signal * slope * self.alpha[:, None, :], scaled)

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return mean and variance ``(H, m)`` of the noise-free value (Rasmussen & Williams 2006, eqs. 2.25, 2.26)."""
        means, variances = zip(*(self._predict(part) for part in _parts(points)), strict=True)
        return np.concatenate(means, axis=1), np.concatenate(variances, axis=1)

    def _predict(self, points: Array) -> tuple[Array, Array]:
        basis = self._basis(points)
        covariance = self._between(points, basis)
        mean = (covariance @ self.alpha[..., None])[..., 0]
        explained = _row_products(covariance @ self.inverse, covariance)
        if basis is None or self.trend is None:
            return mean, self._positive(explained)
        return mean + self.trend.offset(basis), self._positive(explained - self.trend.variance * (basis**2).sum(0))

    def covariance(self, points: Array) -> Array:
        """Return the covariance ``(H, m, m)`` of the noise-free values (Rasmussen & Williams 2006, eq. 2.26)."""
        scaled, basis = self._scaled(points), self._basis(points)
        prior = self._signal * matern52(scaled_distances(scaled, scaled)) + MEAN_VARIANCE
        if basis is not None and self.trend is not None:
            prior += self.trend.variance * (basis.T @ basis)
        cross = self._between(points, basis)
        covariance: Array = prior - cross @ self.inverse @ np.swapaxes(cross, -1, -2)
        return covariance

    def predict_with_gradient(self, points: Array) -> tuple[Array, Array, Array, Array]:
        """Return mean, variance ``(H, m)`` and their gradients by the codes ``(H, m, d)``; 0 for categories."""
        scaled = self._scaled(points)
        correlation, slope = matern52_slope(scaled_distances(scaled, self.features))
        basis = self._basis(points)
        covariance = self._covariance(correlation, basis)
        solved = covariance @ self.inverse
        mean = (covariance @ self.alpha[..., None])[..., 0]
        explained = _row_products(solved, covariance)
        slope *= 2.0 * self._signal
        by_mean = self._pull(slope * self.alpha[:, None, :], scaled)
        by_variance = self._pull(-2.0 * slope * solved, scaled)
        if basis is None or self.trend is None or self.basis is None:
            return mean, self._positive(explained), by_mean, by_variance
        slopes, each = self.trend.basis_gradient(points), self.trend.variance
        mean += self.trend.offset(basis)
        by_mean += self.trend.offset(slopes) + each * np.einsum("smd,hs->hmd", slopes, self.alpha @ self.basis.T)
        by_variance += 2.0 * each * np.einsum("smd,hms->hmd", slopes, basis.T - solved @ self.basis.T)
        return mean, self._positive(explained - each * (basis**2).sum(0)), by_mean, by_variance

    def _basis(self, points: Array) -> Array | None:
        return None if self.trend is None else self.trend.basis(points)

    def _between(self, points: Array, basis: Array | None) -> Array:
        """Return the covariance ``(H, m, n)`` of points with the observations."""
        return self._covariance(matern52(scaled_distances(self._scaled(points), self.features)), basis)

    def _covariance(self, correlation: Array, basis: Array | None) -> Array:
        """Return the same of what the kernel gives, in its place."""
        correlation *= self._signal
        correlation += MEAN_VARIANCE
        if basis is not None and self.basis is not None and self.trend is not None:
            correlation += self.trend.variance * (basis.T @ self.basis)
        return correlation

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


def _parts(points: Array) -> list[Array]:
    """Return points ``(m, d)`` by so many that what is computed of them stays in the cache."""
    return [points[start : start + _AT_ONCE] for start in range(0, max(1, len(points)), _AT_ONCE)]


def _row_products(left: Array, right: Array) -> Array:
    """Return the scalar products of the rows ``(H, m)`` of two arrays ``(H, m, n)``."""
    products: Array = np.einsum("hmn,hmn->hm", left, right)
    return products


def _inverse(covariance: Array) -> Array:
    factor, info = lapack.dpotrf(covariance, lower=1)
    if info or not np.isfinite(np.diag(factor)).all():
        raise FitError(f"a covariance of {len(covariance)} observations is not positive definite")
    inverse, _ = lapack.dpotri(factor, lower=1)
    full: Array = np.tril(inverse) + np.tril(inverse, -1).T
    return full
