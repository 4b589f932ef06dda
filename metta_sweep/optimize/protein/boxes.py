"""The part of the objective space that a Pareto front does not dominate, as disjoint boxes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from metta_sweep.space.scales import Array


def undominated_boxes(points: Array, reference: Array) -> tuple[Array, Array]:
    """Return lower and upper corners ``(K, M)`` of disjoint boxes that fill what lies above a reference point.

    Everything that no point dominates, larger is better in all ``M`` objectives; upper corners may be infinite. It is
    cut into slabs along the last objective: within a slab only the points that reach above it count, and leave a
    problem of one objective less (slicing, While et al. 2006).

    Args:
        points: ``(n, M)``; what is not above the reference in everything counts for nothing.
        reference: ``(M,)``.
    """
    points = points[(points > reference).all(axis=1)]
    if len(reference) == 1:
        top = points.max(axis=0) if len(points) else reference
        return top[None], np.full((1, 1), np.inf)
    edges = np.concatenate([reference[-1:], np.unique(points[:, -1]), [np.inf]])
    lowers, uppers = [], []
    for begin, end in pairwise(edges.tolist()):
        lower, upper = undominated_boxes(points[points[:, -1] >= end, :-1], reference[:-1])
        lowers.append(np.column_stack([lower, np.full(len(lower), begin)]))
        uppers.append(np.column_stack([upper, np.full(len(upper), end)]))
    return np.concatenate(lowers), np.concatenate(uppers)


def undominated(points: Array) -> Array:
    """Return the indices ``(k,)`` of the points ``(n, M)`` that no other dominates; of equals the first."""
    kept = []
    for i, point in enumerate(points):
        at_least = (points >= point).all(axis=1)
        better = at_least & (points > point).any(axis=1)
        is_repeat = (points[:i] == point).all(axis=1).any()
        if not better.any() and not is_repeat:
            kept.append(i)
    return np.array(kept, dtype=np.intp)
