"""Rules that end runs on their way by comparing curves, without a model, and what a run would have cost in full."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median

from metta_sweep.optimize.port import CurvePoint

Curve = Sequence[tuple[float, float]]
"""Share of the length done, rising, and score there: larger is better."""
StoppingRule = Callable[[Curve, Sequence[Curve]], "str | None"]
"""Given a run's curve and those of other runs, says why it is ended, or None."""
RUNGS = (0.2, 0.5)
"""Shares of the length at which halving looks."""
_ROUNDING = 1e-9


def halving(curve: Curve, others: Sequence[Curve]) -> str | None:
    """End a run below the median of other runs at the last rung that it has reached (Li et al. 2020, eta = 2).

    Args:
        curve: The run's.
        others: Those of the runs that are compared with it; one that did not come so far is left out.
    """
    reached = [rung for rung in RUNGS if curve[-1][0] >= rung - _ROUNDING]
    if not reached:
        return None
    return _below(_at(curve, reached[-1]), [_at(one, reached[-1]) for one in others], f"at {reached[-1]:.0%}")


def by_median(curve: Curve, others: Sequence[Curve]) -> str | None:
    """End a run whose best so far is below the median of other runs' mean so far (Golovin et al. 2017, 3.2.2).

    Args:
        curve: The run's.
        others: Those of the runs that are compared with it; one that did not come so far is left out.
    """
    share = curve[-1][0]
    best = max(score for _, score in curve)
    means = [_mean_until(one, share) for one in others]
    return _below(best, means, f"on average up to {share:.0%}")


RULES: dict[str, StoppingRule] = {"halving": halving, "median": by_median}
"""Rules by the name of their policy."""


def start_share(curves: Iterable[Sequence[CurvePoint]]) -> float:
    """Return the part of a whole run's cost that is gone before its training begins: imports, data, compilation.

    The median over the runs of what a line through their first and their last report says; 0 where none tells.

    Args:
        curves: Share of the length done, metric and cost so far, a report each; a list a run.
    """
    told = [share for curve in curves if (share := _start_share(curve)) is not None]
    return median(told) if told else 0.0


def whole_cost(cost: float, share: float, start: float) -> float:
    """Return what a run would have cost in full.

    Args:
        cost: So far.
        share: Of its length that it did.
        start: Part of a whole run's cost that its start takes; see :func:`start_share`.
    """
    done = start + (1.0 - start) * share
    return cost / done if done > 0.0 else cost


def _start_share(curve: Sequence[CurvePoint]) -> float | None:
    told = sorted((share, cost) for share, _, cost in curve if share > 0.0 and math.isfinite(cost))
    if len(told) < 2 or told[-1][0] <= told[0][0] or told[-1][1] <= told[0][1]:
        return None
    (first, first_cost), (last, last_cost) = told[0], told[-1]
    pace = (last_cost - first_cost) / (last - first)
    start = first_cost - first * pace
    return start / (start + pace) if start > _ROUNDING * pace else 0.0


def _mean_until(curve: Curve, share: float) -> float | None:
    """Return the mean score up to a share; None where the curve does not come so far."""
    seen = [score for at, score in curve if at <= share + _ROUNDING]
    return fmean(seen) if seen and curve[-1][0] >= share - _ROUNDING else None


def _at(curve: Curve, share: float) -> float | None:
    """Return the score at the first report at a share or after it; None where the curve does not come so far."""
    return next((score for at, score in curve if at >= share - _ROUNDING), None)


def _below(score: float | None, others: Sequence[float | None], where: str) -> str | None:
    known = [other for other in others if other is not None]
    if score is None or not known or score >= median(known):
        return None
    return f"below the median of {len(known)} runs {where}"
