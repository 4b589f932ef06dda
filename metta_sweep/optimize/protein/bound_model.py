"""The chance that a point keeps a bound on a metric, and where it grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp

from metta_sweep.optimize.protein.posterior import Posterior
from metta_sweep.space.scales import Array

_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundModel:
    """One bound: the surrogate of its metric and the limit, in the surrogate's own unit.

    P(bound) = Phi((mu - limit) / sigma) where larger keeps it, of the mean over many runs, averaged over the
    hyperparameter samples (Gardner et al. 2014, section 3).
    """

    metric: Posterior
    """Transformed values of the metric."""
    limit: float
    """Transformed limit."""
    sign: float
    """1 where values above the limit keep the bound, -1 where those below do."""

    def log_chance(self, points: Array) -> Array:
        """Return the log of the chance ``(m,)`` that codes ``(m, d)`` keep the bound."""
        mean, variance = self.metric.predict(points)
        chances = log_ndtr(self.sign * (mean - self.limit) / np.sqrt(variance))
        log_chance: Array = logsumexp(chances, axis=0) - np.log(len(chances))
        return log_chance

    def gradient(self, points: Array) -> Array:
        """Return the gradient of the same ``(m, d)``."""
        mean, variance, by_mean, by_variance = self.metric.predict_with_gradient(points)
        deviation = np.sqrt(variance)
        z = self.sign * (mean - self.limit) / deviation
        each = log_ndtr(z)
        weight = np.exp(-0.5 * z * z - _LOG_SQRT_2PI - logsumexp(each, axis=0))
        by_z = self.sign * by_mean / deviation[..., None] - (z / (2.0 * variance))[..., None] * by_variance
        gradient: Array = (weight[..., None] * by_z).sum(0)
        return gradient
