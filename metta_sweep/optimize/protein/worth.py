"""Whether the rest of a run that is on its way is worth its cost, and which of those that were ended may go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from metta_sweep.optimize.port import Outlook, RunAction
from metta_sweep.optimize.protein.curve_model import CurveModel, Forecast
from metta_sweep.optimize.protein.curves import Reports, RunCurve
from metta_sweep.optimize.stopping import halving
from metta_sweep.space.scales import Array

LIKELY = 0.5
"""Chance to beat the best from which on a run goes on: though most others had more by then, or though it was ended.
Letting go on what has 30% was measured to cost more than it finds."""
LEAST_TOLD = 0.1
"""Share of what is open about a run that its reports must have settled before they can end it."""
_NORMAL_95 = 1.6448536269514722


def judged(
    model: CurveModel,
    runs: Sequence[RunCurve],
    codes: Array,
    reports: Reports,
    sign: float,
    *,
    others: Sequence[Reports],
) -> Outlook:
    """Judge a run by its rank, where the model does not know better.

    A run below the median of the others at 20% or 50% of its length is ended (``stopping.halving``), unless the model
    speaks for it. It does so in two cases. The run is likely to win: its neighbours have done well, and the report is
    bad luck. Or reports say nothing yet of the end, as with sparse rewards and other late starters, where no rank means
    anything: how much a report foretells is learned with the rest. The yardstick is the best mean that the model gives
    a finished point: the best score itself is lucky.

    Args:
        model: The process of all curves.
        runs: The runs that it knows, in its order; at least one of them finished.
        codes: The run's point ``(d,)``.
        reports: Share of its length and score, rising; at least one, and the last share below 1.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
        others: The reports of all other runs, those too that are more than the model knows.

    Raises:
        FitError: A covariance could not be factored.
    """
    model = model.cut_at(reports[-1][0])
    level = _level(model, _finished(runs))
    before, now = model.forecast(codes), model.forecast(codes, reports)
    chance = _chance(now.mean, now.variance, level)
    told = 1.0 - now.variance / before.variance
    low = halving(reports, others)
    for_it = _for_it(chance, told) if low else "not below the median of the other runs"
    final = _in_raw_units(model, now, sign)
    best = sign * float(model.score_map.expected(np.array(level)))
    expects = f"expects {final[1]:.4g} to {final[2]:.4g}, the best point gives {best:.4g}"
    return Outlook(
        action=RunAction.CONTINUE if for_it else RunAction.STOP,
        final=final,
        chance=chance,
        reason=f"{expects}; {_percent(chance)} to be better: {for_it or low}",
    )


def reconsidered(model: CurveModel, runs: Sequence[RunCurve], codes: Array, sign: float) -> Outlook:
    """Say what is thought by now of a run that was ended, and that the model therefore knows.

    Args:
        model: The process of all curves.
        runs: The runs that it knows, in its order; at least one of them finished.
        codes: The run's point ``(d,)``.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """
    level, now = _level(model, _finished(runs)), model.forecast(codes)
    chance = _chance(now.mean, now.variance, level)
    return Outlook(
        action=RunAction.CONTINUE if chance >= LIKELY else RunAction.PAUSE,
        final=_in_raw_units(model, now, sign),
        chance=chance,
        reason=f"{_percent(chance)} to be better than the best",
    )


def _finished(runs: Sequence[RunCurve]) -> NDArray[np.bool_]:
    return np.array([not run.ended for run in runs])


def _level(model: CurveModel, finished: NDArray[np.bool_]) -> float:
    return float(model.finals()[0][finished].max())


def _chance(mean: float, variance: float, level: float) -> float:
    return float(ndtr((mean - level) / math.sqrt(variance)))


def _in_raw_units(model: CurveModel, forecast: Forecast, sign: float) -> tuple[float, float, float]:
    """Return median, 5% and 95% quantile of what the run will report, as the user's goal sees it."""
    spread = math.sqrt(forecast.run_variance) * np.array([0.0, -_NORMAL_95, _NORMAL_95])
    value, *bounds = (sign * model.score_map.expected(forecast.run_mean + spread)).tolist()
    return value, min(bounds), max(bounds)


def _for_it(chance: float, told: float) -> str:
    """Return what speaks for a run that is behind the others; empty where nothing does."""
    if chance >= LIKELY:
        return "likely to win though it is behind"
    return "its reports say too little of its end so far" if told < LEAST_TOLD else ""


def _percent(chance: float) -> str:
    return "less than 1%" if chance < 0.01 else f"{chance:.0%}"
