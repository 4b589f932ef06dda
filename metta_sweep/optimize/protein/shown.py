"""What a metric has shown of where it ends, so that no interval promises what cannot be.

A metric that was never negative ends at 0: losses, errors, durations. A share of something, by its name, ends at 1, or
at 100 where it is told in percent. The worst value, once several points gave exactly it, is where the metric ends on
that side: an agent that scores nothing. A best value that comes back is no end: parameters without an effect repeat it
too, unless it is a 1 that no value exceeds. Whatever breaks one of these rules takes it away again.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from metta_sweep.space.scales import Array

FEWEST = 4
"""Values before which a metric has shown nothing."""
STUCK = 3
"""Points that give exactly the same value from which on that value is an end."""
SHARES = frozenset(
    {"acc", "accuracy", "ap", "auc", "auprc", "auroc", "dice", "f1", "iou", "map", "miou", "precision", "recall"}
    | {"success", "top1", "top5", "win", "winrate"}
)
"""Words in the names of metrics that are a share of something."""
_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The ends of a score; infinite where its metric has shown none."""

    floor: float = -math.inf
    """No run is worse."""
    ceiling: float = math.inf
    """No run is better."""

    @classmethod
    def of(cls, scores: Array, points: Array, sign: float, name: str = "") -> Shown:
        """Return where a score ends by what its metric was so far.

        Args:
            scores: The metric made larger-is-better ``(n,)``.
            points: Codes of the points that gave them ``(n, d)``.
            sign: 1 where a larger metric is better, -1 where a smaller one is.
            name: What the metric is called; empty where nobody said.
        """
        if len(scores) < FEWEST:
            return cls()
        metric, worst = sign * scores, float(scores.min())
        low = 0.0 if metric.min() >= 0.0 else -math.inf
        floor, ceiling = sorted((sign * low, sign * _top(metric, points, name)))
        if worst < scores.max() and _points_at(worst, scores, points) >= STUCK:
            floor = worst
        return cls(floor=floor, ceiling=ceiling)

    def within(self, scores: Array) -> Array:
        """Return scores, any shape, none of them beyond an end."""
        return np.clip(scores, self.floor, self.ceiling)


ENDLESS = Shown()
"""That of a score that has shown nothing."""


def _top(metric: Array, points: Array, name: str) -> float:
    """Return where a share ends; infinity for every other metric."""
    least, most = float(metric.min()), float(metric.max())
    is_share = " " not in name and not SHARES.isdisjoint(_WORDS.split(name.lower()))  # a weighted sum has spaces
    if least < 0.0 or not (is_share or (most == 1.0 and _points_at(1.0, metric, points) >= STUCK)):
        return math.inf
    return next((top for top in (1.0, 100.0) if most <= top), math.inf)


def _points_at(value: float, values: Array, points: Array) -> int:
    """Return how many different points gave exactly a value."""
    return len(np.unique(points[values == value], axis=0))
