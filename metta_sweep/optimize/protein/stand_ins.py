"""What a run that was ended says of its point, as an observation that the surrogate of final scores understands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metta_sweep.optimize.protein.curve_model import CurveModel
from metta_sweep.optimize.protein.curves import RunCurve
from metta_sweep.optimize.protein.history import Observation

MOST_VARIANCE = 4.0
"""Variance, in transformed units, from which on a curve says nothing worth keeping of its run's end."""
_MARGIN = 1.0
"""How far beyond the scores seen a stand-in may lie, in transformed units."""


def stand_ins(model: CurveModel, runs: Sequence[RunCurve]) -> list[Observation]:
    """Return an observation with known noise for every ended run that says something of its end.

    Args:
        model: The joint process of the same runs.
        runs: In the model's order.
    """
    means, variances = model.messages()
    values = model.stages.value
    means = np.clip(means, values.min() - _MARGIN, values.max() + _MARGIN)
    scores = model.score_map.inverse(means)
    noises = variances / model.score_map.slope(scores) ** 2
    costs = [run.whole_cost for run in runs]
    usual = float(np.median([cost for cost in costs if cost is not None] or [1.0]))
    return [
        Observation(codes=run.codes, score=float(score), cost=cost or usual, noise=float(noise), partial=True)
        for run, score, noise, variance, cost in zip(runs, scores, noises, variances, costs, strict=True)
        if run.ended and variance < MOST_VARIANCE
    ]
