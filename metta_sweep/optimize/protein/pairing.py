"""Scores of points that were run with the same seeds: what a seed does to every point is no difference between points.

    y_is = f_i + b_s + e_is,   sum_s b_s = 0

``f_i`` is what point ``i`` gives, ``b_s`` what seed ``s`` adds to every point, ``e_is`` the rest. Points are compared
by ``f``, whose noise is that of ``e`` alone: the seeds' own effects cancel (common random numbers: Pearce, Poloczek and
Branke 2022, "Bayesian Optimization Allowing for Common Random Numbers", Operations Research 70(6), section 3; the
estimates are those of a two-way analysis of variance without interaction, Scheffe 1959, chapter 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, variance

from metta_sweep.optimize.protein.history import CodedObservation

ROUNDS = 100
"""Most rounds of the estimates; with every seed at every point the first one is exact."""
_TOLERANCE = 1e-12


def paired(observations: Sequence[CodedObservation]) -> list[CodedObservation]:
    """Return observations whose scores and noises are free of what the seeds do to every point.

    Args:
        observations: In any order; those without scores by seed stay as they are.
    """
    by_seed = sorted((one for one in observations if one.by_seed), key=lambda one: one.sort_key)
    table = [dict(one.by_seed) for one in by_seed]
    effects = seed_effects(table)
    points = sum(len(row) > 1 for row in table)
    others = [one for one in observations if not one.by_seed]
    return [*others, *(_freed(one, effects, points) for one in by_seed)]


def seed_effects(table: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return what each seed that two points share adds to every point, by seed; they sum to 0.

    Args:
        table: Scores by seed, a point each.
    """
    rows = [row for row in table if len(row) > 1]
    counts = Counter(seed for row in rows for seed in row)
    effects = {seed: 0.0 for seed, points in sorted(counts.items()) if points > 1}
    for _ in range(ROUNDS if effects else 0):
        levels = [fmean(score - effects.get(seed, 0.0) for seed, score in row.items()) for row in rows]
        found = {
            seed: fmean([row[seed] - level for row, level in zip(rows, levels, strict=True) if seed in row] or [0.0])
            for seed in effects
        }
        mean = fmean(found.values())
        found = {seed: effect - mean for seed, effect in found.items()}
        change = max(abs(found[seed] - effects[seed]) for seed in effects)
        effects = found
        if change <= _TOLERANCE * (1.0 + max(map(abs, found.values()))):
            break
    return effects


def _freed(one: CodedObservation, effects: Mapping[int, float], points: int) -> CodedObservation:
    """Return an observation by its scores without the seeds' effects.

    The residuals of ``m`` points with ``k`` seeds each have ``(m - 1)(k - 1)`` degrees of freedom, so each point's
    ``k`` count for ``(k - 1)(1 - 1/m)``.
    """
    scores = [score - effects.get(seed, 0.0) for seed, score in one.by_seed]
    if len(scores) < 2:
        return replace(one, score=fmean(scores))
    shared = any(seed in effects for seed, _ in one.by_seed)
    freedom = 1.0 - 1.0 / points if shared else 1.0
    return replace(one, score=fmean(scores), noise=variance(scores) / freedom / len(scores))
