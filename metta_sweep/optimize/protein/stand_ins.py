"""What all learning curves say of points, as observations that the surrogate of final scores understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from metta_sweep.optimize.protein.curve_model import CurveModel
from metta_sweep.optimize.protein.curves import RunCurve
from metta_sweep.optimize.protein.history import CodedObservation
from metta_sweep.optimize.stopping import start_share, whole_cost
from metta_sweep.space.scales import Array

_MOST_SHARES = 5
"""Shares at most at which runs are taken to have been ended: each costs a factorization."""


def stand_ins(model: CurveModel, runs: Sequence[RunCurve]) -> list[CodedObservation]:
    """Return an observation with known noise for every run that was ended.

    Args:
        model: The joint process of the same runs.
        runs: In the model's order.

    Raises:
        FitError: A covariance could not be factored.
    """
    ended = np.array([run.ended for run in runs])
    if not ended.any():
        return []
    shares = np.array([run.share for run in runs])
    means, variances = np.zeros(len(runs)), np.ones(len(runs))
    cuts = _cuts(shares[ended])
    nearest = cuts[np.abs(shares[:, None] - cuts).argmin(1)]
    for cut in cuts:
        told_mean, told_variance = model.cut_at(float(cut)).stand_ins(ended)
        mine = nearest[ended] == cut
        means[np.flatnonzero(ended)[mine]], variances[np.flatnonzero(ended)[mine]] = (
            told_mean[mine],
            told_variance[mine],
        )
    scores = model.score_map.inverse(means)
    noises = variances / model.score_map.slope(scores) ** 2
    start = start_share(run.told for run in runs)
    costs = [whole_cost(run.cost, run.share, start) if run.cost and run.reports else None for run in runs]
    usual = float(np.median([cost for cost in costs if cost is not None] or [1.0]))
    return [
        CodedObservation(codes=run.codes, score=float(score), cost=cost or usual, noise=float(noise), partial=True)
        for run, score, noise, cost in zip(runs, scores, noises, costs, strict=True)
        if run.ended
    ]


def without_luck(
    model: CurveModel, runs: Sequence[RunCurve], seen: Sequence[CodedObservation]
) -> list[CodedObservation]:
    """Return observations whose scores are the means that all curves give their points, in the order of ``seen``.

    A final score is one draw of the seed's luck. The reports before it and those of close points say how much of it is
    luck, and the surrogate of final scores sees neither. One whose run told no curve, and one whose noise is known as
    it was run on several seeds, stays as it is.

    Args:
        model: The joint process of the same runs.
        runs: In the model's order.
        seen: What was observed.
    """
    means = model.score_map.inverse(model.finals()[0])
    curves = [(run, float(mean)) for run, mean in zip(runs, means, strict=True) if not run.ended]
    known = {(run.codes, run.reports[-1][1]): mean for run, mean in curves if len(run.reports) > 1}
    return [_without_luck(one, known) for one in seen]


def _without_luck(one: CodedObservation, known: Mapping[tuple[tuple[float, ...], float], float]) -> CodedObservation:
    if one.score is None or one.noise is not None or one.by_seed or one.told:
        return one
    mean = known.get((one.codes, one.score))
    return one if mean is None else replace(one, score=mean, reported=one.score)


def _cuts(shares: Array) -> Array:
    """Return a few shares, rising, that stand for those at which runs were ended."""
    distinct = np.unique(shares)
    if len(distinct) <= _MOST_SHARES:
        return distinct
    return np.unique(np.quantile(shares, np.linspace(0.0, 1.0, _MOST_SHARES), method="nearest"))
