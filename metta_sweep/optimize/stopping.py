"""Rules that end runs on their way by comparing curves, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

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
