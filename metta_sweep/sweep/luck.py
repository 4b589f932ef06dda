"""Taking luck back: what points are worth whose scores are noisy, and of which the best was picked.

A hierarchical normal model (Gelman, Carlin, Stern, Dunson, Vehtari, Rubin 2013, section 5.4; the idea is that of James
and Stein 1961)::

    a score of point i  ~  Normal(mu_i, v_i)
    mu_i                ~  Normal(m, tau^2),     m flat,     tau half-Cauchy with the spread of a run as its scale

It is drawn from: v_i by its chi-square, tau on a grid by its marginal likelihood, then m, then every mu_i.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean

DRAWS = 2_000
"""Draws of the model."""
SPREADS = 24
"""Points of the grid of tau: quantiles of its prior, so that each weighs the same."""
OF_ALL = 4.0
"""Degrees of freedom with which the spread of all points together counts towards that of each: a few scores say little
of their own spread (Smyth 2004, section 3, with a prior that is given instead of estimated)."""


def run_variances(groups: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the variance of a score of each point, its own and that of all weighed; None where nothing tells it."""
    squares = [_squares(group) for group in groups]
    freedom = _freedom(groups)
    if not freedom or not sum(squares):
        return None
    pooled = sum(squares) / freedom
    return [
        (OF_ALL * pooled + own) / (OF_ALL + max(0, len(group) - 1)) for own, group in zip(squares, groups, strict=True)
    ]


def _squares(group: Sequence[float]) -> float:
    return sum((score - fmean(group)) ** 2 for score in group)


def _freedom(groups: Sequence[Sequence[float]]) -> int:
    """Return how many scores there are beyond the first of each point."""
    return sum(max(0, len(group) - 1) for group in groups)


def draw_truths(groups: Sequence[Sequence[float]], rng: random.Random, draws: int = DRAWS) -> list[list[float]]:
    """Return draws of every mu_i, a list a point; empty where nothing tells the spread of runs.

    Args:
        groups: Scores of each point, at least one each.
        rng: Source of random numbers.
        draws: How many.
    """
    variances = run_variances(groups)
    if variances is None:
        return []
    means = [fmean(group) for group in groups]
    errors = [variance / len(group) for variance, group in zip(variances, groups, strict=True)]
    freedom = [min(OF_ALL + len(group) - 1, _freedom(groups)) for group in groups]
    spreads = _spreads(math.sqrt(fmean(variances)))
    weights = [math.exp(value) for value in _relative([_log_likelihood(tau, means, errors) for tau in spreads])]
    found: list[list[float]] = [[] for _ in groups]
    for tau in rng.choices(spreads, weights, k=draws):
        drawn = [error * nu / rng.gammavariate(nu / 2, 2.0) for error, nu in zip(errors, freedom, strict=True)]
        center = _draw_center(tau, means, drawn, rng)
        for truths, mean, error in zip(found, means, drawn, strict=True):
            truths.append(_draw_truth(tau, center, mean, error, rng))
    return found


def _spreads(scale: float) -> list[float]:
    """Return values of tau that are equally likely before anything is seen: quantiles of the half-Cauchy."""
    return [scale * math.tan(0.5 * math.pi * (place + 0.5) / SPREADS) for place in range(SPREADS)]


def _log_likelihood(tau: float, means: Sequence[float], errors: Sequence[float]) -> float:
    """Return the log of p(tau | means) but for a constant and the prior (eq. 5.21)."""
    center, total = _center(tau, means, errors)
    fits = sum(
        math.log(error + tau**2) + (mean - center) ** 2 / (error + tau**2)
        for mean, error in zip(means, errors, strict=True)
    )
    return -0.5 * (math.log(total) + fits)


def _center(tau: float, means: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the precision of m, given tau (eq. 5.20)."""
    precisions = [1.0 / (error + tau**2) for error in errors]
    total = sum(precisions)
    return sum(precision * mean for precision, mean in zip(precisions, means, strict=True)) / total, total


def _relative(logs: Sequence[float]) -> list[float]:
    return [value - max(logs) for value in logs]


def _draw_center(tau: float, means: Sequence[float], errors: Sequence[float], rng: random.Random) -> float:
    center, total = _center(tau, means, errors)
    return rng.gauss(center, total**-0.5)


def _draw_truth(tau: float, center: float, mean: float, error: float, rng: random.Random) -> float:
    """Draw mu_i given tau and m (eq. 5.17)."""
    total = 1.0 / error + 1.0 / tau**2
    return rng.gauss((mean / error + center / tau**2) / total, total**-0.5)
