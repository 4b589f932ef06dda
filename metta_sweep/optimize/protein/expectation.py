"""What the model takes many runs of a point to give on average: its own score, and what its neighbours gave."""

from __future__ import annotations

import numpy as np

from metta_sweep.optimize.port import Expectation
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space.scales import Array

_NORMAL_95 = 1.6448536269514722


@on_one_thread
def expectations(model: Model, codes: Array, sign: float) -> list[Expectation]:
    """Return what is expected of the points with codes ``(m, d)``; ``sign`` is the goal's."""
    return [
        Expectation(mean=mean, low=low, high=high)
        for mean, low, high in zip(*metric_quantiles(model, *model.metric.observed.predict(codes), sign), strict=True)
    ]


def metric_quantiles(
    model: Model, mean: Array, variance: Array, sign: float
) -> tuple[list[float], list[float], list[float]]:
    """Return median, 5% and 95% quantile of the raw metric from the fits' means and variances ``(H, m)``."""
    center = mean.mean(axis=0)
    spread = np.sqrt((variance + (mean - center) ** 2).mean(axis=0))
    below, middle, above = (
        sign * model.metric.score_map.expected(center + z * spread) for z in (-_NORMAL_95, 0.0, _NORMAL_95)
    )
    return middle.tolist(), np.minimum(below, above).tolist(), np.maximum(below, above).tolist()
