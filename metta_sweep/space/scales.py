"""Scales: where a parameter's values lie evenly.

A search space works on *codes*: 0 at a parameter's minimum, 1 at its maximum, even in the parameter's own scale. A
scale is the monotone function behind that, from user units to a line on which equal steps mean equal changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A monotone function and its inverse, on arrays of any shape."""

    distribution: str
    """Name in the sweep file."""
    forward: Callable[[Array], Array]
    """From user units to the line."""
    inverse: Callable[[Array], Array]
    """From the line to user units."""
    domain: tuple[float, float]
    """Open interval of user units on which the scale is defined."""
    integer: bool = False
    """Whether values are whole numbers."""
    power_of_two: bool = False
    """Whether values are powers of two."""


def _same(values: Array) -> Array:
    return values


def _logit(values: Array) -> Array:
    return np.log(values) - np.log1p(-values)


def _expit(values: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * values))


_ALL = (-np.inf, np.inf)
_POSITIVE = (0.0, np.inf)

SCALES = {
    scale.distribution: scale
    for scale in (
        Scale(distribution="uniform", forward=_same, inverse=_same, domain=_ALL),
        Scale(distribution="log_normal", forward=np.log, inverse=np.exp, domain=_POSITIVE),
        Scale(
            distribution="uniform_pow2",
            forward=np.log2,
            inverse=np.exp2,
            domain=_POSITIVE,
            integer=True,
            power_of_two=True,
        ),
        Scale(distribution="int_uniform", forward=_same, inverse=_same, domain=_ALL, integer=True),
        Scale(distribution="logit_normal", forward=_logit, inverse=_expit, domain=(0.0, 1.0)),
    )
}
"""The five distributions of a sweep file by name."""
