"""Scales: where a parameter's values lie evenly.

A search space works on *codes*: 0 at a parameter's minimum, 1 at its maximum, even in the parameter's own scale. A
scale is the monotone function behind that, from user units to a line on which equal steps mean equal changes. What
else depends on a distribution (how it is drawn, what other tools call it) is a trait of its scale, written here and
nowhere else: a new distribution is one more :class:`Scale`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
    axis: Literal["linear", "log", "codes"] = "linear"
    """How a plot lays its values out; ``codes`` where no plot has such an axis."""
    whole_by_bounds: bool = False
    """Whether whole bounds can mean whole numbers: the name does not say."""
    nicknames: tuple[str, ...] = ()
    """What people write for it; each is answered with the name."""
    carbs: tuple[str, ...] = ()
    """The CARBS spaces that it replaces, as the sweep guide's table has it."""
    wandb: str = "uniform"
    """What a W&B sweep calls it, or the nearest that W&B has."""
    wandb_reads: tuple[str, ...] = ()
    """W&B distributions that become it, bounds as they are."""

    @property
    def is_even(self) -> bool:
        """Whether its whole numbers stand in even steps on the line."""
        return self.axis == "linear" or self.power_of_two


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
        Scale(
            distribution="uniform",
            forward=_same,
            inverse=_same,
            domain=_ALL,
            whole_by_bounds=True,
            nicknames=("normal", "float", "q_uniform", "quniform"),
            carbs=("linear", "linearspace", "logit", "logitspace", "uniform"),
            wandb_reads=("uniform", "q_uniform", "normal", "q_normal", "beta", "q_beta"),
        ),
        Scale(
            distribution="log_normal",
            forward=np.log,
            inverse=np.exp,
            domain=_POSITIVE,
            axis="log",
            whole_by_bounds=True,
            nicknames=("log_uniform", "loguniform", "log", "log_uniform_values"),
            carbs=("log", "logspace"),
            wandb="log_uniform_values",
            wandb_reads=("log_uniform_values", "q_log_uniform_values", "inv_log_uniform_values"),
        ),
        Scale(
            distribution="uniform_pow2",
            forward=np.log2,
            inverse=np.exp2,
            domain=_POSITIVE,
            integer=True,
            power_of_two=True,
            axis="log",
            nicknames=("pow2",),
            carbs=("pow2",),
        ),
        Scale(
            distribution="int_uniform",
            forward=_same,
            inverse=_same,
            domain=_ALL,
            integer=True,
            nicknames=("int", "integer", "randint"),
            carbs=("int",),
            wandb="int_uniform",
            wandb_reads=("int_uniform",),
        ),
        Scale(
            distribution="logit_normal",
            forward=_logit,
            inverse=_expit,
            domain=(0.0, 1.0),
            axis="codes",
            nicknames=("logit",),
        ),
    )
}
"""The distributions of a sweep file by name."""
