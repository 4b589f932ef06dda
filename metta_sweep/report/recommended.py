"""What to train again, in words: where the best score is more luck than merit, another point is the better choice."""

from __future__ import annotations

from collections.abc import Iterator

from metta_sweep.report.rows import SweepRows
from metta_sweep.report.wording import chance, number


def recommended_lines(rows: SweepRows) -> Iterator[str]:
    """Yield which rollout to train again instead of the best run's, and why; nothing where there is none."""
    one = rows.recommended
    if one is None:
        return
    yield f"To train again, take rollout {one.rollout} ({chance(one.chance)} chance that it is the better one):"
    interval = f"90% interval {number(one.low)} to {number(one.high)}"
    average = f"by the model many runs of it would average {number(one.mean)} ({interval})"
    yield f"  {average}, and many of rollout {one.instead_of} {number(one.instead_mean)}"
