"""The Pareto front of a sweep with several goals: which rollouts no other beats, and how large it is.

One point dominates another where it is at least as good in every metric and better in one (Deb 2001, section 2.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from metta_sweep.goal import Objective
from metta_sweep.sweep.records import Observation

Scores = tuple[float, ...]
"""The metrics of one point made larger-is-better, in the order of the objectives."""


def scores_of(seen: Observation, objectives: Sequence[Objective]) -> Scores:
    """Return an observation's metrics, made larger-is-better."""
    return tuple(one.goal.score(seen.values[one.metric]) for one in objectives)


def dominates(one: Scores, other: Scores) -> bool:
    """Return whether a point is at least as good as another in everything, and better in something."""
    return one != other and all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def with_one_more(
    front: Iterable[Observation], seen: Observation, objectives: Sequence[Objective]
) -> list[Observation]:
    """Return a front with one more observation, by rollout; of two equals the earlier rollout stays."""
    mine = scores_of(seen, objectives)
    others = [(other, scores_of(other, objectives)) for other in front if other.rollout != seen.rollout]
    if any(dominates(theirs, mine) or (theirs == mine and other.rollout < seen.rollout) for other, theirs in others):
        return [other for other, _ in others]
    kept = [other for other, theirs in others if theirs != mine and not dominates(mine, theirs)]
    return sorted([*kept, seen], key=lambda one: one.rollout)


def hypervolume(points: Iterable[Scores], reference: Scores) -> float:
    """Return the volume that points dominate above a reference point, by slices along the last metric.

    Hypervolume by slicing objectives (While et al. 2006): exact, and quick enough for a front of up to four metrics.

    Args:
        points: Larger is better.
        reference: What is at most as good as every point that counts.
    """
    inside = [point for point in points if all(mine > least for mine, least in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 2:
        return _area(inside, reference)
    levels = sorted({point[-1] for point in inside}, reverse=True)
    volume = 0.0
    for level, below in zip(levels, [*levels[1:], reference[-1]], strict=True):
        slab = [point[:-1] for point in inside if point[-1] >= level]
        volume += (level - below) * hypervolume(_undominated(slab), reference[:-1])
    return volume


def _area(points: Sequence[Scores], reference: Scores) -> float:
    """Return the area that points ``(x, y)`` dominate, in one sweep from the largest x down."""
    area, height = 0.0, reference[1]
    for x, y in sorted(points, reverse=True):
        area += (x - reference[0]) * max(0.0, y - height)
        height = max(height, y)
    return area


def _undominated(points: Sequence[Scores]) -> list[Scores]:
    return [point for point in set(points) if not any(dominates(other, point) for other in points)]


def share_of_box(points: Sequence[Scores], seen: Sequence[Scores]) -> float | None:
    """Return the hypervolume of a front as a share of the box between the worst and the best that was seen, 0 to 1.

    None where the box is flat. A share needs no units; it grows while the front does, and may fall where a new point
    widens the box.

    Args:
        points: The front.
        seen: Every point that was seen, those of the front included.
    """
    worst, best = (tuple(end(column) for column in zip(*seen, strict=True)) for end in (min, max))
    size = 1.0
    for low, high in zip(worst, best, strict=True):
        size *= high - low
    return hypervolume(points, worst) / size if size > 0.0 else None


def growth(seen: Iterable[Observation | None], objectives: Sequence[Objective]) -> Iterator[tuple[int, float]]:
    """Yield the number of points of the front and its share of the box, after each outcome in order.

    Args:
        seen: What came of each rollout; None where it has no score. What breaks a bound counts for nothing.
        objectives: The goals.
    """
    front: list[Observation] = []
    every: list[Scores] = []
    for one in seen:
        if one is not None and one.metric is not None and not one.broken:
            every.append(scores_of(one, objectives))
            front = with_one_more(front, one, objectives)
        points = [scores_of(each, objectives) for each in front]
        yield len(front), (share_of_box(points, every) or 0.0) if front else 0.0
