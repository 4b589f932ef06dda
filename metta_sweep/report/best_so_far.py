"""The best mean up to each rollout, and the same as one line of a terminal: ``▁▂▂▅▅█``."""

from __future__ import annotations

from collections.abc import Sequence

from metta_sweep.report.rows import SweepRows

HEIGHTS = "▁▂▃▄▅▆▇█"
LONGEST = 40
"""Characters of a sparkline."""


def best_so_far(rows: SweepRows) -> list[float | None]:
    """Return the best mean up to each rollout."""
    best: float | None = None
    found: list[float | None] = []
    for row in rows.rollouts:
        if (
            row.mean is not None
            and not (row.outside or row.broken)
            and (best is None or rows.spec.goal.score(row.mean) > rows.spec.goal.score(best))
        ):
            best = row.mean
        found.append(best)
    return found


def sparkline(values: Sequence[float | None]) -> str:
    """Return values as heights, the last of each part where there are many; empty where they never change."""
    known = [value for value in values if value is not None]
    if not known or min(known) == max(known):
        return ""
    parts = min(LONGEST, len(known))
    shown = [known[(place + 1) * len(known) // parts - 1] for place in range(parts)]
    low, reach = min(known), max(known) - min(known)
    return "".join(HEIGHTS[round((value - low) / reach * (len(HEIGHTS) - 1))] for value in shown)
