"""Racing: the next run goes where it best helps to tell which point is the best.

Optimal computing budget allocation (Chen, Lin, Yücesan, Chick 2000, theorem 1), one run at a time. Point i has
n_i scores with mean m_i and variance v_i; b is the point with the largest mean; d_i is its distance from b::

    N_i / N_j = (v_i / d_i^2) / (v_j / d_j^2)          for i, j other than b
    N_b       = sqrt(v_b * sum_i N_i^2 / v_i)

The distance is not known. Its expected square, (m_b - m_i)^2 + v_b / n_b + v_i / n_i, stands in for it, so that an
unlucky first score does not shut a point out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from metta_sweep.sweep.confirmation import Candidate
from metta_sweep.sweep.luck import run_variances

FIRST_RUNS = 2
"""Runs that every point gets before any is preferred: fewer tell nothing of the spread."""


def next_candidate(candidates: Sequence[Candidate], *, seeds: int) -> Candidate | None:
    """Return the point that the next run goes to, or None where every point has failed.

    Args:
        candidates: The points so far; runs that are not over count as had.
        seeds: Runs a point on average.
    """
    alive = [one for one in candidates if not one.failed]
    if not alive:
        return None
    fewest = min(alive, key=lambda one: one.planned)
    variances = run_variances([one.scores for one in alive])
    if fewest.planned < min(FIRST_RUNS, seeds) or variances is None or not all(one.scores for one in alive):
        return fewest
    shares = _shares([one.scores for one in alive], variances)
    total = 1 + sum(one.planned for one in alive)
    wanting = [share * total - one.planned for one, share in zip(alive, shares, strict=True)]
    return alive[max(range(len(alive)), key=wanting.__getitem__)]


def _shares(groups: Sequence[Sequence[float]], variances: Sequence[float]) -> list[float]:
    """Return the share of all runs that each point should have; they add up to 1."""
    means = [fmean(group) for group in groups]
    b = max(range(len(groups)), key=means.__getitem__)
    errors = [variance / len(group) for variance, group in zip(variances, groups, strict=True)]
    amounts = [
        0.0 if i == b else variances[i] / ((means[b] - means[i]) ** 2 + errors[b] + errors[i])
        for i in range(len(groups))
    ]
    others = sum(amount**2 / variance for amount, variance in zip(amounts, variances, strict=True))
    amounts[b] = math.sqrt(variances[b] * others) or 1.0
    return [amount / sum(amounts) for amount in amounts]
