"""How much a run is worth where several metrics are traded off: the hypervolume that it is expected to add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from metta_sweep.optimize.protein.acquisition import Acquisition
from metta_sweep.optimize.protein.boxes import undominated, undominated_boxes
from metta_sweep.optimize.protein.posterior import Posterior
from metta_sweep.space.scales import Array

MOST_POINTS = {2: 60, 3: 12, 4: 8}
"""Points of a front that are kept, by the number of metrics: what it is cut into grows with its power."""
MARGIN, LEAST_MARGIN = 0.1, 0.1
"""How far behind the worst of the front its reference point lies: a share of the front's extent, and at least so many
standard deviations of the scores; a tenth is the usual choice (Ishibuchi et al. 2018)."""
_SQRT_2PI = float(np.sqrt(2.0 * np.pi))
_NOTHING = 1e-300

Boxes = tuple[Array, Array]
"""Lower and upper corners ``(K, M)``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrontAcquisition(Acquisition):
    """Log expected hypervolume improvement, with the chances and the cost of :class:`Acquisition`.

    With one independent process a metric, and the undominated space cut into disjoint boxes with corners l and u
    (Emmerich et al. 2011; Yang et al. 2019; Daulton et al. 2020, section 3)::

        EHVI(x) = sum_k prod_i [ g_i(l_ki) - g_i(u_ki) ]
        g_i(a)  = E[max(y_i - a, 0)] = sigma_i (z Phi(z) + phi(z)),   z = (mu_i - a) / sigma_i

    It is averaged over the hyperparameter samples, each with a front of its own: what its posterior means make of the
    observed points, and of the pending ones.
    """

    metrics: tuple[Posterior, ...]
    """One a metric, of ``H`` samples each."""
    boxes: tuple[Boxes, ...]
    """The space that the front leaves open, one a sample."""

    def _improvement(self, points: Array, cost: Array) -> Array:
        del cost
        mean, deviation = self._predicted(points)
        total = np.mean(
            [_sizes(mean[h], deviation[h], *boxes).prod(axis=-1).sum(axis=-1) for h, boxes in enumerate(self.boxes)], 0
        )
        improvement: Array = np.log(total + _NOTHING)
        return improvement

    def _predicted(self, points: Array) -> tuple[Array, Array]:
        """Return means and standard deviations ``(H, m, M)``."""
        told = [metric.predict(points) for metric in self.metrics]
        return np.stack([mean for mean, _ in told], -1), np.sqrt(np.stack([variance for _, variance in told], -1))

    def _improvement_gradient(self, points: Array, cost: Array, by_cost: Array) -> Array:
        """Return the gradient of the log improvement, by the rule for products."""
        del cost, by_cost
        told = [metric.predict_with_gradient(points) for metric in self.metrics]
        mean, deviation = np.stack([one[0] for one in told], -1), np.sqrt(np.stack([one[1] for one in told], -1))
        total, gradient = np.zeros(len(points)), np.zeros_like(points)
        for h, (lower, upper) in enumerate(self.boxes):
            sizes = _sizes(mean[h], deviation[h], lower, upper)
            total += sizes.prod(axis=-1).sum(axis=-1)
            for i, (_, _, by_mean, by_variance) in enumerate(told):
                others = np.delete(sizes, i, axis=-1).prod(axis=-1)
                up, wider = _slopes(mean[h, :, i], deviation[h, :, i], lower[:, i], upper[:, i])
                by_deviation = by_variance[h] / (2.0 * deviation[h, :, i, None])
                gradient += (others * up).sum(-1)[:, None] * by_mean[h]
                gradient += (others * wider).sum(-1)[:, None] * by_deviation
        slope: Array = gradient / (total + _NOTHING)[:, None]
        return slope


def boxes_of(means: Array) -> Boxes:
    """Return what the front of points leaves open.

    Args:
        means: Posterior means ``(n, M)`` of the points that count.
    """
    front = means[undominated(means)]
    extent = front.max(axis=0) - front.min(axis=0)
    reference = front.min(axis=0) - np.maximum(MARGIN * extent, LEAST_MARGIN)
    return undominated_boxes(_fewer(front), reference)


def _fewer(front: Array) -> Array:
    """Return a front of few points, the ends of each metric among them."""
    most = MOST_POINTS.get(front.shape[1], 8)
    if len(front) <= most:
        return front
    ordered = front[np.lexsort(front.T)]
    ends = set(ordered.argmax(axis=0).tolist())
    even = np.linspace(0, len(ordered) - 1, most - len(ends)).round().astype(int).tolist()
    kept: Array = ordered[sorted(ends | set(even))]
    return kept


def _sizes(mean: Array, deviation: Array, lower: Array, upper: Array) -> Array:
    """Return the expected length ``(m, K, M)`` that normals ``(m, M)`` reach into each side of the boxes."""
    return _above(mean[:, None], deviation[:, None], lower) - _above(mean[:, None], deviation[:, None], upper)


def _above(mean: Array, deviation: Array, level: Array) -> Array:
    """Return g(a) = E[max(y - a, 0)]; 0 at an infinite level."""
    z = (mean - np.where(np.isinf(level), 0.0, level)) / deviation
    expected = deviation * (z * ndtr(z) + np.exp(-0.5 * z * z) / _SQRT_2PI)
    return np.where(np.isinf(level), 0.0, np.maximum(expected, 0.0))


def _slopes(mean: Array, deviation: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the derivatives of one side's length by mean and deviation ``(m, K)``: Phi(z) and phi(z), differences."""
    below, above = ((mean[:, None] - level) / deviation[:, None] for level in (lower, upper))
    up = ndtr(below) - ndtr(above)
    wider = (np.exp(-0.5 * below * below) - np.exp(-0.5 * above * above)) / _SQRT_2PI
    return up, wider


def fronts_of(means: Sequence[Array]) -> tuple[Boxes, ...]:
    """Return what the front leaves open under each hyperparameter sample.

    Args:
        means: Posterior means ``(H, n)`` of the points that count, one array a metric.
    """
    return tuple(boxes_of(each) for each in np.stack(means, axis=-1))
