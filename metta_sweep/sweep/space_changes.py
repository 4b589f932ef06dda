"""What a request changes about where a sweep searches, and which of its runs count there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metta_sweep.sweep.change import Change
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.versions import UNKNOWN, searched_paths
from metta_sweep.trees import leaves

NAMED = 3
"""Rollouts outside the new space whose reason is told."""


def space_changes(state: SweepState, now: SweepSpec) -> tuple[Change, ...]:
    """Return what a request changes about the space of the sweep that is there, and what is kept; empty for nothing."""
    placed = state.preview(now)
    if placed is None:
        return ()
    latest = state.versions[-1].spec
    kept = sum(not at.outside for _, at in placed)
    outside = [(rollout.index, at.outside) for rollout, at in placed if at.outside]
    told = "; ".join(f"rollout {index}: {why}" for index, why in outside[:NAMED])
    more = f"; {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    rest = f"; outside, kept and not taught: {told}{more}" if outside else ""
    meaning = f"{kept} of {len(placed)} rollouts so far are points of it and count{rest}"
    number = len(state.versions)
    version = Change(key="search space", before=f"version {number}", now=f"version {number + 1}", meaning=meaning)
    return (*_parameters(latest, now, state), *_constraints(latest, now), *([version] if placed else []))


def _parameters(before: SweepSpec, now: SweepSpec, state: SweepState) -> Iterator[Change]:
    then, here = dict(leaves(before.training)), dict(leaves(now.training))
    for path in sorted(searched_paths([*(version.spec for version in state.versions), now])):
        old, new = before.parameters.get(path), now.parameters.get(path)
        if old is None and new is None and then.get(path) == here.get(path):
            continue
        if old == new and old is not None:
            continue
        was = _held(then.get(path, UNKNOWN)) if old is None else _differing(old, new)
        held = _held(here.get(path, UNKNOWN)) if new is None else _differing(new, old)
        meaning = _value_of_new(path, now, then, placed=bool(state.rollouts)) if old is None and new is not None else ""
        yield Change(key=path, before=was, now=held, meaning=meaning)


def _value_of_new(path: str, now: SweepSpec, then: Mapping[str, Any], *, placed: bool) -> str:
    """Return what the runs so far count as having of a parameter that is new."""
    declared = now.parameters[path]
    if not placed:
        return ""
    if path in then:
        return f"runs so far ran with {then[path]}"
    if isinstance(declared, Mapping) and "mean" in declared:
        return f"runs so far were not given it: they count as {declared['mean']}, its mean"
    return "runs so far were not given it, and their value is not known: write the command's default as its mean"


def _constraints(before: SweepSpec, now: SweepSpec) -> Iterator[Change]:
    gone = [text for text in before.constraints if text not in now.constraints]
    new = [text for text in now.constraints if text not in before.constraints]
    if gone or new:
        yield Change(key="constraints", before=", ".join(gone) or "none", now=", ".join(new) or "none")


def _held(value: Any) -> str:
    return "not given" if value is UNKNOWN else f"held at {value}"


def _differing(definition: Any, other: Any) -> str:
    """Return what a definition says otherwise than the other one, or all of it where there is no other."""
    if not isinstance(definition, Mapping):
        return str(definition)
    against = other if isinstance(other, Mapping) else {}
    said = [f"{key} {value}" for key, value in definition.items() if against.get(key, UNKNOWN) != value]
    return ", ".join(said) or "as usual"
