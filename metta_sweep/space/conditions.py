"""Conditional parameters: which conditions make sense, and which parameters count at a point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metta_sweep.nearest import nearest
from metta_sweep.space.parameter import Condition, Interval, Parameter, same_value, spell
from metta_sweep.space.reading import Tied
from metta_sweep.space.scales import Array

Wrong = Callable[[str, str, str], None]
"""Notes a problem: key, message, fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Conditions made ready for points: who switches whom on, parents before children."""

    order: tuple[int, ...]
    """Indices of the conditional parameters, parents first."""
    clauses: Mapping[int, tuple[tuple[int, tuple[float, ...]], ...]]
    """For a conditional parameter: the parents' indices and the codes that switch it on."""

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> Activity:
        """Prepare the conditions of parameters; clauses on fixed values are taken as met."""
        index = {parameter.name: i for i, parameter in enumerate(parameters)}
        clauses: dict[int, tuple[tuple[int, tuple[float, ...]], ...]] = {}
        for i, parameter in enumerate(parameters):
            if parameter.when:
                clauses[i] = tuple(
                    (index[name], _codes(parameters[index[name]], options))
                    for name, options in parameter.when.clauses
                    if name in index
                )
        return cls(order=tuple(_parents_first(clauses)), clauses=clauses)

    def mask(self, codes: Array) -> NDArray[np.bool_]:
        """Return which parameters count at snapped codes ``(n, d)``: a boolean ``(n, d)``."""
        active = np.ones(codes.shape, dtype=bool)
        for i in self.order:
            for parent, allowed in self.clauses[i]:
                near = np.abs(codes[:, parent, None] - np.asarray(allowed)) < 1e-9
                active[:, i] &= active[:, parent] & near.any(axis=1)
        return active


def holds(condition: Condition | None, values: Mapping[str, Any], absent: Iterable[str]) -> bool:
    """Tell whether a condition is met by plain values by path; a condition on an inactive parameter is not."""
    if condition is None:
        return True
    away = set(absent)
    return all(
        name not in away and any(same_value(option, values.get(name, ...)) for option in options)
        for name, options in condition.clauses
    )


def check_conditions(
    parameters: Sequence[Parameter], tied: Sequence[Tied], fixed: Mapping[str, Any], wrong: Wrong
) -> None:
    """Note every condition that names something unknown, can never be met, or depends on itself."""
    known = {parameter.name: parameter for parameter in parameters}
    everyone: list[Parameter | Tied] = [*parameters, *tied]
    conditions = {item.name: item.when for item in everyone if item.when}
    for name, condition in conditions.items():
        for other, options in condition.clauses:
            _check_clause(name, other, options, known, fixed, wrong)
    for cycle in _cycles(conditions):
        wrong(f"{cycle[0]}.when", f"need conditions without a cycle, got {' -> '.join(cycle)}", "remove one of them")


def _check_clause(
    name: str,
    other: str,
    options: tuple[Any, ...],
    known: Mapping[str, Parameter],
    fixed: Mapping[str, Any],
    wrong: Wrong,
) -> None:
    key = f"{name}.when.{other}"
    if other not in known:
        if other not in fixed:
            near = nearest(other, [*known, *fixed])
            fix = f"write {near}" if near else ""
            wrong(key, f"need a swept parameter or a config path, got the unknown {other}", fix)
        return
    domain = known[other].domain
    if isinstance(domain, Interval) and not domain.integer:
        wrong(key, f"need a parameter with separate values, got {other} with {domain.describe()}", "")
        return
    for option in options:
        if domain.code(option) is None:
            wrong(key, f"need {domain.expected()}, got {spell(option)}", "")


def _codes(parameter: Parameter, options: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(code for code in map(parameter.domain.code, options) if code is not None)


def _parents_first(clauses: Mapping[int, tuple[tuple[int, tuple[float, ...]], ...]]) -> list[int]:
    order: list[int] = []

    def visit(i: int) -> None:
        if i in clauses and i not in order:
            for parent, _ in clauses[i]:
                visit(parent)
            order.append(i)

    for i in clauses:
        visit(i)
    return order


def _cycles(conditions: Mapping[str, Condition]) -> list[list[str]]:
    """Return the names along each cycle, every cycle once."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name in conditions and name not in done:
            for other, _ in conditions[name].clauses:
                visit(other, [*path, name])
            done.add(name)

    for name in conditions:
        visit(name, [])
    return found
