"""What a person leaves open of a point is filled in; what was given stays to the digit."""

from __future__ import annotations

from metta_sweep.optimize.completion import complete
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.registry import kind_of
from metta_sweep.space import SearchSpace
from tests.space.test_given import PLAIN, UNIFORM

MIXED = SearchSpace.parse(PLAIN, ["b <= a"])


def completed(space, given, points=()):
    task = SearchTask(space=space, goal="minimize", seed=0)
    optimizer = kind_of("protein").make(task)
    for params, score in points:
        optimizer.observe(params, score, 1.0)
    return complete(task, given, optimizer)


def test_a_whole_point_is_run_to_the_digit():
    given = {"a": 7, "b": 0.12345678901234567, "kind": "fast", "size": 64}
    assert completed(MIXED, given).params == {**given, "twice": 14}


def test_what_a_point_leaves_open_is_at_the_center_without_a_model_and_satisfies_the_rules():
    found = completed(MIXED, {"kind": "slow", "b": 1.0})
    assert (found.params["kind"], found.params["b"], found.origin) == ("slow", 1.0, "given")
    assert MIXED.is_feasible(found.params)


def test_what_a_point_leaves_open_is_what_the_model_favours():
    space = SearchSpace.parse({"a": UNIFORM, "b": UNIFORM})
    tried = ((0.1, 0.1), (0.9, 0.3), (0.4, 0.5), (0.6, 0.7), (0.2, 0.95))
    found = completed(space, {"a": 0.5}, [({"a": a, "b": b}, (b - 0.9) ** 2) for a, b in tried])
    assert found.params["a"] == 0.5
    assert found.params["b"] > 0.7
