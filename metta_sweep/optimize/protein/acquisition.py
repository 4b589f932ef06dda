"""How much a run is worth: log expected improvement, averaged over hyperparameters, times chances, over cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from metta_sweep.optimize.protein.bound_model import BoundModel
from metta_sweep.optimize.protein.model import STEP_VARIANCE, Model
from metta_sweep.space.scales import Array

_TOO_RISKY = 1e3
_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))
_SQRT_HALF = float(np.sqrt(0.5))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acquisition:
    """The value of candidate points, in nats; more is better, and a forbidden point is -inf."""

    model: Model
    breadth: float
    """Share of the value that improving the score/cost front anywhere has; the rest is for improving its top."""
    cost_power: float
    """Power of the cost that an improvement is divided by: 1 counts money, 0 counts runs (Lee et al. 2020, eq. 5)."""
    prior_center: Array
    """The user's center ``(d,)``, codes."""
    prior_weight: Array
    """What a squared distance from the center costs ``(d,)``: the user's prior, faded (Hvarfner et al. 2022, eq. 6)."""
    least_chance: float
    """Chance of success below which a point is only taken where nothing safer is left: the more runs have failed,
    the surer the next must be, so that the boundary is found without being run into again and again."""
    max_cost: float | None
    """Standardized log cost that is not to be exceeded."""
    bounds: tuple[BoundModel, ...] = ()
    """What keeps a point from counting: improvement is weighed by the chance that each bound is kept (Gardner et al.
    2014, section 3)."""

    def value(self, points: Array) -> Array:
        """Return the value ``(m,)`` of codes ``(m, d)``."""
        cost, cost_variance = (each[0] for each in self.model.cost.predict(points))
        value: Array = self._improvement(points, cost) + self._rest(points, cost, cost_variance)
        return value

    def _improvement(self, points: Array, cost: Array) -> Array:
        """Return the log of the expected improvement ``(m,)``, averaged over hyperparameters."""
        mean, variance = self.model.metric.score.predict(points)
        deviation = np.sqrt(variance)
        shares, _ = self._shares(cost)
        each = log_improvement((mean[..., None] - self._levels) / deviation[..., None])
        improvement: Array = (np.log(deviation) + _log_total(each, shares)).mean(0)
        return improvement

    def is_lost_in_noise(self, point: Array, share: float, least: float) -> bool:
        """Return whether the improvement that is expected of codes ``(d,)`` is small beside the noise of a rollout.

        Both are means in logarithms over the hyperparameters. Where bounds may be broken, the improvement counts by the
        chance that they are kept.

        Args:
            point: Where.
            share: How small, in deviations of the noise.
            least: Variance of the noise, of all that scores differ by, below which it hides nothing.
        """
        observed = self.model.metric.observed
        noise = float(np.exp(np.log(observed.hypers.noise + observed.known_noise.min()).mean()))
        cost = self.model.cost.mean(point[None])[0]
        gain = self._improvement(point[None], cost) + sum(bound.log_chance(point[None]) for bound in self.bounds)
        return noise >= least and float(gain[0]) < np.log(share * np.sqrt(noise))

    def allows(self, points: Array) -> NDArray[np.bool_]:
        """Return which of codes ``(m, d)`` are expected to cost no more than they may, and to fail no more likely."""
        allowed = np.ones(len(points), dtype=bool)
        if self.max_cost is not None:
            allowed &= self.model.cost.mean(points)[0] <= self.max_cost
        if self.model.success is not None:
            allowed &= self.model.chance_of_success(points) >= self.least_chance
        return allowed

    def cheapest(self, points: Array) -> Array:
        """Return the one of ``(m, d)`` that is expected to cost least ``(d,)``: the answer where all cost too much."""
        found: Array = points[int(self.model.cost.mean(points)[0].argmin())]
        return found

    @property
    def _levels(self) -> Array:
        """What is to be improved on ``(H, 1, K)``: the steps of the front, its top last."""
        levels = self.model.front.levels
        return levels[:, None, :] if self.breadth else levels[:, None, -1:]

    def _shares(self, cost: Array) -> tuple[Array, Array]:
        """Return what improving each level counts at expected log costs ``(m,)``, and its slope: ``(m, K)``."""
        if not self.breadth:
            return np.ones((len(cost), 1)), np.zeros((len(cost), 1))
        front = self.model.front
        shares = self.breadth * front.shares(cost)
        shares[:, -1] += 1.0 - self.breadth
        return shares, self.breadth * front.shares_slope(cost)

    def _rest(self, points: Array, cost: Array, cost_variance: Array) -> Array:
        total = -((points - self.prior_center) ** 2) @ self.prior_weight
        total -= self.cost_power * self.model.cost_map.deviation * cost
        if self.max_cost is not None:
            spread = np.sqrt(cost_variance + self.model.cost.hypers.noise[0])
            total += log_ndtr((self.max_cost - cost) / spread)
            total = np.where(cost > self.max_cost, -np.inf, total)
        if self.model.success is not None:
            chance = np.maximum(self.model.chance_of_success(points), 1e-300)
            total += np.log(chance) - _TOO_RISKY * np.maximum(0.0, self.least_chance - chance)
        for bound in self.bounds:
            total += bound.log_chance(points)
        return total

    def gradient(self, points: Array) -> Array:
        """Return the gradient ``(m, d)`` by the codes of numbers; 0 for categories."""
        cost, _, by_cost, _ = (each[0] for each in self.model.cost.predict_with_gradient(points))
        total = self._improvement_gradient(points, cost, by_cost)
        total -= 2.0 * (points - self.prior_center) * self.prior_weight
        total -= self.cost_power * self.model.cost_map.deviation * by_cost
        if self.model.success is not None:
            total += self._success_gradient(points)
        for bound in self.bounds:
            total += bound.gradient(points)
        return total

    def _improvement_gradient(self, points: Array, cost: Array, by_cost: Array) -> Array:
        """Return the gradient of the log improvement: of each level's (Jones et al. 1998, eq. 15), by its weight."""
        mean, variance, by_mean, by_variance = self.model.metric.score.predict_with_gradient(points)
        deviation = np.sqrt(variance)
        shares, by_share = self._shares(cost)
        z = (mean[..., None] - self._levels) / deviation[..., None]
        each = log_improvement(z)
        part = np.exp(each - _log_total(each, shares)[..., None])
        slope = np.exp(log_ndtr(z) - each)
        up = (part * shares * slope).sum(-1)[..., None]
        wider = (part * shares * (1.0 - z * slope)).sum(-1)[..., None]
        gradient = (up * by_mean + wider * by_variance / (2.0 * deviation[..., None])) / deviation[..., None]
        gradient += (part * by_share).sum(-1)[..., None] * by_cost
        total: Array = gradient.mean(0)
        return total

    def _success_gradient(self, points: Array) -> Array:
        success = self.model.success
        if success is None:
            return np.zeros_like(points)
        mean, variance, by_mean, by_variance = (each[0] for each in success.predict_with_gradient(points))
        spread = np.sqrt(variance + STEP_VARIANCE)
        z = (mean + self.model.success_mean) / spread
        ratio = np.exp(-0.5 * z * z - _LOG_SQRT_2PI - log_ndtr(z))
        by_z = by_mean / spread[:, None] - (z / (2.0 * spread**2))[:, None] * by_variance
        gradient: Array = ratio[:, None] * by_z
        return gradient


def _log_total(each: Array, shares: Array) -> Array:
    """Return log sum_k share_k exp(each_k) ``(H, m)`` of ``(H, m, K)`` and ``(m, K)``."""
    top = each.max(-1)
    total: Array = top + np.log((np.exp(each - top[..., None]) * shares).sum(-1) + 1e-300)
    return total


def log_improvement(z: Array) -> Array:
    """Return log(phi(z) + z Phi(z)), stable far below 0 (Ament et al. 2023, eq. 9)."""
    above = np.maximum(z, -1.0)
    plain = np.log(np.exp(-0.5 * above * above - _LOG_SQRT_2PI) + above * ndtr(above))
    below = np.minimum(z, -1.0)
    tail = 1.0 + below * np.sqrt(0.5 * np.pi) * erfcx(-below * _SQRT_HALF)
    far = -2.0 * np.log(np.maximum(-below, 1.0))
    log_tail = np.where(below < -1e3, far, np.log(np.maximum(tail, 1e-300)))
    return np.where(z > -1.0, plain, -0.5 * below * below - _LOG_SQRT_2PI + log_tail)
