"""Why a point is suggested, in one line for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metta_sweep.optimize.port import Prediction
from metta_sweep.space.parameter import same_value, spell

_MOST_MOVES = 4


def explain(params: Mapping[str, Any], best: Mapping[str, Any], told: Prediction) -> str:
    """Return what is expected, and what moved from the best point.

    Args:
        params: The suggestion's values.
        best: Values of the best point so far.
        told: The prediction for it.
    """
    parts = [f"expects {told.score:.4g} ({told.score_low:.4g} to {told.score_high:.4g}) for {told.cost:.3g} s"]
    if told.success < 0.995:
        parts.append(f"{told.success:.0%} chance of success")
    moves = moved(params, best)
    parts.append(f"from the best so far: {moves}" if moves else "next to the best so far")
    return "; ".join(parts)


def moved(params: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Return which parameters differ from the best point and how, the first few of them."""
    changes = [
        f"{name} {spell_short(best[name])} -> {spell_short(value)}"
        if name in best
        else f"{name} = {spell_short(value)}"
        for name, value in params.items()
        if name not in best or not same_value(value, best[name])
    ]
    more = f" and {len(changes) - _MOST_MOVES} more" if len(changes) > _MOST_MOVES else ""
    return ", ".join(changes[:_MOST_MOVES]) + more


def spell_short(value: Any) -> str:
    """Return a value in at most four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else spell(value)
