"""From the sweep file's mapping to parameters: every mistake is collected, none stops the reading."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metta_sweep.errors import Problem
from metta_sweep.expression import Expression, ExpressionError
from metta_sweep.nearest import nearest
from metta_sweep.space.parameter import Choice, Condition, Domain, Interval, Parameter, is_plain, same_value, spell
from metta_sweep.space.scales import SCALES, Array, Scale
from metta_sweep.space.usual import usual_value

NUMBER_KEYS = ("min", "max", "distribution", "mean", "scale", "integer", "step", "as", "when")
CHOICE_KEYS = ("values", "ordered", "mean", "scale", "as", "when")
TIED_KEYS = ("expr", "as", "when")
LEAF_KEYS = tuple(dict.fromkeys(NUMBER_KEYS + CHOICE_KEYS + TIED_KEYS))
MAX_OPTIONS = 1_000
HANDED_OVER = ("value", "flag", "switch", "repeat", "words", "dash")
"""How ``as:`` has a parameter handed over as an option of a command: ``--x=VALUE``; ``--x`` where it is true and
nothing where it is not; ``--x`` or ``--no-x``; ``--x=1 --x=2``; ``--x 1 2``, and ``--x 1`` of a single value; ``-x 1``,
and ``-x`` or nothing where it is true or not."""

_ALIKE = 1e-6
"""Shares of a range within which a ``mean`` is its middle."""
_NICKNAMES = {nickname: scale.distribution for scale in SCALES.values() for nickname in scale.nicknames}
_EXPONENT = re.compile(r"^([+-]?\d+)[eE]([+-]?\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """A value that follows from others: it is part of a suggestion, but no axis."""

    name: str
    """Dotted config path."""
    expression: Expression
    """What it is computed from."""
    when: Condition | None = None
    """When it counts; None for always."""

    def describe(self) -> str:
        """Return the rule as the summary shows it: ``= trainer.batch_size // 4``."""
        return f"= {self.expression.text}"


@dataclass(slots=True)
class Reading:
    """What was read from a mapping of parameters, and what was wrong with it."""

    base: Mapping[str, Any]
    """Base config values by dotted path: the default center of a list of values, and what numbers usually are."""
    parameters: list[Parameter] = field(default_factory=list)
    tied: list[Tied] = field(default_factory=list)
    leaves: dict[str, Mapping[Any, Any]] = field(default_factory=dict)
    """What was written, by dotted path."""
    problems: list[Problem] = field(default_factory=list)

    def read(self, parameters: Any) -> None:
        """Read a mapping whose nested mappings mean dotted paths."""
        if not isinstance(parameters, Mapping):
            self.wrong("parameters", f"need a mapping of parameters, got {_kind(parameters)}")
            return
        for name, leaf in self._flat(parameters, ""):
            if name in self.leaves:
                self.wrong(name, "need one definition, got two", "remove one of them")
            elif isinstance(leaf, Mapping):
                self.leaves[name] = leaf
            else:
                self.wrong(name, f"need a mapping such as {{distribution, min, max}} or {{values}}, got {_kind(leaf)}")
        for name, leaf in self.leaves.items():
            inside = next((other for other in self.leaves if name.startswith(f"{other}.")), None)
            if inside and not _is_group(self.leaves[inside]):
                message = f"need paths apart from each other, got one inside the swept {inside}"
                self.wrong(name, message, f"a config group is searched by its names: {inside}: {{values: [mlp, cnn]}}")
            self._leaf(name, leaf)

    def wrong(self, key: str, message: str, fix: str = "") -> None:
        """Note one problem."""
        self.problems.append(Problem(key=key, message=message, fix=fix))

    def _flat(self, mapping: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
        for key, value in mapping.items():
            name = f"{above}{key}"
            if not isinstance(key, str) or not all(name.split(".")) or re.search(r"\s", name):
                self.wrong(name, f"need a dotted config path as key, got {key!r}")
            elif isinstance(value, Mapping) and value and all(isinstance(part, Mapping) for part in value.values()):
                yield from self._flat(value, f"{name}.")
            else:
                yield name, value

    def _leaf(self, name: str, leaf: Mapping[Any, Any]) -> None:
        kind = "tied" if "expr" in leaf else "choice" if "values" in leaf else "number"
        allowed = {"tied": TIED_KEYS, "choice": CHOICE_KEYS, "number": NUMBER_KEYS}[kind]
        for key in leaf:
            if key not in allowed:
                self._unknown_key(name, str(key), kind, allowed)
        if leaf.get("as", "value") not in HANDED_OVER:
            near = nearest(str(leaf["as"]), HANDED_OVER)
            message = f"need one of {', '.join(HANDED_OVER)}, got {_kind(leaf['as'])}"
            self.wrong(f"{name}.as", message, f"as: {near}" if near else "")
        when = self._when(name, leaf["when"]) if "when" in leaf else None
        if kind == "tied":
            self._tied(name, leaf, when)
            return
        domain = self._choice(name, leaf) if kind == "choice" else self._interval(name, leaf)
        radius = self._radius(name, leaf.get("scale", 1), domain)
        if domain is not None and radius is not None:
            center = self._center(name, leaf, domain)
            usual = self._usual(name, domain) if "mean" not in leaf or _is_middle(center, domain) else None
            self.parameters.append(
                Parameter(name=name, domain=domain, center=center, radius=radius, usual=usual, when=when)
            )

    def _unknown_key(self, name: str, key: str, kind: str, allowed: tuple[str, ...]) -> None:
        if key in LEAF_KEYS:
            mine = {"tied": "expr", "choice": "values", "number": "min and max"}[kind]
            self.wrong(f"{name}.{key}", f"need no {key} beside {mine}", f"remove {key}, or {mine}")
            return
        near = nearest(key, allowed)
        fix = f"write {near}" if near else ""
        self.wrong(f"{name}.{key}", f"need one of {', '.join(allowed)}, got the unknown key {key!r}", fix)

    def _tied(self, name: str, leaf: Mapping[Any, Any], when: Condition | None) -> None:
        try:
            self.tied.append(Tied(name=name, expression=Expression.parse(leaf["expr"]), when=when))
        except ExpressionError as error:
            self.wrong(f"{name}.expr", str(error))

    def _choice(self, name: str, leaf: Mapping[Any, Any]) -> Choice | None:
        key, options, before = f"{name}.values", leaf["values"], len(self.problems)
        if not isinstance(options, list | tuple) or not options:
            self.wrong(key, f"need a list of at least one value, got {_kind(options)}", "values: [a, b]")
            return None
        if len(options) > MAX_OPTIONS:
            self.wrong(key, f"need at most {MAX_OPTIONS} values, got {len(options)}")
            return None
        for index, option in enumerate(options):
            if isinstance(option, float) and not math.isfinite(option):
                self.wrong(key, f"need finite numbers, got {spell(option)}")
            elif not is_plain(option):
                self.wrong(
                    key, f"need numbers, text, true, false, null, or lists and mappings of them, got {_kind(option)}"
                )
            elif any(same_value(option, other) for other in options[:index]):
                self.wrong(key, f"need each value once, got {spell(option)} twice", f"remove one {spell(option)}")
        ordered = leaf.get("ordered", False)
        if not isinstance(ordered, bool):
            self.wrong(f"{name}.ordered", f"need true or false, got {_kind(ordered)}")
        return Choice(options=tuple(options), ordered=bool(ordered)) if len(self.problems) == before else None

    def _interval(self, name: str, leaf: Mapping[Any, Any]) -> Interval | None:
        before = len(self.problems)
        scale = SCALES.get(str(leaf.get("distribution")))
        if scale is None:
            self._unknown_distribution(name, leaf)
        low, high = (self._number(name, leaf, key) for key in ("min", "max"))
        integer = leaf.get("integer")
        if not isinstance(integer, bool | None):
            self.wrong(f"{name}.integer", f"need true or false, got {_kind(integer)}")
        if low is None or high is None or scale is None:
            return None
        if not low < high:
            self.wrong(name, f"need min < max, got min={spell(low)} max={spell(high)}", _order_fix(low, high))
        step = self._step(name, leaf, scale, low, high)
        whole = isinstance(step, int) and all(isinstance(bound, int) for bound in (low, high)) and integer is not False
        interval = Interval(
            scale=scale,
            low=float(low),
            high=float(high),
            integer=scale.integer or integer is True or (whole and scale.whole_by_bounds),
            step=None if step is None else float(step),
        )
        for key, bound in (("min", low), ("max", high)):
            self._bound(f"{name}.{key}", float(bound), interval)
        return interval if len(self.problems) == before else None

    def _step(self, name: str, leaf: Mapping[Any, Any], scale: Scale, low: float, high: float) -> float | None:
        """Return the distance of neighbouring values, or None where there is none or it is wrong."""
        if leaf.get("step") is None:
            return None
        key, step = f"{name}.step", self._number(name, leaf, "step")
        if step is None:
            return None
        if scale.power_of_two:
            self.wrong(key, f"need no step for {scale.distribution}, whose values are powers of two", "remove step")
        elif not 0 < step <= high - low:
            self.wrong(key, f"need a step above 0 and at most max - min = {spell(high - low)}, got {spell(step)}")
        elif (scale.integer or leaf.get("integer") is True) and not float(step).is_integer():
            self.wrong(key, f"need a whole step for whole numbers, got {spell(step)}")
        elif abs((high - low) / step - round((high - low) / step)) > 1e-6:
            last = float(f"{low + step * math.floor((high - low) / step):.12g}")
            message = f"need max a whole number of steps above min, got min={spell(low)} max={spell(high)}"
            self.wrong(key, f"{message} step={spell(step)}", f"write max: {spell(last)}")
        else:
            return step
        return None

    def _unknown_distribution(self, name: str, leaf: Mapping[Any, Any]) -> None:
        names, got = tuple(SCALES), leaf.get("distribution")
        if got is None:
            self.wrong(name, f"need a distribution, one of {', '.join(names)}, or a list of values, got neither")
            return
        near = _NICKNAMES.get(str(got).lower()) or nearest(str(got), names)
        fix = f"distribution: {near}" if near else ""
        self.wrong(f"{name}.distribution", f"need one of {', '.join(names)}, got {got!r}", fix)

    def _bound(self, key: str, bound: float, interval: Interval) -> None:
        low, high = interval.scale.domain
        distribution = interval.scale.distribution
        if not low < bound < high:
            need = "above 0" if high == math.inf else "between 0 and 1, both excluded"
            self.wrong(key, f"need a number {need} for {distribution}, got {spell(bound)}")
        elif interval.scale.power_of_two and (bound < 1 or not math.log2(bound).is_integer()):
            below = 2 ** max(0, math.floor(math.log2(bound)))
            near = below if bound < 1 else f"{below} or {2 * below}"
            self.wrong(key, f"need a power of two for {distribution}, got {spell(bound)}", f"write {near}")
        elif interval.integer and not bound.is_integer():
            self.wrong(key, f"need a whole number, got {spell(bound)}")
        elif interval.integer and abs(bound) > 2**53:
            self.wrong(key, f"need a whole number of at most 2**53, got {spell(bound)}")

    def _number(self, name: str, leaf: Mapping[Any, Any], key: str) -> float | None:
        if key not in leaf:
            self.wrong(name, f"need {key}, got none", f"add {key}: NUMBER")
            return None
        value = leaf[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(f"{name}.{key}", f"need a number, got {_kind(value)}", _number_fix(key, value))
            return None
        if not abs(value) <= 1e300:
            self.wrong(f"{name}.{key}", f"need a finite number, got {spell(value)[:40]}")
            return None
        return value

    def _radius(self, name: str, scale: Any, domain: Domain | None) -> float | None:
        if scale == "auto":
            return 1.0
        if scale == "time":
            if not isinstance(domain, Interval) or domain.low <= 0:
                self.wrong(f"{name}.scale", "need bounds above 0 for scale: time (the radius is one doubling)")
                return None
            return 1.0 / (math.log2(domain.high) - math.log2(domain.low))
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= 1e9:
            fix = _number_fix("scale", scale)
            self.wrong(f"{name}.scale", f"need a number above 0, auto or time, got {_kind(scale)}", fix)
            return None
        return float(scale)

    def _center(self, name: str, leaf: Mapping[Any, Any], domain: Domain) -> Any:
        if isinstance(domain, Choice):
            return self._choice_center(name, leaf, domain)
        if "mean" not in leaf:
            return _middle(domain)
        mean = self._number(name, leaf, "mean")
        if mean is None:
            return domain.low
        if not domain.low <= mean <= domain.high:
            low, high = spell(domain.low), spell(domain.high)
            message = f"need the mean within [{low}, {high}], got {spell(mean)}"
            self.wrong(f"{name}.mean", message, "move the mean, or widen min and max")
            return domain.low
        if domain.size is not None:
            return domain.values(domain.snap(domain.codes(_array(float(mean)))))[0]
        return float(mean)

    def _choice_center(self, name: str, leaf: Mapping[Any, Any], domain: Choice) -> Any:
        if "mean" in leaf:
            if domain.code(leaf["mean"]) is None:
                self.wrong(f"{name}.mean", f"need {domain.expected()}, got {leaf['mean']!r}")
            return leaf["mean"]
        if domain.code(self.base.get(name, ...)) is not None:
            return self.base[name]
        return domain.options[(domain.size - 1) // 2 if domain.ordered else 0]

    def _usual(self, name: str, domain: Domain) -> Any:
        """Return what a parameter usually is: what the base config has, or what the field takes."""
        own = self.base.get(name, ...)
        return usual_value(name, domain) if domain.code(own) is None else own

    def _when(self, name: str, when: Any) -> Condition | None:
        if not isinstance(when, Mapping) or not when:
            message = f"need a mapping of paths to values, got {_kind(when)}"
            self.wrong(f"{name}.when", message, "when: {trainer.use_lstm: true}")
            return None
        clauses: list[tuple[str, tuple[Any, ...]]] = []
        for other, value in self._conditions(when, ""):
            options = tuple(value) if isinstance(value, list | tuple) else (value,)
            plain = all(isinstance(option, bool | int | float | str | None) for option in options)
            if not options or not plain:
                self.wrong(f"{name}.when.{other}", f"need a value or a list of values, got {_kind(value)}")
            clauses.append((other, options))
        return Condition(clauses=tuple(clauses))

    def _conditions(self, when: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
        for key, value in when.items():
            if isinstance(value, Mapping) and value:
                yield from self._conditions(value, f"{above}{key}.")
            else:
                yield f"{above}{key}", value


def _middle(domain: Interval) -> float:
    """Return the middle of a range in its own scale, where a search begins that nobody gave a ``mean``."""
    middle: float = domain.values(domain.snap(_array(0.5)))[0]
    return middle


def _is_middle(center: Any, domain: Domain) -> bool:
    """Tell whether a ``mean`` is the one that a range has by itself: to write a default down changes nothing."""
    return isinstance(domain, Interval) and bool(
        np.isclose(domain.codes(_array(center)), domain.codes(_array(_middle(domain))), atol=_ALIKE)
    )


def _array(value: float) -> Array:
    return np.array([value], dtype=np.float64)


def _is_group(leaf: Mapping[Any, Any]) -> bool:
    """Return whether a parameter chooses among names, as of a config group: others may then be inside of it."""
    values = leaf.get("values")
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(value, str) for value in values)


def _kind(value: Any) -> str:
    """Return a value for a message, with what it was read as."""
    if isinstance(value, str):
        return f"the text {value[:80]!r}"
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, list(value)[:5]))}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if value is None or isinstance(value, bool | int | float):
        return "nothing" if value is None else spell(value)
    return f"a {type(value).__name__}"


def _number_fix(key: str, value: Any) -> str:
    """Return how to write a number that YAML read as text."""
    if not isinstance(value, str):
        return ""
    exponent = _EXPONENT.match(value.strip())
    if exponent:
        return f"YAML reads {value} as text: write {key}: {exponent.group(1)}.0e{exponent.group(2)}"
    try:
        float(value)
    except ValueError:
        return ""
    return f"write it without quotes: {key}: {value.strip()}"


def _order_fix(low: float, high: float) -> str:
    if low == high:
        return "take the parameter out of the space and set it as an override"
    return f"swap them: min: {spell(high)}, max: {spell(low)}"
