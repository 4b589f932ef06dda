"""Ranges as other tools mean them, in the words of ``sweep.parameters``; one value alone is a list of one."""

from __future__ import annotations

import math
from typing import Any

from metta_sweep.space.parameter import is_plain
from metta_sweep.space.reading import MAX_OPTIONS

Number = int | float


def interval(low: Any, high: Any, *, log: bool = False, whole: bool = False) -> dict[str, Any]:
    """Return the parameter that lies anywhere between two bounds.

    Args:
        low: Lower bound.
        high: Upper bound.
        log: Whether it is searched on a logarithmic scale.
        whole: Whether its values are whole numbers.

    Raises:
        ValueError: There is no such range; the message says why.
    """
    low, high = _number(low, "min"), _number(high, "max")
    if low > high:
        raise ValueError(f"min {low} is above max {high}")
    low, high = (_whole(low), _whole(high)) if whole else (float(low), float(high))
    if low == high:
        return {"values": [low]}
    if log and low <= 0:
        raise ValueError(f"a logarithmic scale needs min above 0, got {low}")
    distribution = "log_normal" if log else "int_uniform" if whole else "uniform"
    leaf: dict[str, Any] = {"distribution": distribution, "min": low, "max": high}
    return {**leaf, "integer": True} if log and whole else leaf


def stepped(low: Any, high: Any, step: Any, *, log: bool = False, from_zero: bool = False) -> dict[str, Any]:
    """Return the parameter whose values are a step apart; whole where the step and the first value are.

    Args:
        low: Lower bound.
        high: Upper bound, included where a value falls on it.
        step: Distance of neighbouring values.
        log: Whether it is searched on a logarithmic scale.
        from_zero: Whether values are multiples of the step; otherwise they are counted from ``low``.

    Raises:
        ValueError: There is no such range; the message says why.
    """
    low, high, step = _number(low, "min"), _number(high, "max"), _number(step, "the step")
    if step <= 0:
        raise ValueError(f"the step is {step}, which is not above 0")
    first = _tidy(math.ceil(low / step - 1e-9) * step) if from_zero else low
    first = max(first, step) if log else first
    last = _tidy(first + math.floor((high - first) / step + 1e-9) * step)
    whole = float(step).is_integer() and float(first).is_integer()
    leaf = interval(first, last, log=log, whole=whole)
    if "values" in leaf or (whole and step == 1):
        return leaf
    return {**leaf, "step": int(step) if whole else float(step)}


def spread(center: float, deviation: float, *, log: bool = False, step: Number | None = None) -> dict[str, Any]:
    """Return the range in which 98% of a normal distribution lie, with its median as the mean.

    Args:
        center: Mean, of the logarithm where ``log``.
        deviation: Standard deviation, of the logarithm where ``log``.
        log: Whether the logarithm is normal.
        step: Distance of neighbouring values, multiples of it; None for any value.

    Raises:
        ValueError: There is no such range; the message says why.
    """
    if deviation <= 0:
        raise ValueError(f"sigma is {deviation}, which is not above 0")
    ends = [center + sign * _QUANTILE_99 * deviation for sign in (-1, 1)]
    low, high = (exponential(end) for end in ends) if log else (_short(end) for end in ends)
    leaf = interval(low, high, log=log) if step is None else stepped(low, high, step, log=log, from_zero=True)
    if step is not None or "values" in leaf:
        return leaf
    return {**leaf, "mean": exponential(center) if log else _short(center)}


_QUANTILE_99 = 2.3263478740408408
"""99% quantile of the standard normal distribution."""


def exponential(exponent: Any) -> float:
    """Return e to a power, to six digits.

    Raises:
        ValueError: It is not a number, or beyond what a float holds.
    """
    try:
        return _short(math.exp(_number(exponent, "the exponent")))
    except OverflowError as error:
        raise ValueError(f"e to the power of {exponent} is too large") from error


def options(values: Any) -> dict[str, Any]:
    """Return the parameter that is one of a list, each value once.

    Raises:
        ValueError: It is not a list of values that a parameter can have; the message says why.
    """
    if not isinstance(values, list) or not values:
        raise ValueError("its values are no list of at least one value")
    distinct: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in distinct):
            distinct.append(value)
    if len(distinct) > MAX_OPTIONS:
        raise ValueError(f"it has more than {MAX_OPTIONS} values")
    if not all(map(is_plain, distinct)):
        raise ValueError("one of its values is not finite, or nested too deep")
    return {"values": distinct}


def _number(value: Any, name: str) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is not a number")
    if not math.isfinite(value) or abs(value) > 1e300:
        raise ValueError(f"{name} is not finite")
    return value


def _whole(value: Number) -> int:
    if not float(value).is_integer():
        raise ValueError(f"{value} is not a whole number")
    return int(value)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _tidy(value: float) -> float:
    """Return a number without the last digits that arithmetic left."""
    return float(f"{value:.12g}")
