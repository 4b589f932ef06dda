"""What several goals trade off: the front in each pair of metrics, and how it grew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from metta_sweep.goal import Objective
from metta_sweep.report.html.figure import Figure, axis, line, outside_note, points, window
from metta_sweep.report.rows import RolloutRow, SweepRows
from metta_sweep.sweep.front import growth
from metta_sweep.sweep.records import Observation

MOST_PAIRS = 3
"""Pairs of metrics that are drawn."""


def fronts(rows: SweepRows) -> list[Figure]:
    """Return a figure of the front for each pair of metrics, the first ones of more than three goals."""
    pairs = list(combinations(rows.spec.objectives, 2))[:MOST_PAIRS]
    return [_front(rows, x, y, f"front_{number}") for number, (x, y) in enumerate(pairs)]


def _front(rows: SweepRows, x: Objective, y: Objective, key: str) -> Figure:
    known = [row for row in rows.rollouts if row.values and not row.outside]
    front = sorted((rows.rollouts[index] for index in rows.front), key=lambda row: row.values[x.metric])
    kept = [row for row in known if not row.broken and row.index not in rows.front]
    groups = (
        ("on the front", front, "@best", "diamond"),
        ("beaten in everything", kept, "@ok", "circle"),
        ("breaks a bound", [row for row in known if row.broken], "@bad", "triangle-down-open"),
    )
    is_whole = len(rows.spec.objectives) == 2
    stairs = [_stairs(front, x, y)] if is_whole and len(front) > 1 else []
    (wide, left_out), (high, above) = (window(row.values[one.metric] for row in known) for one in (x, y))
    others = "" if is_whole else " Further metrics count too, so that a point of the front may look beaten here."
    side, end = "right" if x.goal.sign > 0 else "left", "top" if y.goal.sign > 0 else "bottom"
    return Figure(
        key=key,
        title=f"{x.metric} and {y.metric}",
        caption=f"Each point is a rollout, and better towards the {end} {side}. "
        "No point is better than one of the front in everything."
        f"{others}{outside_note(left_out + above)}",
        data=[*stairs, *(_trace(group, x, y) for group in groups if group[1])],
        layout={"xaxis": axis(x.metric, range=wide), "yaxis": axis(y.metric, range=high)},
    )


def _trace(group: tuple[str, Sequence[RolloutRow], str, str], x: Objective, y: Objective) -> dict[str, Any]:
    name, chosen, color, symbol = group
    return points(
        name,
        [row.values[x.metric] for row in chosen],
        [row.values[y.metric] for row in chosen],
        color=color,
        symbol=symbol,
        rollouts=[row.index for row in chosen],
    )


def _stairs(front: Sequence[RolloutRow], x: Objective, y: Objective) -> dict[str, Any]:
    """Return the border of what the front dominates: from one point to the next it is as bad as the worse of both."""
    shape = "vh" if x.goal.sign > 0 else "hv"
    across = [row.values[x.metric] for row in front]
    up = [row.values[y.metric] for row in front]
    return line("border of the front", across, up, color="@best", line={"shape": shape, "width": 1.5})


def front_growth(rows: SweepRows) -> Figure:
    """Return how much of the box between the worst and the best seen the front dominated after each rollout."""
    seen = [_observed(row) for row in rows.rollouts]
    shares = [100.0 * share for _, share in growth(seen, rows.spec.objectives)]
    return Figure(
        key="front_growth",
        title="Hypervolume by rollout",
        caption="What the front dominates, as a share of the box between the worst and the best that was seen by then. "
        "It rises as the front grows, and falls where a new extreme widens the box.",
        data=[line("hypervolume", [row.index for row in rows.rollouts], shares, color="@best", line={"shape": "hv"})],
        layout={"xaxis": axis("rollout"), "yaxis": axis("hypervolume (% of the box)", range=[0, 100])},
    )


def _observed(row: RolloutRow) -> Observation | None:
    if not row.values or row.outside:
        return None
    return Observation(rollout=row.index, params=row.params, metric=row.mean, values=row.values, broken=row.broken)
