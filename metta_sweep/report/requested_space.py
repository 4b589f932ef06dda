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
