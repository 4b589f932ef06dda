"""Which values are taken for a metric, a cost or a step count, wherever they come from.

A run's file is judged by these when it is read, before anything of it is stored; a journal that an older version wrote
is judged by them when it is folded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

MOST_COST_S = 1e10
"""Seconds; 317 years. A larger cost is a mistake of whoever reported it."""

MOST_METRIC = 1e100
"""A metric beyond it is not a measurement any more; squares and sums of what is below stay finite."""

MOST_STEPS = 2**63 - 1
"""Training steps: what a trainer can count."""

DEEPEST = 16
"""Levels of nested mappings whose numbers are taken."""

LONGEST_NAME = 300
"""Characters of a metric's name, ``group/name``."""


def as_number(value: object) -> float | None:
    """Return a number as a float, NaN and infinities included; None for text, booleans and whatever else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return plain_number(value)


def plain_number(value: Any) -> float:
    """Return a number of Python, or the one value of an array of numpy, torch or JAX, as a float.

    Raises:
        TypeError, ValueError, RuntimeError: It is none, or several.
    """
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def as_metric(value: object) -> float | None:
    """Return a value that can be a score, or None."""
    number = as_number(value)
    return number if number is not None and abs(number) <= MOST_METRIC else None


def as_cost_s(value: object) -> float | None:
    """Return seconds that a run can have cost, or None."""
    number = as_number(value)
    return number if number is not None and 0.0 <= number <= MOST_COST_S else None


def as_steps(value: object) -> int | None:
    """Return a whole number of training steps, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_STEPS:
        return None
    return int(value) if value == int(value) else None


def leaves(metrics: Mapping[Any, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, object]]:
    """Yield every value by its name; those of nested mappings as ``outer/inner``, down to ``DEEPEST`` levels."""
    for name, value in metrics.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from leaves(value, f"{path}/", depth + 1)
        else:
            yield path, value


def kind_of(value: object) -> str:
    """Return what a value that is not a number is called: ``text``, ``null``, ``a list``, ``true or false``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    known: dict[type, str] = {str: "text", list: "a list", dict: "nested too deep"}
    return known.get(type(value), type(value).__name__)
