"""A sequence of feasible points, each different from those before it, that is read past what is taken.

The next point is the first of the sequence that is neither observed nor pending. So it depends on which points are
taken and on nothing else, whatever their order, and finding it takes the same time after ten points as after thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

BATCH = 64
"""Points that are made at a time."""
BARREN = 24
"""Batches in a row without a new point after which the whole space is held to be taken."""
_KEPT = 256
"""Most pending points whose keys are remembered."""


def point_key(codes: Array) -> bytes:
    """Return what two codes ``(d,)`` of the same point share, whatever their last bits are."""
    return (np.round(codes, 7) + 0.0).tobytes()


def unlike(codes: Array, taken: Array) -> Array:
    """Return the codes ``(<= n, d)`` that differ from every taken one and from each other, in order."""
    seen = set(map(point_key, taken))
    fresh = []
    for row in codes:
        if point_key(row) not in seen:
            seen.add(point_key(row))
            fresh.append(row)
    return np.array(fresh, dtype=np.float64).reshape(len(fresh), codes.shape[1])


class FreshPoints:
    """The points of a sequence that are not taken, in its order.

    Args:
        batches: Codes ``(n, d)`` of feasible points, without an end; those that came before are passed over.
    """

    def __init__(self, batches: Iterator[Array]) -> None:
        self._batches = batches
        self._points: list[Array] = []
        self._keys: list[bytes] = []
        self._listed: set[bytes] = set()
        self._observed: set[bytes] = set()
        self._first = 0
        self._barren = 0

    def take(self, codes: Array) -> None:
        """Pass over a point ``(d,)`` from now on."""
        self._observed.add(point_key(codes))

    def is_fresh(self, codes: Array, pending: Iterable[Array] = ()) -> bool:
        """Tell whether a point ``(d,)`` is neither taken nor pending."""
        key = point_key(codes)
        return key not in self._observed and key not in set(map(point_key, pending))

    def next(self, pending: Iterable[Array] = ()) -> Array | None:
        """Return the next point ``(d,)``, or None where the whole space is taken.

        Args:
            pending: Codes not to return, though they are not taken for good.
        """
        found = self.following(1, pending)
        return found[0] if len(found) else None

    def following(self, count: int, pending: Iterable[Array] = ()) -> Array:
        """Return the next points ``(<= count, d)``: fewer where the whole space is taken, (0, 0) where it is all.

        Args:
            count: How many.
            pending: As for :meth:`next`.
        """
        waiting = set(map(point_key, pending))
        while self._has(self._first) and self._keys[self._first] in self._observed:
            self._first += 1
        found: list[Array] = []
        at = self._first
        while len(found) < count and self._has(at):
            if self._keys[at] not in self._observed and self._keys[at] not in waiting:
                found.append(self._points[at])
            at += 1
        return np.array(found) if found else np.zeros((0, 0))

    def _has(self, index: int) -> bool:
        """Return whether the sequence reaches an index, after making as much of it as that takes."""
        while index >= len(self._points) and self._barren < BARREN:
            before = len(self._points)
            self._add(next(self._batches))
            self._barren = 0 if len(self._points) > before else self._barren + 1
        return index < len(self._points)

    def _add(self, batch: Array) -> None:
        for row in batch:
            key = point_key(row)
            if key not in self._listed:
                self._listed.add(key)
                self._keys.append(key)
                self._points.append(row)


class Encoder:
    """Codes of plain values, remembered: pending points come again with every suggestion."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._known: dict[str, Array] = {}

    def codes(self, params: Mapping[str, Any]) -> Array:
        """Return the codes ``(d,)`` of plain values.

        Raises:
            RequestError: They are no point of the space.
        """
        spelled = repr(params)
        found = self._known.get(spelled)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[spelled] = self._space.encode(params)
        return found
