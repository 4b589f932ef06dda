"""Hyperparameters of a Gaussian process: the most probable ones, and samples of what else the data allow.

Averaging over samples instead of trusting one estimate is what few observations need most (Snoek et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from metta_sweep.optimize.protein.kernel import matern52
from metta_sweep.optimize.protein.likelihood import Evidence
from metta_sweep.space.scales import Array

_SPAN = 12.0
"""How far from the prior mean, in its deviations times 2, the search for the mode may go."""
_WIDTH, _STEPS_OUT, _SHRINKS = 1.5, 3, 12
_ITERATIONS = 40
_THINNING, _THIN_UP_TO = 2, 100
"""Sweeps for each sample kept, as neighbours in the chain are too much alike; 1 beyond so many observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypers:
    """Hyperparameter samples of one process."""

    theta: Array
    """``(H, d + 2)``: log lengthscales, log signal variance, log noise variance."""

    @property
    def lengthscales(self) -> Array:
        """Lengthscales ``(H, d)``."""
        return np.exp(self.theta[:, :-2])

    @property
    def signal(self) -> Array:
        """Signal variances ``(H,)``."""
        return np.exp(self.theta[:, -2])

    @property
    def noise(self) -> Array:
        """Noise variances ``(H,)``."""
        return np.exp(self.theta[:, -1])


def most_probable(evidence: Evidence, near: Array | None = None) -> Array:
    """Return the mode of the posterior ``(d + 2,)``, found by L-BFGS (Liu & Nocedal 1989).

    Args:
        evidence: The data and the priors.
        near: A start that is known to be good; without one, both a smooth and a noisy explanation are tried.
    """
    priors = evidence.priors
    span = np.minimum(_SPAN, 4.0 * priors.deviation)
    bounds = list(zip(priors.mean - span, priors.mean + span, strict=True))

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = evidence.log_posterior_gradient(theta)
        return (-value, -gradient) if np.isfinite(value) else (1e25, np.zeros_like(theta))

    noisy = priors.mean - 1.0
    noisy[-1] = priors.mean[-1] + 2.5
    starts = [priors.mean, noisy] if near is None else [near]
    options = {"maxiter": _ITERATIONS if near is None else _ITERATIONS // 2}
    found = [minimize(loss, each, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for each in starts]
    best: Array = min(found, key=lambda each: float(each.fun)).x
    return best


def samples(evidence: Evidence, start: Array, count: int, rng: np.random.Generator) -> Array:
    """Return ``(count, d + 2)`` samples of the posterior by slice sampling one entry at a time (Neal 2003).

    Args:
        evidence: The data and the priors.
        start: Where the chain starts ``(d + 2,)``, best the mode: one sweep is thrown away.
        count: How many samples.
        rng: Source of random numbers.
    """
    theta, kept = start.copy(), []
    level = evidence.log_posterior(theta)
    thinning = _THINNING if len(evidence.targets) <= _THIN_UP_TO else 1
    for sweep in range(thinning * count + 1):
        for i in rng.permutation(len(theta)):
            level = _slice(evidence, theta, int(i), level, rng)
        if sweep and sweep % thinning == 0:
            kept.append(theta.copy())
    return np.array(kept)


def _slice(evidence: Evidence, theta: Array, i: int, level: float, rng: np.random.Generator) -> float:
    """Move one entry of ``theta`` in place; return the log posterior there (Neal 2003, figures 3 and 5)."""
    old, r2 = theta[i], evidence.distances(theta)
    if is_length := i < len(evidence.differences):
        mine = evidence.differences[i]
        rest = r2 - np.exp(-2.0 * old) * mine
    else:
        same = matern52(r2)

    def at(value: float) -> float:
        theta[i] = value
        if not is_length:
            return evidence.log_posterior(theta, same)
        return evidence.log_posterior(theta, matern52(np.maximum(rest + np.exp(-2.0 * value) * mine, 0.0)))

    threshold = level - rng.exponential()
    width = min(_WIDTH, 2.0 * float(evidence.priors.deviation[i]))
    low = old - width * rng.random()
    high = low + width
    for _ in range(_STEPS_OUT):
        if at(low) <= threshold:
            break
        low -= width
    for _ in range(_STEPS_OUT):
        if at(high) <= threshold:
            break
        high += width
    for _ in range(_SHRINKS):
        value = low + (high - low) * rng.random()
        here = at(value)
        if here > threshold:
            return here
        low, high = (value, high) if value < old else (low, value)
    theta[i] = old
    return level
