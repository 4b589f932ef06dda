"""One axis of a search space: an interval of numbers or a list of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metta_sweep.space.scales import Array, Scale

MAX_LEVELS = 1_024
"""Most values of a whole-number parameter that are moved through one by one; above, it is searched as a line."""
MAX_DEPTH = 8
"""Deepest nesting of a list or mapping that is a choice."""
_ROUNDING = 1e-9
"""How far, in codes, a value may lie outside its bounds and still be taken for the bound."""
_REACH = 1.0
"""How far outside its bounds, in ranges, a number still has a code near them."""
_DIGITS = 12
"""Significant digits of a suggested number: far below what a training can tell apart, above what logarithms lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Numbers from ``low`` to ``high``, even in a scale."""

    scale: Scale
    """Where the values lie evenly."""
    low: float
    """Smallest value, user units."""
    high: float
    """Largest value, user units."""
    integer: bool
    """Whether values are whole numbers."""
    step: float | None = None
    """Distance of neighbouring values, counted from ``low``; None for every number, or every whole one."""

    is_unordered = False

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuous line."""
        if self.scale.power_of_two:
            return round(math.log2(self.high)) - round(math.log2(self.low)) + 1
        grid = self._grid
        return None if grid is None else round((self.high - self.low) / grid) + 1

    @property
    def _grid(self) -> float | None:
        """Distance of neighbouring values in user units; None for a continuous line."""
        return self.step if self.step is not None else 1.0 if self.integer else None

    def codes(self, values: Array) -> Array:
        """Return the codes of values in user units, any shape; bounds map to 0 and 1 exactly."""
        start, end = self._ends()
        codes = (self.scale.forward(values) - start) / (end - start)
        return np.where(values <= self.low, 0.0, np.where(values >= self.high, 1.0, np.clip(codes, 0.0, 1.0)))

    def numbers(self, codes: Array) -> Array:
        """Return the values of codes, any shape: rounded where whole, exact at the bounds."""
        start, end = self._ends()
        line = start + codes * (end - start)
        if self.scale.power_of_two:
            line = np.round(line)
        values = self.scale.inverse(line)
        if self.step is not None:
            values = self.low + self.step * np.round((values - self.low) / self.step)
        elif self.integer:
            values = np.round(values)
        values = np.clip(values, self.low, self.high)
        return np.where(codes <= 0.0, self.low, np.where(codes >= 1.0, self.high, values))

    def snap(self, codes: Array) -> Array:
        """Return the codes of the values that codes stand for, any shape."""
        if self._grid is None:
            return np.clip(codes, 0.0, 1.0)
        return self.codes(self.numbers(codes))

    def values(self, codes: Array) -> list[Any]:
        """Return plain values of codes ``(n,)``: 0.001 comes back as 0.001, not as 0.0010000000000000002."""
        numbers: list[float] = self.numbers(codes).tolist()
        if self.integer:
            return [int(number) for number in numbers]
        return [number if number in (self.low, self.high) else self._shortened(number) for number in numbers]

    def _shortened(self, number: float) -> float:
        short = float(f"{number:.{_DIGITS}g}")
        fits = self.low <= short <= self.high and abs(short - number) <= _ROUNDING * (self.high - self.low)
        return short if fits else number

    def code(self, value: Any) -> float | None:
        """Return the code of a value, or None where it is not a value of this interval."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            return None
        room = _ROUNDING * max(abs(self.low), abs(self.high))
        if not self.low - room <= value <= self.high + room:
            return None
        code = float(self.codes(np.asarray(float(value))))
        off_grid = self._grid is not None and abs(float(self.numbers(np.asarray(code))) - value) > room
        return None if off_grid else code

    def near_code(self, value: Any) -> float | None:
        """Return the code of a number, also of one outside the bounds, as far as twice the range; None beyond."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            return None
        least, most = self.scale.domain
        if not least < value < most:
            return None
        start, end = self._ends()
        code = (float(self.scale.forward(np.asarray(float(value)))) - start) / (end - start)
        return code if -_REACH <= code <= 1.0 + _REACH else None

    def levels(self) -> Array | None:
        """Return the codes of all values ``(size,)``, or None for a line or a very long list."""
        if self.size is None or self.size > MAX_LEVELS:
            return None
        if self.scale.power_of_two:
            return np.linspace(0.0, 1.0, self.size) if self.size > 1 else np.zeros(1)
        return self.codes(self.low + (self._grid or 1.0) * np.arange(self.size, dtype=np.float64))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return codes ``(count,)`` drawn evenly over the line, or over the values where they are few."""
        levels = self.levels()
        if levels is not None and self._is_even:
            return levels[rng.integers(len(levels), size=count)]
        return self.snap(rng.random(count))

    def from_unit(self, unit: Array) -> Array:
        """Return codes of numbers ``(n,)`` spread evenly in [0, 1): every value gets the same share."""
        if self.size is not None and self.size > 1 and self._is_even:
            return self.snap(np.floor(np.clip(unit, 0.0, 1.0 - 1e-12) * self.size) / (self.size - 1))
        return self.snap(unit)

    def describe(self) -> str:
        """Return the interval as the summary shows it: ``log_normal [0.0001, 0.01]``."""
        steps = f" in steps of {spell(self.step)}" if self.step is not None else ""
        whole = ", whole numbers" if self.integer and not self.scale.integer else ""
        return f"{self.scale.distribution} [{spell(self.low)}, {spell(self.high)}]{steps}{whole}"

    def expected(self) -> str:
        """Return what a value must be, for a message."""
        kind = "a power of two" if self.scale.power_of_two else "a whole number" if self.integer else "a number"
        steps = f" in steps of {spell(self.step)}" if self.step is not None else ""
        return f"{kind} from {spell(self.low)} to {spell(self.high)}{steps}"

    @property
    def _is_even(self) -> bool:
        """Whether the values stand in even steps of the line."""
        return self._grid is not None and self.scale.is_even

    def _ends(self) -> tuple[float, float]:
        start, end = self.scale.forward(np.array([self.low, self.high], dtype=np.float64)).tolist()
        return start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A list of values: codes are indices where they have no order, and even steps from 0 to 1 where they have one."""

    options: tuple[Any, ...]
    """Values as written: plain ones, lists or mappings."""
    ordered: bool
    """Whether neighbours in the list are alike."""

    @property
    def is_unordered(self) -> bool:
        """Whether the values are unordered (categorical)."""
        return not self.ordered

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.options)

    def snap(self, codes: Array) -> Array:
        """Return the codes of the nearest values, any shape."""
        return np.clip(np.round(codes * self._step), 0, self.size - 1) / self._step

    def values(self, codes: Array) -> list[Any]:
        """Return the values of codes ``(n,)``."""
        indices = np.clip(np.round(codes * self._step), 0, self.size - 1).astype(int)
        return [self.options[index] for index in indices]

    def code(self, value: Any) -> float | None:
        """Return the code of a value, or None where it is not in the list; True is not 1."""
        for index, option in enumerate(self.options):
            if same_value(option, value):
                return index / self._step
        return None

    def near_code(self, value: Any) -> float | None:
        """Return the code of a value, or None where it is not in the list."""
        return self.code(value)

    def levels(self) -> Array:
        """Return the codes of all values ``(size,)``."""
        return np.arange(self.size, dtype=np.float64) / self._step

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return codes ``(count,)`` drawn evenly."""
        return rng.integers(self.size, size=count) / self._step

    def from_unit(self, unit: Array) -> Array:
        """Return codes of numbers ``(n,)`` spread evenly in [0, 1): every value gets the same share."""
        return np.floor(np.clip(unit, 0.0, 1.0 - 1e-12) * self.size) / self._step

    def describe(self) -> str:
        """Return the list as the summary shows it: ``values [true, false]``."""
        order = "ordered values" if self.ordered else "values"
        return f"{order} [{', '.join(map(spell, self.options))}]"

    def expected(self) -> str:
        """Return what a value must be, for a message."""
        return f"one of {', '.join(map(spell, self.options))}"

    @property
    def _step(self) -> float:
        return float(max(1, self.size - 1)) if self.ordered else 1.0


Domain = Interval | Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a parameter counts: every named value must be one of those listed."""

    clauses: tuple[tuple[str, tuple[Any, ...]], ...]
    """Dotted path and the values that switch the parameter on."""

    def describe(self) -> str:
        """Return the condition as a person reads it."""
        return " and ".join(f"{name} is {' or '.join(map(spell, options))}" for name, options in self.clauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One axis of the search space."""

    name: str
    """Dotted config path."""
    domain: Domain
    """Which values it has."""
    center: Any
    """The user's ``mean``: the first point of a search, and what an inactive parameter is held at; user units."""
    radius: float
    """The user's ``scale``: how far from the center the search is expected to go, as a share of the whole range."""
    usual: Any = None
    """What it usually is where the user gave no ``mean``, or the middle as is the default: the base config's value, or
    the field's for its name; user units. None where nothing is known."""
    when: Condition | None = None
    """When it counts; None for always."""

    @property
    def usual_code(self) -> float | None:
        """Code of what it usually is; None where nothing is known."""
        return None if self.usual is None else self.domain.code(self.usual)

    @property
    def center_code(self) -> float:
        """Code of the center."""
        code = self.domain.code(self.center)
        return 0.0 if code is None else code

    def describe(self) -> str:
        """Return the axis as the summary shows it: ``log_normal [0.0001, 0.01]``."""
        return self.domain.describe()


def same_value(left: Any, right: Any) -> bool:
    """Tell whether two values are the same: 1 is 1.0, but neither is True; lists and mappings part by part."""
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same_value(left[key], right[key]) for key in left)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def is_plain(value: Any, depth: int = 0) -> bool:
    """Tell whether a value is JSON data that is not nested deeper than a person would write."""
    if isinstance(value, Mapping):
        return depth < MAX_DEPTH and all(isinstance(k, str) and is_plain(v, depth + 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return depth < MAX_DEPTH and all(is_plain(part, depth + 1) for part in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int | str | None)


def spell(value: Any) -> str:
    """Return a value as YAML spells it on one line: ``null``, ``true``, ``[64, 64]``, ``{depth: 2}``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spell, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {spell(part)}' for key, part in value.items())}}}"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
