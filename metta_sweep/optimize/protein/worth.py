"""Whether the rest of a run that is on its way is worth its cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from metta_sweep.optimize.port import Outlook, RunAction
from metta_sweep.optimize.protein.acquisition import log_improvement
from metta_sweep.optimize.protein.curve_model import CurveModel, Forecast
from metta_sweep.optimize.protein.curves import Reports, RunCurve
from metta_sweep.space.scales import Array

UNLIKELY = 0.1
"""Chance to beat the best below which a run may be ended."""
_NORMAL_95 = 1.6448536269514722


def judged(model: CurveModel, runs: Sequence[RunCurve], codes: Array, reports: Reports, sign: float) -> Outlook:
    """Judge a run by what its rest may bring, against what a new run may bring for the same money.

    The yardstick is the best mean that the model gives a finished point: the best score itself is lucky. A run is ended
    where two things hold. It is unlikely to beat that. And its rest is worth less than a new run: what a run may bring
    is its expected improvement (Jones et al. 1998, eq. 15) for the share of its money that is left to pay, and a new
    run is worth what this one promised before it began, as it was the most promising point then. The first spares what
    is known to be good, the second what has not shown yet what it is, as before a late jump.

    Args:
        model: The process of all curves.
        runs: The runs that it knows, in its order; at least one of them finished.
        codes: The run's point ``(d,)``.
        reports: Share of its length and score, rising; at least one, and the last share below 1.
        sign: 1 where a larger metric is better, -1 where a smaller one is.

    Raises:
        FitError: A covariance could not be factored.
    """
    share = reports[-1][0]
    model = model.cut_at(share)
    finished = np.array([not run.ended for run in runs])
    level = float(model.finals()[0][finished].max())
    before, now = model.forecast(codes), model.forecast(codes, reports)
    worth, promised = _log_worth(now, level) - math.log1p(-share), _log_worth(before, level)
    chance = float(ndtr((now.mean - level) / math.sqrt(now.variance)))
    action = RunAction.STOP if chance < UNLIKELY and worth < promised else RunAction.CONTINUE
    spread = math.sqrt(now.run_variance) * np.array([0.0, -_NORMAL_95, _NORMAL_95])
    value, *bounds = (sign * model.score_map.inverse(now.run_mean + spread)).tolist()
    low, high = sorted(bounds)
    best = sign * float(model.score_map.inverse(np.array(level)))
    told = f"expects {low:.4g} to {high:.4g}, the best point gives {best:.4g}; {_percent(chance)} to be better"
    verdict = "worth its rest" if action is RunAction.CONTINUE else "a new run is worth more than its rest"
    return Outlook(action=action, final=(value, low, high), chance=chance, reason=f"{told}: {verdict}")


def _log_worth(forecast: Forecast, level: float) -> float:
    """Return the log of the expected improvement over ``level``."""
    deviation = math.sqrt(forecast.variance)
    return math.log(deviation) + float(log_improvement(np.array([(forecast.mean - level) / deviation]))[0])


def _percent(chance: float) -> str:
    return "less than 1%" if chance < 0.01 else f"{chance:.0%}"
