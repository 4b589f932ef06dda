"""The Matern-5/2 kernel with one lengthscale a parameter, on numbers, categories and inactive parameters alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

SQRT5 = float(np.sqrt(5.0))


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
        each = (features.T[:, :, None] - features.T[:, None, :]) ** 2
        if not any(self.unordered):
            return each
        summed = np.zeros((self.dim, len(points), len(points)))
        np.add.at(summed, self.owner, each)
        return summed


def matern52(r2: Array) -> Array:
    """Return the Matern-5/2 correlation of squared scaled distances (Rasmussen & Williams 2006, eq. 4.17)."""
    r = SQRT5 * np.sqrt(r2)
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


def matern52_slope(r2: Array) -> tuple[Array, Array]:
    """Return the correlation and its derivative by ``r2``: ``-5/6 (1 + sqrt5 r) exp(-sqrt5 r)``."""
    r = SQRT5 * np.sqrt(r2)
    decay = np.exp(-r)
    slope = (1.0 + r) * decay
    return slope + r * r / 3.0 * decay, -5.0 / 6.0 * slope


def scaled_distances(left: Array, right: Array) -> Array:
    """Return squared distances ``(.., n, m)`` between scaled features ``(.., n, f)`` and ``(.., m, f)``."""
    distances: Array = (left**2).sum(-1)[..., :, None] + (right**2).sum(-1)[..., None, :]
    distances -= 2.0 * left @ np.swapaxes(right, -1, -2)
    return np.maximum(distances, 0.0, out=distances)
