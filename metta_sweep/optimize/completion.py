"""Points that a person gives in part: what to run where one leaves values open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Optimizer, SearchTask, Suggestion, expectations_of
from metta_sweep.space.given import completions

GIVEN = "given"
"""Origin of a point that a person asked for."""


def complete(task: SearchTask, given: Mapping[str, Any], optimizer: Optimizer) -> Suggestion:
    """Return the point to run for one that a person gave: of the values that it leaves open, the model's favourites.

    The model's expectation of the mean decides among draws from the rest of the space (not an acquisition function: a
    person who gives a point wants it good). Without a model they are at the center of that rest.

    Args:
        task: What the optimizer is made for.
        given: Values by dotted path, with nothing wrong with them.
        optimizer: What has learned the runs so far.

    Raises:
        RequestError: The point is none of the space.
    """
    space = task.space
    rest = space.without(given)
    if rest.dim == 0:
        return Suggestion(params=completions(space, rest, given)[0], origin=GIVEN, reason="asked for")
    found = completions(space, rest, given, task.seed)
    if len(task.objectives) > 1:
        reason = "asked for in part; the rest is at its center, as of several goals none decides alone"
        return Suggestion(params=found[0], origin=GIVEN, reason=reason)
    expected = expectations_of(optimizer, found)
    if expected is None:
        reason = "asked for in part; the rest is at its center, as there is no model yet"
        return Suggestion(params=found[0], origin=GIVEN, reason=reason)
    score = Goal(task.goal).score
    best = max(range(len(found)), key=lambda i: (score(expected[i].mean), -i))
    return Suggestion(params=found[best], origin=GIVEN, reason="asked for in part; the rest is what the model favours")


def completer(task: SearchTask) -> Callable[[Mapping[str, Any], Optimizer], Suggestion]:
    """Return what makes a whole point of one in part, for a sweep's thinker."""
    return lambda given, optimizer: complete(task, given, optimizer)
