"""Hydra's sweeps as parameters of a sweep file: ``interval``, ``range``, ``choice``, ``glob``, ``tag`` and ``a,b``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, Quote, QuotedString, RangeSweep

from hydra_protein_sweeper.problems import did_you_mean

DISTRIBUTIONS = {"log": "log_normal", "logit": "logit_normal", "pow2": "uniform_pow2"}
"""What a tag means for the scale on which an interval is searched."""

TAGS = (*DISTRIBUTIONS, "int", "ordered")
"""Every tag that says something here."""

MOST_VALUES = 1000
"""Values of a range that are written out."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:+\-]+")
_TYPED = re.compile(r"(?i)true|false|null|none|nan|[+-]?inf|[+-]?[\d.][\d._e+\-]*")


def leaf_of(override: Override) -> dict[str, Any]:
    """Return the parameter that a sweep override means; one with a single value is ``{"values": [value]}``.

    Raises:
        ValueError: There is no such range; the message says why.
    """
    sweep = override.value()
    tags = set(getattr(sweep, "tags", ()))
    unknown = sorted(tags - set(TAGS))
    if unknown:
        raise ValueError(f"the tag {unknown[0]!r} says nothing here; {did_you_mean(unknown[0], TAGS)}")
    if isinstance(sweep, IntervalSweep):
        return _interval(sweep, tags)
    if isinstance(sweep, RangeSweep):
        return _range(sweep, tags)
    values = [plain(value) for value in override.sweep_iterator()]
    return _values(values, is_ordered=isinstance(sweep, ChoiceSweep) and "ordered" in tags)


def plain(value: Any) -> Any:
    """Return a value of Hydra's grammar as YAML has it."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [plain(part) for part in value]
    return {str(plain(key)): plain(part) for key, part in value.items()} if isinstance(value, dict) else value


def written(value: Any) -> str:
    """Return a value as Hydra's grammar reads the same value back; a text is quoted where it could mean another."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{written(part)}' for key, part in value.items())}}}"
    if not isinstance(value, str) or (_PLAIN.fullmatch(value) and not _TYPED.fullmatch(value)):
        return str(value)
    return QuotedString(text=value, quote=Quote.single).with_quotes()


def _interval(sweep: IntervalSweep, tags: set[str]) -> dict[str, Any]:
    low, high = sweep.start, sweep.end
    assert low is not None and high is not None  # noqa: PT018  # Hydra's parser fills both
    is_whole = "int" in tags or (isinstance(low, int) and isinstance(high, int))
    chosen = sorted(tags & set(DISTRIBUTIONS))
    if len(chosen) > 1:
        raise ValueError(f"one scale, not {' and '.join(chosen)}")
    distribution = DISTRIBUTIONS[chosen[0]] if chosen else "int_uniform" if is_whole else "uniform"
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"need finite bounds, got {low} and {high}")
    if low > high:
        raise ValueError(f"need the lower bound first: interval({high:g},{low:g})")
    if distribution == "log_normal" and low <= 0:
        raise ValueError(f"a logarithmic scale needs a lower bound above 0, got {low:g}")
    if is_whole or distribution == "uniform_pow2":
        low, high = _whole(low), _whole(high)
    if low == high:
        return {"values": [low]}
    leaf = {"distribution": distribution, "min": low, "max": high}
    return {**leaf, "integer": True} if is_whole and distribution == "log_normal" else leaf


def _range(sweep: RangeSweep, tags: set[str]) -> dict[str, Any]:
    """Return a range's values; the end is left out, as in Hydra's own grammar."""
    start, stop, step = (Decimal(str(number)) for number in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise ValueError(f"range({sweep.start},{sweep.stop},{sweep.step}) has no values")
    is_whole = all(isinstance(number, int) for number in (sweep.start, sweep.stop, sweep.step))
    values = [start + step * index for index in (range(count) if count <= MOST_VALUES else (0, count - 1))]
    first, last = sorted((values[0], values[-1]))
    low, high = (int(first), int(last)) if is_whole else (float(first), float(last))
    if count == 1:
        return {"values": [low]}
    if "log" in tags:
        if count > MOST_VALUES:
            raise ValueError(f"need at most {MOST_VALUES} values on a logarithmic scale, got {count}")
        return _values([int(value) if is_whole else float(value) for value in values], is_ordered=True)
    if is_whole and abs(step) == 1:
        return {"distribution": "int_uniform", "min": low, "max": high}
    size = int(abs(step)) if is_whole else float(abs(step))
    return {"distribution": "int_uniform" if is_whole else "uniform", "min": low, "max": high, "step": size}


def _values(values: list[Any], *, is_ordered: bool) -> dict[str, Any]:
    distinct: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in distinct):
            distinct.append(value)
    if not distinct:
        raise ValueError("it has no values")
    return {"values": distinct, "ordered": True} if is_ordered and len(distinct) > 1 else {"values": distinct}


def _whole(number: float) -> int:
    if not float(number).is_integer():
        raise ValueError(f"whole numbers need whole bounds, got {number:g}")
    return int(number)
