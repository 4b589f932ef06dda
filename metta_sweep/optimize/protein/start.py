"""The first points: the user's center, what is usual, then points that fill the space evenly around both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr, ndtri

from metta_sweep.optimize.points import FreshPoints
from metta_sweep.optimize.random import drawn
from metta_sweep.optimize.sobol import unit_batches
from metta_sweep.space import SearchSpace
from metta_sweep.space.parameter import Parameter, same_value, spell
from metta_sweep.space.scales import Array

_SOBOL_BATCHES = 8
"""Batches of the Sobol sequence; after them points are drawn from the feasible part."""
_REACH = 0.7
"""How far towards the bounds the first points go, as a share of the way from the center."""
_SPREAD, _OFTEN = 0.3, 0.75
"""Around what is usual: standard deviation of numbers, as a share of their range; share of the points at which a switch
is as usual. Other lists of values are there to be tried."""
_ENOUGH = 0.5
"""Share of the parameters of which it has to be known what is usual: one name that the field knows is chance."""
_MOST_NAMED = 4
_SAME = 0.05
"""Shares of all ranges that what is usual may be off the center by, and is no point of its own."""


def space_filling(space: SearchSpace, seed: int, *, from_usual: bool) -> FreshPoints:
    """Return the feasible points of a scrambled Sobol sequence (Sobol 1967; Owen 1998), drawn towards the center.

    Args:
        space: Where to search.
        seed: Seed of the scrambling; the same seed gives the same sequence.
        from_usual: Whether parameters lie around their usual values where these are known.
    """
    return FreshPoints(_batches(space, seed, from_usual=from_usual))


def is_usual(space: SearchSpace) -> bool:
    """Tell whether what is usual is known of at least half of the parameters, so that the space is of a known kind."""
    known = sum(parameter.usual is not None for parameter in space.parameters)
    return known > 0 and known >= _ENOUGH * space.dim


def usual_point(space: SearchSpace) -> Array | None:
    """Return the codes ``(d,)`` of the center with what is usual in place of the middle of ranges.

    None where nothing is known, where that is next to the center, and where it breaks a rule.
    """
    known = {i: code for i, parameter in enumerate(space.parameters) if (code := parameter.usual_code) is not None}
    point = space.feasible_center.copy()
    point[list(known)] = list(known.values())
    point = space.snap(point)
    is_apart = bool(np.abs(point - space.feasible_center).max(initial=0.0) > _SAME)
    return point if is_apart and space.satisfied(point[None])[0] else None


def usual_reason(space: SearchSpace) -> str:
    """Return what is usual about :func:`usual_point`: what the base config has, and what the field takes."""
    known = [parameter for parameter in space.parameters if parameter.usual is not None]
    own = [parameter for parameter in known if same_value(space.fixed.get(parameter.name), parameter.usual)]
    field = [parameter for parameter in known if parameter not in own]
    parts = [f"{what} ({_named(which)})" for what, which in (("your config", own), ("the field", field)) if which]
    rest = "; the rest at the center" if len(known) < space.dim else ""
    return f"what is usual in {' and in '.join(parts)}{rest}"


def _named(parameters: list[Parameter]) -> str:
    more = f" and {len(parameters) - _MOST_NAMED} more" if len(parameters) > _MOST_NAMED else ""
    return ", ".join(f"{each.name} {spell(each.usual)}" for each in parameters[:_MOST_NAMED]) + more


def _batches(space: SearchSpace, seed: int, *, from_usual: bool) -> Iterator[Array]:
    even = unit_batches(space.dim, seed)
    for _ in range(_SOBOL_BATCHES):
        batch = _towards(space, next(even), from_usual=from_usual)
        yield batch[space.satisfied(batch)]
    yield from drawn(space, np.random.default_rng([seed, 1]))


def _towards(space: SearchSpace, unit: Array, *, from_usual: bool) -> Array:
    """Return codes ``(n, d)`` of points of the unit cube, near to what works: what is near to that fails less."""
    center, codes = space.feasible_center, space.from_unit(unit)
    for i, parameter in enumerate(space.parameters):
        usual = parameter.usual_code if from_usual else None
        if isinstance(parameter.usual, bool) and usual is not None:
            rest = parameter.domain.from_unit(np.maximum(0.0, (unit[:, i] - _OFTEN) / (1.0 - _OFTEN)))
            codes[:, i] = np.where(unit[:, i] < _OFTEN, usual, rest)
        elif parameter.domain.is_unordered:
            continue
        elif usual is not None:
            codes[:, i] = _around(usual, unit[:, i])
        else:
            codes[:, i] = center[i] + _REACH * (codes[:, i] - center[i])
    return space.snap(codes)


def _around(usual: float, unit: Array) -> Array:
    """Return codes of a number ``(n,)`` for numbers spread evenly in [0, 1): normal around what is usual."""
    low, high = ndtr(-usual / _SPREAD), ndtr((1.0 - usual) / _SPREAD)
    codes: Array = usual + _SPREAD * ndtri(low + unit * (high - low))
    return np.clip(codes, 0.0, 1.0)
