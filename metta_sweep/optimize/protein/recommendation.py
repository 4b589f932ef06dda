"""Which of the points that were run to train again: luck is told from merit by what the model knows of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from statistics import fmean

import numpy as np
from scipy.special import ndtr

from metta_sweep.optimize.port import Recommendation
from metta_sweep.optimize.protein.criteria import Criteria
from metta_sweep.optimize.protein.expectation import expectations
from metta_sweep.optimize.protein.history import CodedObservation
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

SURE = 0.6
"""Chance of being better than the point with the best score from which on another one is recommended.
Of .5 to .9 it was the best on measured learning curves, and harmed nowhere."""
_TINY = 1e-12

Codes = tuple[float, ...]


def mean_scores(
    observations: Iterable[CodedObservation], criteria: Criteria | None, wanted: Collection[Codes] | None
) -> dict[Codes, float]:
    """Return the mean score, larger is better, of each distinct point that may be chosen, by its codes in order.

    Args:
        observations: What was observed; failures and parts of runs are passed over.
        criteria: Bounds that a point must keep; None for none.
        wanted: Codes to choose from; None for all.
    """
    found: dict[Codes, list[float]] = defaultdict(list)
    for one in observations:
        is_whole = one.score is not None and not one.partial
        if is_whole and (wanted is None or one.codes in wanted) and _keeps(one, criteria):
            found[one.codes].append(one.score or 0.0)
    return {codes: fmean(sorted(found[codes])) for codes in sorted(found)}


def _keeps(one: CodedObservation, criteria: Criteria | None) -> bool:
    return criteria is None or bool(criteria.kept(np.array([one.told]))[0])


@on_one_thread
def recommended(model: Model, space: SearchSpace, scores: Mapping[Codes, float], sign: float) -> Recommendation:
    """Return the point with the best score, or another one where the model is sure enough that it is better.

    Args:
        model: Knows all that was observed.
        space: Where the points lie.
        scores: The mean score of each point to choose from, by its codes; at least one.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """
    points = np.array(list(scores))
    luckiest = int(np.argmax(list(scores.values())))
    best = int(model.metric.observed.predict(points)[0].mean(0).argmax())
    chance = _chance_better(model, points[best], points[luckiest])
    if best == luckiest or chance < SURE:
        best, chance = luckiest, 0.5
    expected, of_luckiest = expectations(model, points[[best, luckiest]], sign)
    return Recommendation(
        params=space.decode(points[best]),
        expected=expected,
        luckiest=space.decode(points[luckiest]),
        luckiest_expected=of_luckiest,
        chance=chance,
    )


def _chance_better(model: Model, one: Array, other: Array) -> float:
    """Return the chance that many runs of one point give more than those of another, both codes ``(d,)``."""
    both = np.stack([one, other])
    mean, covariance = model.metric.observed.predict(both)[0], model.metric.observed.covariance(both)
    variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2.0 * covariance[:, 0, 1]
    return float(ndtr((mean[:, 0] - mean[:, 1]) / np.sqrt(np.maximum(variance, _TINY))).mean())
