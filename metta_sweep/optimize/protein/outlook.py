"""When a run on its way is judged, and what is said of one that is not; the judgement itself is in ``worth``."""

from __future__ import annotations

import math

from metta_sweep.optimize.port import Outlook, RunAction
from metta_sweep.optimize.protein.curves import Reports

MIN_SHARE = 0.1
"""Share of its length before which a run is not judged."""
MIN_FULL_RUNS = 4
"""Runs known with their curves to their end, before which no run is judged."""
_ROUNDING = 1e-9


def why_not_judged(reports: Reports, known: int, min_share: float, min_full_runs: int) -> str | None:
    """Return why a run is not judged now, or None where it is.

    Args:
        reports: What it has reported: share of its length, rising, and score.
        known: How many runs are known with their curves to their end.
        min_share: Share of its length before which it is not judged.
        min_full_runs: Runs that must be known to their end; one at least.
    """
    least = max(1, min_full_runs)
    if not reports:
        return "has reported nothing yet"
    if reports[-1][0] == 1.0:
        return "is at its end"
    if reports[-1][0] < min_share - _ROUNDING:
        return f"not judged before {min_share:.0%} of its length"
    if known < least:
        return f"not judged before {least} runs are known to their end: {known} so far"
    return None


def unjudged(reports: Reports, sign: float, reason: str) -> Outlook:
    """Return the outlook of a run that is not judged: its last report, and no bounds."""
    last = sign * reports[-1][1] if reports else math.nan
    return Outlook(action=RunAction.CONTINUE, final=(last, -math.inf, math.inf), chance=1.0, reason=reason)
