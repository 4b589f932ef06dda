"""From raw scores and costs to what a Gaussian process likes to see, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metta_sweep.optimize.shown import ENDLESS, Shown
from metta_sweep.space.scales import Array

POWERS = tuple(np.arange(1.0, 3.01, 0.25).tolist())
"""Strengths of compression that are tried."""
TRADED_POWERS = (1.0, 1.25, 1.5, 1.75, 2.0)
"""Those for a metric that is traded off against others, or bounded."""
_SEEN = 15.0
"""Spreads at most between the median and the worst that was seen of such a metric."""
_DIGITS, _TINY, _TOP = 10, 1e-140, 1e9
_FAR = 20.0
"""Spreads below the median at which bad is bad enough: worse scores count as this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTransform:
    """A monotone map of scores to about N(0, 1) that compresses the bad tail alone.

    Failing and diverged trainings make long bad tails, and a surrogate must not spend itself on telling bad from
    worse. The good side stays linear: improvement keeps its meaning. Below the median this is the transform of Yeo &
    Johnson (2000, eq. 2.1, negative branch), its power chosen by maximum likelihood; above, the identity.
    """

    median: float
    spread: float
    """Raw units that one unit of the middle stands for."""
    power: float
    """Of the bad side: 1: no compression; 2: logarithmic; above 2: bounded."""
    gain: float
    """Of the good side: 1: no compression; 0: logarithmic."""
    mean: float
    deviation: float
    best: float = np.inf
    """Largest score that was seen."""
    shown: Shown = ENDLESS
    """Where scores end: nothing beyond is expected."""

    @classmethod
    def fit(cls, scores: Array, gain: float = 1.0, *, traded: bool = False, shown: Shown = ENDLESS) -> ScoreTransform:
        """Choose the map for scores ``(n,)``; shifting or scaling the scores changes no transformed value.

        Args:
            scores: Larger is better.
            gain: Power of the good side.
            traded: Whether the metric is traded off against others, or bounded: where it is bad another may be at its
                best, so that all bad values seen are told apart.
            shown: Where scores end.
        """
        median = _low_median(scores)
        centered = scores - median
        spread = _spread(centered)
        if traded:
            spread = max(spread, -float(centered.min(initial=0.0)) / _SEEN)
        powers = TRADED_POWERS if traded else POWERS
        unit = _units(centered / spread)
        power = max(powers, key=lambda each: _likelihood(unit, each)) if len(scores) >= 3 else 1.0
        bent = _bend(unit, power, gain)
        deviation = float(bent.std())
        return cls(
            median=median,
            spread=spread,
            power=power,
            gain=gain,
            mean=float(bent.mean()),
            deviation=deviation if deviation > 1e-9 else 1.0,
            best=float(scores.max(initial=-np.inf)),
            shown=shown,
        )

    def forward(self, scores: Array) -> Array:
        """Return transformed scores, any shape."""
        unit = _units((scores - self.median) / self.spread)
        return (_bend(unit, self.power, self.gain) - self.mean) / self.deviation

    def log_slope(self, scores: Array) -> float:
        """Return the summed log derivative of :meth:`forward`: what a density of scores gains by the map."""
        return float(np.log(self.slope(scores) * self.spread).sum())

    def inverse(self, values: Array) -> Array:
        """Return raw scores of transformed values, any shape."""
        bent = np.asarray(values) * self.deviation + self.mean
        return self.median + self.spread * _expand(bent, self.power, self.gain)

    def expected(self, values: Array) -> Array:
        """Return raw scores of transformed values, any shape, as a person is told them: within what is possible.

        Beyond the best that was seen the map goes on straight: where the good side is compressed, its inverse would
        promise a multiple of everything seen.
        """
        scores = self.inverse(values)
        if np.isfinite(self.best):
            top, steep = self.forward(np.array(self.best)), self.slope(np.array(self.best))
            scores = np.minimum(scores, self.best + np.maximum(0.0, np.asarray(values) - top) / steep)
        return self.shown.within(scores)

    def slope(self, scores: Array) -> Array:
        """Return the derivative of :meth:`forward`, any shape: what it does to noise."""
        unit = _units((scores - self.median) / self.spread)
        below = (1.0 - np.minimum(unit, 0.0)) ** (1.0 - self.power)
        above = (1.0 + np.maximum(unit, 0.0)) ** (self.gain - 1.0)
        steep = below * above
        slope: Array = steep / (self.spread * self.deviation)
        return slope


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTransform:
    """Log costs, standardized."""

    mean: float
    deviation: float
    """Standard deviation of the log costs seen."""

    @classmethod
    def fit(cls, costs: Array) -> CostTransform:
        """Choose the map for costs ``(n,)`` in seconds."""
        logs = np.log(costs)
        return cls(mean=float(logs.mean()), deviation=max(float(logs.std()), 1e-3))

    def forward(self, costs: Array) -> Array:
        """Return standardized log costs, any shape."""
        values: Array = np.round((np.log(costs) - self.mean) / self.deviation, _DIGITS)
        return values

    def inverse(self, values: Array) -> Array:
        """Return costs in seconds, any shape."""
        return np.exp(np.minimum(np.asarray(values) * self.deviation + self.mean, 700.0))


def _units(ratio: Array) -> Array:
    """Return scores in spreads: bounded, and rounded so that shifting or scaling them leaves no trace."""
    return np.asarray(np.clip(ratio, -_FAR, _TOP).round(_DIGITS), dtype=np.float64)


def _low_median(scores: Array) -> float:
    """Return the median, or the lower of the two middle ones: a score that was seen, so that shifts stay exact."""
    return float(np.sort(scores)[(len(scores) - 1) // 2])


def _spread(centered: Array) -> float:
    """Return how far the better half lies above the median on average, or what there is where that is nothing.

    The bad half says nothing here, so that one diverged run does not make all good ones look alike.
    """
    largest = float(np.abs(centered).max(initial=0.0))
    unit = centered / (largest or 1.0)
    for spread in (unit[unit >= 0].mean(), np.quantile(-unit, 0.75), unit.std()):
        if spread * largest > _TINY:
            return float(spread) * largest
    return 1.0


def _likelihood(unit: Array, power: float) -> float:
    """Return the profile log likelihood of a power (Yeo & Johnson 2000, eq. 3.1)."""
    bent = _compress(unit, power)
    below = unit[unit < 0]
    return -0.5 * len(unit) * float(np.log(bent.var() + 1e-12)) + (1.0 - power) * float(np.log1p(-below).sum())


def _bend(unit: Array, power: float, gain: float) -> Array:
    above = np.maximum(unit, 0.0)
    grown = ((1.0 + above) ** gain - 1.0) / gain if gain else np.log1p(above)
    return np.where(unit < 0, _compress(unit, power), grown)


def _compress(unit: Array, power: float) -> Array:
    below = np.minimum(unit, 0.0)
    left = 2.0 - power
    bent = -((1.0 - below) ** left - 1.0) / left if left else -np.log1p(-below)
    return np.where(unit < 0, bent, unit)


def _expand(bent: Array, power: float, gain: float) -> Array:
    above = np.maximum(bent, 0.0)
    shrunk = (1.0 + gain * above) ** (1.0 / gain) - 1.0 if gain else np.expm1(np.minimum(above, 50.0))
    below = np.minimum(bent, 0.0)
    if power == 2.0:
        unit = 1.0 - np.exp(np.minimum(-below, 50.0))
    else:
        inside = np.maximum(1.0 - (2.0 - power) * below, 1e-3)
        unit = 1.0 - inside ** (1.0 / (2.0 - power))
    return np.where(bent < 0, np.maximum(unit, -_FAR), shrunk)
