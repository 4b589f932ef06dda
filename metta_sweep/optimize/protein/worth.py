"""Whether the rest of a run that is on its way is worth its cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from metta_sweep.optimize.port import Outlook, RunAction
from metta_sweep.optimize.protein.acquisition import log_improvement
from metta_sweep.optimize.protein.curve_model import CurveModel, Forecast
from metta_sweep.optimize.protein.curves import Reports, RunCurve
from metta_sweep.space.scales import Array

UNLIKELY = 0.1
"""Chance to beat the best below which a run may be ended."""
_LOG_MARGIN = math.log(0.5)
"""How much less than a new run the rest of a run must be worth: what reports of the first 10% change by chance is less,
and where curves say nothing before a late jump nothing is ended."""
_GOOD, _LEAST_GOOD = 0.25, 3
"""Share of the finished runs that count as the best, how many at least, and the share of those that a run is not to
be behind."""
_ROUNDING = 1e-9
_NORMAL_95 = 1.6448536269514722


def judged(model: CurveModel, runs: Sequence[RunCurve], codes: Array, reports: Reports, sign: float) -> Outlook:
    """Judge a run by what its rest may bring, against what a new run may bring for the same money.

    The yardstick is the best mean that the model gives a finished point: the best score itself is lucky. A run is ended
    where three things hold. It is unlikely to beat that. Its rest is worth less than half a new run: what a run may
    bring is its expected improvement (Jones et al. 1998, eq. 15) for the share of its money that is left to pay, and a
    new run is worth what this one promised before it began, as it was the most promising point then. And the runs that
    ended best were further by then. The first spares what is known to be good, the second what has not shown yet what
    it is, the third what starts late: no normal process foresees a jump, but those that jumped have been there.

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
    is_poor = chance < UNLIKELY and worth < promised + _LOG_MARGIN
    is_ended = is_poor and _is_behind(model, finished, max(score for _, score in reports), share)
    action = RunAction.STOP if is_ended else RunAction.CONTINUE
    spread = math.sqrt(now.run_variance) * np.array([0.0, -_NORMAL_95, _NORMAL_95])
    value, *bounds = (sign * model.score_map.inverse(now.run_mean + spread)).tolist()
    low, high = sorted(bounds)
    best = sign * float(model.score_map.inverse(np.array(level)))
    told = f"expects {low:.4g} to {high:.4g}, the best point gives {best:.4g}; {_percent(chance)} to be better"
    verdict = "worth its rest" if action is RunAction.CONTINUE else "a new run is worth more than twice its rest"
    return Outlook(action=action, final=(value, low, high), chance=chance, reason=f"{told}: {verdict}")


def _is_behind(model: CurveModel, finished: NDArray[np.bool_], best: float, share: float) -> bool:
    """Return whether most of the runs that ended best had more at their best, by that share, than this run has.

    Args:
        model: The process, with the curves of all runs.
        finished: Which of them trained to their end ``(N,)``.
        best: The run's best score so far, raw.
        share: How far it is.
    """
    curves = [model.curves[run] for run in np.flatnonzero(finished)]
    ends = np.argsort([-scores[-1] for _, scores in curves], kind="stable")
    good = [curves[run] for run in ends[: max(_LEAST_GOOD, math.ceil(_GOOD * len(curves)))]]
    seen = [scores[shares <= share * (1.0 + _ROUNDING)] for shares, scores in good]
    bests = [float(scores.max()) for scores in seen if len(scores)]
    if not bests:
        return False
    return float(model.score_map.forward(np.array(best))) < float(np.quantile(bests, _GOOD, method="lower"))


def _log_worth(forecast: Forecast, level: float) -> float:
    """Return the log of the expected improvement over ``level``."""
    deviation = math.sqrt(forecast.variance)
    return math.log(deviation) + float(log_improvement(np.array([(forecast.mean - level) / deviation]))[0])


def _percent(chance: float) -> str:
    return "less than 1%" if chance < 0.01 else f"{chance:.0%}"
