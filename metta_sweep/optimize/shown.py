"""Where a metric ends, by what is declared of it and what it has shown, so that no interval promises what cannot be.

A metric that was never negative ends at 0: losses, errors, durations. A share of something, by its name, ends at 1, or
at 100 where it is told in percent. The worst value, once several points gave exactly it, is where the metric ends on
that side: an agent that scores nothing. A best value that comes back is no end: parameters without an effect repeat it
too, unless it is a 1 that no value exceeds. An end that is declared stands instead of these rules on its side. Whatever
lies beyond an end takes it away again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metta_sweep.space.scales import Array
from metta_sweep.trees import leaves

Range = Sequence[float | None]
"""A smallest and a largest value; None where there is none."""

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
class Metric:
    """What is known of a metric before any run has reported it."""

    name: str = ""
    """What it is called; empty where nobody said."""
    least: float = -math.inf
    """No value is smaller; -infinity where nothing is declared."""
    most: float = math.inf
    """No value is larger; infinity where nothing is declared."""

    @classmethod
    def declared(cls, name: str, ranges: Range | Mapping[str, Any] | None) -> Metric:
        """Return what is known of a metric by its name and by what a person said of it.

        Args:
            name: What it is called.
            ranges: Its range, or the ranges of several metrics by their names.
        """
        ends = dict(leaves(ranges)).get(name) if isinstance(ranges, Mapping) else ranges
        least, most = ends or (None, None)
        return cls(name=name, least=-math.inf if least is None else least, most=math.inf if most is None else most)


NAMELESS = Metric()
"""One that nothing is known of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The ends of a score; infinite where its metric has shown none."""

    floor: float = -math.inf
    """No run is worse."""
    ceiling: float = math.inf
    """No run is better."""

    @classmethod
    def of(cls, scores: Array, points: Array, sign: float, metric: Metric = NAMELESS) -> Shown:
        """Return where a score ends by what is known of its metric, and by what it was so far.

        Args:
            scores: The metric made larger-is-better ``(n,)``.
            points: Codes of the points that gave them ``(n, d)``.
            sign: 1 where a larger metric is better, -1 where a smaller one is.
            metric: What is known of the metric.
        """
        values = sign * scores
        least, most = _shown_ends(values, points, sign, metric.name) if len(values) >= FEWEST else (-math.inf, math.inf)
        if -math.inf < metric.least <= values.min(initial=math.inf):
            least = metric.least
        if math.inf > metric.most >= values.max(initial=-math.inf):
            most = metric.most
        floor, ceiling = sorted((sign * least, sign * most))
        return cls(floor=floor, ceiling=ceiling)

    def within(self, scores: Array) -> Array:
        """Return scores, any shape, none of them beyond an end."""
        return np.clip(scores, self.floor, self.ceiling)


ENDLESS = Shown()
"""That of a score that has shown nothing."""


def _shown_ends(values: Array, points: Array, sign: float, name: str) -> tuple[float, float]:
    """Return the least and the most of a metric by the rules above, infinite where none holds."""
    least, most = 0.0 if values.min() >= 0.0 else -math.inf, _top(values, points, name)
    worst = float(values.min() if sign > 0 else values.max())
    if values.min() < values.max() and _points_at(worst, values, points) >= STUCK:
        return (worst, most) if sign > 0 else (least, worst)
    return least, most


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
