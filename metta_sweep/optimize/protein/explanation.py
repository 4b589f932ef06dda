"""Why a point is suggested, in one line for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr

from metta_sweep.optimize.port import Prediction
from metta_sweep.optimize.protein.acquisition import log_improvement
from metta_sweep.optimize.protein.model import Model
from metta_sweep.space.parameter import same_value, spell
from metta_sweep.space.scales import Array

_MOST_MOVES = 4


def explain(model: Model, point: Array, params: Mapping[str, Any], best: Mapping[str, Any], told: Prediction) -> str:
    """Return what is expected, how much of it is exploration, and what moved from the best point.

    Args:
        model: What Protein believes.
        point: Codes ``(d,)`` of the suggestion.
        params: Its values.
        best: Values of the best point so far.
        told: The prediction for it.
    """
    share = exploration(model, point)
    parts = [
        f"expects {told.score:.4g} ({told.score_low:.4g} to {told.score_high:.4g}) for {told.cost:.3g} s",
        f"{share:.0%} exploration",
    ]
    if told.success < 0.995:
        parts.append(f"{told.success:.0%} chance of success")
    moves = moved(params, best)
    parts.append(f"from the best so far: {moves}" if moves else "next to the best so far")
    return "; ".join(parts)


def exploration(model: Model, point: Array) -> float:
    """Return the share of the expected improvement that uncertainty alone brings, 0 to 1.

    Of EI = (mu - f*) Phi(z) + sigma phi(z) (Jones et al. 1998, eq. 15) it is the second term's share.
    """
    mean, variance = model.score.predict(point[None])
    deviation = np.sqrt(variance[:, 0])
    z = (mean[:, 0] - model.incumbent) / deviation
    density = -0.5 * z * z - 0.5 * np.log(2.0 * np.pi)
    share = np.exp(np.minimum(0.0, density - log_improvement(z)))
    return float(np.where(ndtr(z) > 0, share, 1.0).mean())


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
