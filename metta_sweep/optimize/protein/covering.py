"""Which of very many observations the models are conditioned on: their work grows with the cube of the number.

Half of them are the best: what is improved on, and what is near it. The other half covers the rest of the space, each
next one as far from all others as there is (Gonzalez 1985). The choice is the same for every order of the observations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metta_sweep.space.scales import Array

MOST = 1000
"""Observations at most."""


def worth_conditioning_on(points: Array, scores: Array, most: int) -> NDArray[np.intp]:
    """Return indices, rising, of at most ``most`` observations.

    Args:
        points: Codes ``(n, d)`` in canonical order.
        scores: Larger is better ``(n, V)``: the best of each column count alike.
        most: How many.
    """
    if len(points) <= most:
        return np.arange(len(points))
    ranks = np.argsort(np.argsort(-scores, axis=0, kind="stable"), axis=0, kind="stable").min(axis=1)
    best = np.argsort(ranks, kind="stable")[: most // 2]
    distance = _squares(points, points[best[:1]]).ravel()
    for at in best[1:]:
        np.minimum(distance, _squares(points, points[at]), out=distance)
    chosen = best.tolist()
    distance[best] = -1.0
    while len(chosen) < most:
        at = int(distance.argmax())
        chosen.append(at)
        np.minimum(distance, _squares(points, points[at]), out=distance)
        distance[at] = -1.0
    return np.sort(np.array(chosen, dtype=np.intp))


def _squares(points: Array, one: Array) -> Array:
    """Return squared distances ``(n,)`` of points from one."""
    away = points - one
    squares: Array = np.einsum("nd,nd->n", away, away)
    return squares
