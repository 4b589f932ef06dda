"""Sobol points with a linear scramble and a shift, the very ones of ``scipy.stats.qmc.Sobol``, without its import.

``scipy.stats`` takes a second and a half of a core to import, and every start of a sweep would wait for it.

The sequence is Sobol's (1967) by the recurrence of Bratley and Fox (1988, Algorithm 659) with the direction numbers of
Joe and Kuo (2008); the scramble is the linear one of Matousek (1998). A test holds the points equal to those of scipy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metta_sweep.space.scales import Array

Digits = NDArray[np.uint32]
"""Binary numbers, or single digits of them."""

BITS = 30
"""Binary digits of a coordinate; the sequence has 2^30 points."""

# A row a dimension from the second on: the primitive polynomial as a binary number, then the initial numbers.
_DIRECTIONS = (
    (3, 1),
    (7, 1, 3),
    (11, 1, 3, 1),
    (13, 1, 1, 1),
    (19, 1, 1, 3, 3),
    (25, 1, 3, 5, 13),
    (37, 1, 1, 5, 5, 17),
    (41, 1, 1, 5, 5, 5),
    (47, 1, 1, 7, 11, 19),
    (55, 1, 1, 5, 1, 1),
    (59, 1, 1, 1, 3, 11),
    (61, 1, 3, 5, 5, 31),
    (67, 1, 3, 3, 9, 7, 49),
    (91, 1, 1, 1, 15, 21, 21),
    (97, 1, 3, 1, 13, 27, 49),
    (103, 1, 1, 1, 15, 7, 5),
    (109, 1, 3, 1, 15, 13, 25),
    (115, 1, 1, 5, 5, 19, 61),
    (131, 1, 3, 7, 11, 23, 15, 103),
    (137, 1, 3, 7, 13, 13, 15, 69),
    (143, 1, 1, 3, 13, 7, 35, 63),
    (145, 1, 3, 5, 9, 1, 25, 53),
    (157, 1, 3, 1, 13, 9, 35, 107),
    (167, 1, 3, 1, 5, 27, 61, 31),
    (171, 1, 1, 5, 11, 19, 41, 61),
    (185, 1, 3, 5, 3, 3, 13, 69),
    (191, 1, 1, 7, 13, 1, 19, 1),
    (193, 1, 3, 7, 5, 13, 19, 59),
    (203, 1, 1, 3, 9, 25, 29, 41),
    (211, 1, 3, 5, 13, 23, 1, 55),
    (213, 1, 3, 7, 3, 13, 59, 17),
    (229, 1, 3, 1, 3, 5, 53, 69),
    (239, 1, 1, 5, 5, 23, 33, 13),
    (241, 1, 1, 7, 7, 1, 61, 123),
    (247, 1, 1, 7, 9, 13, 61, 49),
    (253, 1, 3, 3, 5, 3, 55, 33),
    (285, 1, 3, 1, 15, 31, 13, 49, 245),
    (299, 1, 3, 5, 15, 31, 59, 63, 97),
    (301, 1, 3, 1, 11, 11, 11, 77, 249),
    (333, 1, 3, 1, 11, 27, 43, 71, 9),
    (351, 1, 1, 7, 15, 21, 11, 81, 45),
    (355, 1, 3, 7, 3, 25, 31, 65, 79),
    (357, 1, 3, 1, 1, 19, 11, 3, 205),
    (361, 1, 1, 5, 9, 19, 21, 29, 157),
    (369, 1, 3, 7, 11, 1, 33, 89, 185),
    (391, 1, 3, 3, 3, 15, 9, 79, 71),
    (397, 1, 3, 7, 11, 15, 39, 119, 27),
    (425, 1, 1, 3, 1, 11, 31, 97, 225),
    (451, 1, 1, 1, 3, 23, 43, 57, 177),
    (463, 1, 3, 7, 7, 17, 17, 37, 71),
    (487, 1, 3, 1, 5, 27, 63, 123, 213),
    (501, 1, 1, 3, 5, 11, 43, 53, 133),
    (529, 1, 3, 5, 5, 29, 17, 47, 173, 479),
    (539, 1, 3, 3, 11, 3, 1, 109, 9, 69),
    (545, 1, 1, 1, 5, 17, 39, 23, 5, 343),
    (557, 1, 3, 1, 5, 25, 15, 31, 103, 499),
    (563, 1, 1, 1, 11, 11, 17, 63, 105, 183),
    (601, 1, 1, 5, 11, 9, 29, 97, 231, 363),
    (607, 1, 1, 5, 15, 19, 45, 41, 7, 383),
    (617, 1, 3, 7, 7, 31, 19, 83, 137, 221),
    (623, 1, 1, 1, 3, 23, 15, 111, 223, 83),
    (631, 1, 1, 5, 13, 31, 15, 55, 25, 161),
    (637, 1, 1, 3, 13, 25, 47, 39, 87, 257),
)  # fmt: skip

MOST_DIMENSIONS = len(_DIRECTIONS) + 1
"""Dimensions that the table has."""


def sobol_points(dim: int, rng: np.random.Generator, *, batch: int) -> Iterator[Array]:
    """Yield the points of the scrambled sequence in ``[0, 1)``, ``(batch, dim)`` at a time.

    Args:
        dim: Dimensions, 1 to :data:`MOST_DIMENSIONS`.
        rng: Draws the scramble, as scipy does.
        batch: Points at a time.
    """
    rng = rng.spawn(1)[0]  # as scipy does with a generator that it is given
    shift = rng.integers(2, size=(dim, BITS), dtype=np.uint32) @ (2 ** np.arange(BITS, dtype=np.uint32))
    lower = np.tril(rng.integers(2, size=(dim, BITS, BITS), dtype=np.uint32))
    columns = _scrambled(_directions(dim), lower)
    last, done = shift.astype(np.uint32), 0
    while done + batch <= 2**BITS:
        index = np.arange(max(done, 1), done + batch)
        changed = columns[:, _zeros_at_the_end(index)].T  # each point differs from the one before by one column
        points = np.bitwise_xor.accumulate(np.vstack([last, changed]), axis=0)
        last, points = points[-1], points if done == 0 else points[1:]
        done += batch
        yield points * 2.0**-BITS


def _zeros_at_the_end(index: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return how many binary digits 0 a positive whole number ends in."""
    _, exponents = np.frexp(index & -index)
    return np.asarray(exponents - 1, dtype=np.intp)


def _directions(dim: int) -> Digits:
    """Return the direction numbers ``(dim, BITS)``, the leading digit at bit ``BITS - 1``."""
    numbers = np.ones((dim, BITS), dtype=np.uint64)
    for row, (polynomial, *initial) in enumerate(_DIRECTIONS[: dim - 1], start=1):
        degree = polynomial.bit_length() - 1
        numbers[row, :degree] = initial
        for at in range(degree, BITS):
            new = numbers[row, at - degree]
            for lag in range(1, degree + 1):
                if polynomial >> (degree - lag) & 1:
                    new ^= numbers[row, at - lag] << np.uint64(lag)
            numbers[row, at] = new
    return (numbers << np.arange(BITS - 1, -1, -1, dtype=np.uint64)).astype(np.uint32)


def _scrambled(directions: Digits, lower: Digits) -> Digits:
    """Multiply the digits of the direction numbers by lower triangular matrices of digits with a unit diagonal.

    Args:
        directions: ``(dim, BITS)``.
        lower: ``(dim, BITS, BITS)``; the diagonal is taken as 1.
    """
    places = np.arange(BITS - 1, -1, -1, dtype=np.uint32)
    digits = directions[:, :, None] >> places & 1  # (dim, number, digit), the leading digit first
    lower = lower.copy()
    lower[:, np.arange(BITS), np.arange(BITS)] = 1
    mixed = np.asarray(np.einsum("dij,dnj->dni", lower, digits) & 1, dtype=np.uint32)
    return np.asarray((mixed << places).sum(axis=2), dtype=np.uint32)
