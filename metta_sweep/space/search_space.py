"""The search space: all axes with their conditions, constraints and tied values, as points of a unit cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metta_sweep.errors import Problem, RequestError
from metta_sweep.expression import ExpressionError
from metta_sweep.nearest import nearest
from metta_sweep.space.conditions import Activity, check_conditions, holds
from metta_sweep.space.constraints import Constraint, check_names, in_order, read_constraints
from metta_sweep.space.feasible import FeasibleRegion
from metta_sweep.space.grouping import independent_groups, swept_behind
from metta_sweep.space.parameter import Parameter, same_value, spell
from metta_sweep.space.reading import Reading, Tied
from metta_sweep.space.scales import Array

_CENTER_DRAWS = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchSpace:
    """Where a sweep searches. Make it with :meth:`parse`; codes are float64, ``(d,)`` for a point."""

    parameters: tuple[Parameter, ...]
    """The axes in the order written; one that the base config switches off for good is not an axis."""
    tied: tuple[Tied, ...]
    """Values that follow from others, each after those it needs."""
    constraints: tuple[Constraint, ...]
    """Rules that hold at every suggested point."""
    fixed: Mapping[str, Any]
    """Base config values by dotted path."""
    declared: Mapping[str, Mapping[Any, Any]]
    """What was written for each parameter, by dotted path."""
    dormant: frozenset[str]
    """Parameters that the base config switches off for good."""

    @classmethod
    def parse(
        cls,
        parameters: Mapping[str, Any],
        constraints: Sequence[str] = (),
        fixed: Mapping[str, Any] | None = None,
    ) -> SearchSpace:
        """Read a space from the sweep file's mapping.

        Args:
            parameters: Definitions by dotted path; nested mappings mean dotted paths.
            constraints: Expressions over config paths that hold at every point.
            fixed: Base config values by dotted path, for conditions, constraints and tied values.

        Raises:
            RequestError: With every problem found, not only the first.
        """
        base = dict(fixed or {})
        reading = Reading(base=base)
        reading.read(parameters)
        expressions = read_constraints(constraints, reading.wrong)
        check_conditions(reading.parameters, reading.tied, base, reading.wrong)
        named = [(f"{item.name}.expr", item.expression) for item in reading.tied]
        named += [("constraints", expression) for expression in expressions]
        if not reading.problems:
            check_names(named, reading.leaves, base, reading.wrong)
        tied = in_order(reading.tied, reading.wrong)
        if reading.problems:
            raise RequestError(*reading.problems)
        axes = [parameter for parameter in reading.parameters if not _is_dormant(parameter, reading.parameters, base)]
        space = cls(
            parameters=tuple(axes),
            tied=tied,
            constraints=tuple(
                Constraint(expression=each, reads=swept_behind(each.names, tied, axes)) for each in expressions
            ),
            fixed=base,
            declared=reading.leaves,
            dormant=frozenset(parameter.name for parameter in reading.parameters if parameter not in axes),
        )
        space._check_not_empty()
        return space

    @property
    def dim(self) -> int:
        """Number of axes, ``d``."""
        return len(self.parameters)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Dotted paths of the axes, in order."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def center_codes(self) -> Array:
        """Codes ``(d,)`` of the user's center, whether or not it satisfies the constraints."""
        return np.array([parameter.center_code for parameter in self.parameters], dtype=np.float64)

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Return the codes ``(d,)`` of plain values; an inactive parameter gets its center's.

        Raises:
            RequestError: It is not a mapping, a name is unknown, an active parameter is missing, a value is outside its
                bounds.
        """
        if not isinstance(params, Mapping):
            raise RequestError.of(f"need a mapping of values by dotted path, got {params!r}", key="params")
        problems = [self._unknown(name) for name in params if not self._is_known(name)]
        codes = self.center_codes.copy()
        for i in (*self._unconditional, *self._activity.order):
            parameter = self.parameters[i]
            if not self._activity.mask(codes[None])[0, i]:
                continue
            value = params.get(parameter.name, ...)
            code = None if value is ... else parameter.domain.code(value)
            if code is not None:
                codes[i] = code
                continue
            got = "none" if value is ... else repr(value)
            problems.append(Problem(key=parameter.name, message=f"need {parameter.domain.expected()}, got {got}"))
        if not problems:
            problems = self._tied_problems(params, codes)
        if problems:
            raise RequestError(*problems)
        return codes

    def decode(self, codes: Array) -> dict[str, Any]:
        """Return the plain values of codes ``(d,)``: snapped, exact at bounds, tied values included.

        Raises:
            RequestError: A tied value cannot be computed at this point.
        """
        return self.values(self.snap(codes))

    def values(self, snapped: Array) -> dict[str, Any]:
        """Return the plain values of codes ``(d,)`` that are snapped already, as those of :meth:`sample` are.

        Raises:
            RequestError: A tied value cannot be computed at this point.
        """
        try:
            return self._decode(snapped)
        except ExpressionError as error:
            raise RequestError(Problem(key="expr", message=str(error))) from error

    def snap(self, codes: Array) -> Array:
        """Return the codes ``(.., d)`` of the values that codes stand for; inactive parameters go to their center."""
        points = np.atleast_2d(np.asarray(codes, dtype=np.float64))
        snapped = np.empty_like(points)
        for i, parameter in enumerate(self.parameters):
            snapped[:, i] = parameter.domain.snap(points[:, i])
        snapped = np.where(self._activity.mask(snapped), snapped, self.center_codes)
        return snapped.reshape(np.shape(codes))

    def active(self, codes: Array) -> NDArray[np.bool_]:
        """Return which parameters count at codes ``(.., d)``."""
        return self._activity.mask(np.atleast_2d(codes)).reshape(np.shape(codes))

    def from_unit(self, unit: Array) -> Array:
        """Return snapped codes ``(n, d)`` of points spread evenly over a unit cube ``(n, d)``."""
        codes = np.empty_like(unit)
        for i, parameter in enumerate(self.parameters):
            codes[:, i] = parameter.domain.from_unit(unit[:, i])
        return self.snap(codes)

    def is_feasible(self, params: Mapping[str, Any]) -> bool:
        """Tell whether plain values satisfy every constraint.

        Raises:
            RequestError: They are no point of the space.
        """
        return bool(self.satisfied(self.encode(params)[None])[0])

    def satisfied(self, codes: Array) -> NDArray[np.bool_]:
        """Return which snapped codes ``(n, d)`` satisfy every constraint: ``(n,)``."""
        return self._region.satisfied(codes)

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return snapped codes ``(count, d)`` of points that satisfy every constraint."""
        return self.snap(self._region.sample(count, rng))

    def feasible_share(self, rng: np.random.Generator) -> float:
        """Return an estimate of the share of the space that satisfies the constraints, 0 to 1."""
        return self._region.share(rng)

    def center(self) -> dict[str, Any]:
        """Return the user's center, or the nearest feasible point found where it breaks a constraint."""
        return self._decode(self.feasible_center)

    @cached_property
    def is_center_feasible(self) -> bool:
        """Whether the user's own center satisfies every constraint."""
        return bool(self.satisfied(self.snap(self.center_codes)[None])[0])

    @cached_property
    def feasible_center(self) -> Array:
        """Codes ``(d,)`` of :meth:`center`."""
        center = self.snap(self.center_codes)
        if self.is_center_feasible:
            return center
        points = self.sample(_CENTER_DRAWS, np.random.default_rng(0))
        best: Array = points[np.abs(points - center).sum(axis=1).argmin()]
        for i in range(self.dim):
            for weight in (1.0, 0.75, 0.5, 0.25):
                nearer = best.copy()
                nearer[i] += weight * (center[i] - best[i])
                nearer = self.snap(nearer)
                if self.satisfied(nearer[None])[0]:
                    best = nearer
                    break
        return best

    def without(self, pinned: Mapping[str, Any]) -> SearchSpace:
        """Return the space with some parameters taken out and held at values.

        Raises:
            RequestError: A pinned path is not a parameter, or nothing feasible is left.
        """
        unknown = [self._unknown(name) for name in pinned if name not in self.declared]
        if unknown:
            raise RequestError(*unknown)
        left = {name: leaf for name, leaf in self.declared.items() if name not in pinned}
        texts = [constraint.expression.text for constraint in self.constraints]
        return SearchSpace.parse(left, texts, {**self.fixed, **pinned})

    @cached_property
    def _activity(self) -> Activity:
        return Activity.of(self.parameters)

    @cached_property
    def _unconditional(self) -> tuple[int, ...]:
        return tuple(i for i in range(self.dim) if i not in self._activity.clauses)

    @cached_property
    def _region(self) -> FeasibleRegion:
        index = {name: i for i, name in enumerate(self.names)}
        groups = independent_groups(self.constraints, self.tied, self.parameters, index)
        return FeasibleRegion(
            parameters=self.parameters,
            activity=self._activity,
            groups=groups,
            fixed=self.fixed,
            dormant=self.dormant,
        )

    def _decode(self, snapped: Array) -> dict[str, Any]:
        values, absent = self._split(snapped)
        everything = self._region.complete(values, absent, self.tied)
        for item in self.tied:
            if item.name in everything and holds(item.when, everything, absent):
                values[item.name] = _without_noise(everything[item.name])
        return values

    def _is_known(self, name: str) -> bool:
        return name in self.declared

    def _unknown(self, name: str) -> Problem:
        near = nearest(str(name), self.declared)
        fix = f"write {near}" if near else ""
        return Problem(key=str(name), message="need a parameter of the search space, got an unknown one", fix=fix)

    def _tied_problems(self, params: Mapping[str, Any], codes: Array) -> list[Problem]:
        if not any(item.name in params for item in self.tied):
            return []
        try:
            values = self._decode(self.snap(codes))
        except ExpressionError as error:
            return [Problem(key="expr", message=str(error))]
        return [
            Problem(
                key=item.name,
                message=f"need {spell(values[item.name])} (= {item.expression.text}), got {params[item.name]!r}",
            )
            for item in self.tied
            if item.name in params and item.name in values and not _near(params[item.name], values[item.name])
        ]

    def _check_not_empty(self) -> None:
        try:
            self.sample(1, np.random.default_rng(0))
        except LookupError as error:
            raise RequestError(self._emptiness(str(error))) from None

    def _emptiness(self, tried: str) -> Problem:
        """Return what is wrong with rules that no point was found for, and whether that is proven or only tried."""
        rng = np.random.default_rng(0)
        axes = [parameter.domain.draw(_CENTER_DRAWS, rng) for parameter in self.parameters]
        codes = self.snap(np.stack(axes, axis=1)) if axes else np.zeros((1, 0))
        complaints = list(zip(*(self._complaints(row) for row in codes), strict=True))
        texts = self._rule_texts()
        for text, reasons in zip(texts, complaints, strict=True):
            if all(reasons):
                proven = self._region.is_proven_empty(text)
                why = f"{reasons[0]} anywhere" if proven else f"{reasons[0]} at {tried.removeprefix('none of ')}"
                return self._rule_problem(f"need a rule that some point satisfies, got {text!r} ({why})", text)
        message = f"need rules that some point satisfies together, got {'; '.join(texts)}"
        why = "no point of the ranges does" if self._region.are_proven_contradictory() else f"{tried} satisfies them"
        return Problem(key="constraints", message=f"{message} ({why})", fix="widen a range")

    def _rule_problem(self, message: str, text: str) -> Problem:
        fix = "check the rule against the ranges"
        if "==" in text and "%" not in text:
            fix = "let one of its parameters follow from the others: NAME: {expr: …} in place of the rule"
        return Problem(key="constraints", message=message, fix=fix)

    def _rule_texts(self) -> list[str]:
        tied = [f"{item.name} = {item.expression.text}" for item in self.tied]
        return [*tied, *(constraint.expression.text for constraint in self.constraints)]

    def _complaints(self, row: Array) -> list[str | None]:
        """Return for each rule, tied values first, why it does not hold at codes ``(d,)``."""
        values, absent = self._split(row)
        tied: list[str | None] = []
        for count in range(len(self.tied)):
            try:
                self._region.complete(values, absent, self.tied[: count + 1])
                tied.append(None)
            except ExpressionError as error:
                tied.append(str(error))
        if any(tied):
            return [*tied, *("cannot be judged" for _ in self.constraints)]
        everything = self._region.complete(values, absent, self.tied)
        return [*tied, *(constraint.complaint(everything) for constraint in self.constraints)]

    def _split(self, row: Array) -> tuple[dict[str, Any], list[str]]:
        active = self._activity.mask(row[None])[0]
        values = {
            parameter.name: parameter.domain.values(row[i : i + 1])[0]
            for i, parameter in enumerate(self.parameters)
            if active[i]
        }
        absent = [name for name in self.names if name not in values]
        return values, [*absent, *self.dormant]


def _without_noise(value: Any) -> Any:
    """Return a computed number without the last digits that rounding left: 0.12 instead of 0.1200000000000001."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _near(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or not isinstance(left, int | float):
        return same_value(left, right)
    return isinstance(right, int | float) and abs(left - right) <= 1e-9 * max(abs(left), abs(right))


def _is_dormant(parameter: Parameter, parameters: Sequence[Parameter], fixed: Mapping[str, Any]) -> bool:
    """Tell whether the base config switches a parameter off for good, itself or through a parent."""
    swept = {other.name: other for other in parameters}
    for name, options in parameter.when.clauses if parameter.when else ():
        if name in swept:
            if _is_dormant(swept[name], parameters, fixed):
                return True
        elif not any(same_value(option, fixed.get(name, ...)) for option in options):
            return True
    return False
