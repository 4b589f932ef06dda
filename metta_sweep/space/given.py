"""Points that a person gives, in full or in part: what is wrong with one, and which points of the space it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from metta_sweep.errors import Problem, RequestError
from metta_sweep.space.search_space import SearchSpace

DRAWS = 128
"""Completions of a point in part that are looked at."""


def flat_point(point: Mapping[str, Any], known: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a point by dotted path; a mapping that is no parameter's own value means dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in point.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and path not in known:
            flat |= flat_point(value, known, f"{path}.")
        else:
            flat[path] = value
    return flat


def checked_points(space: SearchSpace, points: Sequence[Any]) -> tuple[list[dict[str, Any]], list[tuple[int, Problem]]]:
    """Return points by dotted path, and what is wrong with which of them."""
    flat: list[dict[str, Any]] = []
    problems: list[tuple[int, Problem]] = []
    for number, point in enumerate(points):
        if not isinstance(point, Mapping):
            problems.append((number, Problem(message=f"need a mapping of values by parameter, got {point!r}")))
            continue
        flat.append(flat_point(point, space.declared))
        problems += [(number, problem) for problem in point_problems(space, flat[-1])]
    return flat, problems


def point_problems(space: SearchSpace, given: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a point, by dotted path; empty where some point of the space has its values."""
    problems = [*_value_problems(space, given)] or [Problem(message="it has no value")] * (not given)
    if problems:
        return problems
    try:
        rest = space.without(given)
    except RequestError as error:
        broken = [problem.message for problem in error.problems]
        return [Problem(message=f"it breaks a rule: {'; '.join(broken)}", fix="change a value, or leave it out")]
    if not completions(space, rest, given):
        return [Problem(message="a condition switches one of its values off", fix="leave that value out")]
    return []


def completions(space: SearchSpace, rest: SearchSpace, given: Mapping[str, Any], seed: int = 0) -> list[dict[str, Any]]:
    """Return points that have the given values, each switched on, the center of what is left open first."""
    drawn = list(rest.sample(DRAWS, np.random.default_rng(seed))) if rest.dim else []
    points = [rest.center(), *(rest.values(row) for row in drawn)]
    return [whole for point in points if (whole := _whole(space, {**point, **given}, given)) is not None]


def _value_problems(space: SearchSpace, given: Mapping[str, Any]) -> Iterator[Problem]:
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    tied = {item.name: item.expression.text for item in space.tied}
    for path, value in given.items():
        if path in tied:
            yield Problem(key=path, message=f"follows from others (= {tied[path]})", fix="leave it out")
        elif path not in domains:
            known = ", ".join(domains)
            yield Problem(key=path, message="is not searched", fix=f"leave it out; parameters: {known}")
        elif domains[path].code(value) is None:
            yield Problem(key=path, message=f"need {domains[path].expected()}, got {value!r}", fix="widen its range")


def _whole(space: SearchSpace, values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the point with these values, the given ones to the digit; None where one of them is switched off."""
    plain = {path: value for path, value in values.items() if path in space.names}
    codes = space.snap(space.encode(plain))
    whole = space.values(codes)
    return {**whole, **given} if given.keys() <= whole.keys() and space.satisfied(codes[None])[0] else None
