"""The search space of a request, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.records import SweepSpec


def space_of(spec: SweepSpec) -> SearchSpace | None:
    """Return the search space of a request, or None where it is none any more or has no axis."""
    try:
        space = SearchSpace.parse(spec.parameters, spec.constraints, flat(spec.training))
    except RequestError:
        return None
    return space if space.dim else None


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return found


def rules_that_matter(space: SearchSpace) -> list[str]:
    """Return the constraints that a point of the space may break, as written."""
    varies = {one.name for one in space.parameters} | {one.name for one in space.tied}
    fixed = {path: value for path, value in space.fixed.items() if path not in varies}
    return [constraint.expression.text for constraint in space.constraints if constraint.can_fail(fixed)]
