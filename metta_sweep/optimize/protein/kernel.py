"""The Matern-5/2 kernel with one lengthscale a parameter, on numbers, categories and inactive parameters alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

SQRT5 = float(np.sqrt(5.0))
_BLOCK = 8192
"""Numbers at a time: 64 KiB of each array. Larger intermediate arrays cost more to fetch than to compute."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How far apart two points are, parameter by parameter.

    Numbers differ by the difference of their codes. Categories differ by 1 or not at all (Hamming distance). Rounding
    and inactive parameters need nothing here: codes come snapped, and inactive ones sit at their center.
    """

    unordered: tuple[int, ...]
    """For each parameter: its number of categories, or 0 for a number."""

    @classmethod
    def of(cls, space: SearchSpace) -> Geometry:
        """Read the kinds of a space's parameters."""
        return cls(unordered=tuple((p.domain.size or 0) if p.domain.is_unordered else 0 for p in space.parameters))

    @property
    def dim(self) -> int:
        """Number of parameters, d."""
        return len(self.unordered)

    @cached_property
    def owner(self) -> NDArray[np.intp]:
        """For each feature the parameter that it belongs to ``(f,)``."""
        return np.repeat(np.arange(self.dim), [max(1, size) for size in self.unordered])

    @cached_property
    def numeric(self) -> NDArray[np.intp]:
        """Indices of the parameters that are numbers."""
        return np.array([i for i, size in enumerate(self.unordered) if not size], dtype=np.intp)

    @cached_property
    def numeric_features(self) -> NDArray[np.intp]:
        """Indices of the features of those parameters."""
        return np.array([int(np.argmax(self.owner == i)) for i in self.numeric], dtype=np.intp)

    def features(self, points: Array) -> Array:
        """Return features ``(n, f)`` of codes ``(n, d)``, as far apart as the points are."""
        columns = []
        for i, size in enumerate(self.unordered):
            if size:
                columns.append((np.round(points[:, i, None]) == np.arange(size)) * np.sqrt(0.5))
            else:
                columns.append(points[:, i, None])
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(points), 0))

    def squared_differences(self, points: Array) -> Array:
        """Return squared differences ``(d, n, n)`` between points ``(n, d)``, unscaled."""
        features = self.features(points)
        return self._of_parameters((features.T[:, :, None] - features.T[:, None, :]) ** 2)

    def pair_differences(self, points: Array) -> Array:
        """Return the same of every pair once ``(d, n (n - 1) / 2)``, in the order of :func:`pairs`."""
        features, (left, right) = self.features(points).T, pairs(len(points))
        return self._of_parameters((features[:, left] - features[:, right]) ** 2)

    def _of_parameters(self, each: Array) -> Array:
        """Return the sums over each parameter's features ``(d, ..)`` of what is known of features ``(f, ..)``."""
        if not any(self.unordered):
            return each
        summed = np.zeros((self.dim, *each.shape[1:]))
        np.add.at(summed, self.owner, each)
        return summed


def pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two indices of every pair of ``count`` things ``(count (count - 1) / 2,)``, the smaller one first."""
    left, right = np.triu_indices(count, 1)
    return left, right


def matern52(r2: Array) -> Array:
    """Return the Matern-5/2 correlation of squared scaled distances (Rasmussen & Williams 2006, eq. 4.17)."""
    correlation = np.empty(np.shape(r2))
    for part, to in _blocks(r2, correlation):
        r, decay = _decay(part)
        np.multiply(r / 3.0, r, out=to)
        to += r
        to += 1.0
        to *= decay
    return correlation


def matern52_slope(r2: Array) -> tuple[Array, Array]:
    """Return the correlation and its derivative by ``r2``: ``-5/6 (1 + sqrt5 r) exp(-sqrt5 r)``."""
    correlation, slope = np.empty(np.shape(r2)), np.empty(np.shape(r2))
    for part, to, by in _blocks(r2, correlation, slope):
        r, decay = _decay(part)
        np.multiply(1.0 + r, decay, out=by)
        np.multiply(r * r / 3.0, decay, out=to)
        to += by
        by *= -5.0 / 6.0
    return correlation, slope


def _decay(r2: Array) -> tuple[Array, Array]:
    """Return ``sqrt5 r`` and its negative exponential."""
    r = np.sqrt(r2)
    r *= SQRT5
    decay = np.negative(r)
    return r, np.exp(decay, out=decay)


def _blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield flat stretches of arrays of one size, short enough that what is computed of them stays in the cache."""
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, _BLOCK):
        yield tuple(each[start : start + _BLOCK] for each in flat)


def scaled_distances(left: Array, right: Array) -> Array:
    """Return squared distances ``(.., n, m)`` between scaled features ``(.., n, f)`` and ``(.., m, f)``."""
    distances: Array = left @ np.swapaxes(-2.0 * right, -1, -2)
    distances += (left**2).sum(-1)[..., :, None]
    distances += (right**2).sum(-1)[..., None, :]
    return np.maximum(distances, 0.0, out=distances)
