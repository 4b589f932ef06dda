"""Which of the points that were run to train again: luck is told from merit by what the model knows of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from statistics import fmean
from typing import Any

import numpy as np
from scipy.special import ndtr

from metta_sweep.optimize.port import Recommendation
from metta_sweep.optimize.protein.criteria import Criteria
from metta_sweep.optimize.protein.expectation import expectations
from metta_sweep.optimize.protein.history import CodedObservation
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space.scales import Array

SURE = 0.6
"""Chance of being better than the point with the best score from which on another one is recommended.
Of .5 to .9 it was the best on measured learning curves, and harmed nowhere."""
WORTH_IT = 0.2
"""Least gain, in deviations of what is not known of the mean of the point with the best score: two points next to each
other are the same to a person, however sure it is which of them is better."""
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
def recommended(
    model: Model | None, scores: Mapping[Codes, float], points: Mapping[Codes, Mapping[str, Any]], sign: float
) -> Recommendation:
    """Return the point with the best score, or another one where the model is sure enough that it is better.

    Args:
        model: Knows all that was observed; None while that is too little.
        scores: The mean score of each point to choose from, by its codes; at least one.
        points: The values of each, by its codes.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """
    every = list(scores)
    codes = np.array(every)
    luckiest = int(np.argmax(list(scores.values())))
    if model is None:
        point = points[every[luckiest]]
        return Recommendation(params=point, expected=None, luckiest=point, luckiest_expected=None, chance=0.5)
    best = int(model.metric.observed.predict(codes)[0].mean(0).argmax())
    chance, gain = _better(model, codes[best], codes[luckiest])
    if chance < SURE or gain < WORTH_IT:
        best, chance = luckiest, 0.5
    expected, of_luckiest = expectations(model, codes[[best, luckiest]], sign)
    return Recommendation(
        params=points[every[best]],
        expected=expected,
        luckiest=points[every[luckiest]],
        luckiest_expected=of_luckiest,
        chance=chance,
    )


def _better(model: Model, one: Array, other: Array) -> tuple[float, float]:
    """Return how one point, both of codes ``(d,)``, compares with another over many runs.

    That is the chance that it gives more, and how much more it is expected to give, in deviations of what is not known
    of the other.
    """
    both = np.stack([one, other])
    mean, covariance = model.metric.observed.predict(both)[0], model.metric.observed.covariance(both)
    variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2.0 * covariance[:, 0, 1]
    more = mean[:, 0] - mean[:, 1]
    unknown = float(np.sqrt((covariance[:, 1, 1] + (mean[:, 1] - mean[:, 1].mean()) ** 2).mean()))
    return float(ndtr(more / np.sqrt(np.maximum(variance, _TINY))).mean()), float(more.mean()) / max(unknown, _TINY)
