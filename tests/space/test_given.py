"""A point in full or in part is taken as it is written, or refused with what is wrong with it."""

from __future__ import annotations

import pytest

from metta_sweep.space import SearchSpace
from metta_sweep.space.given import checked_points, flat_point, point_problems

UNIFORM = {"distribution": "uniform", "min": 0.0, "max": 1.0}
PLAIN = {
    "a": {"distribution": "int_uniform", "min": 0, "max": 10},
    "b": UNIFORM,
    "kind": {"values": ["slow", "fast"]},
    "size": {"distribution": "uniform_pow2", "min": 32, "max": 128, "when": {"kind": "fast"}},
    "twice": {"expr": "2 * a"},
}


@pytest.fixture
def space():
    return SearchSpace.parse(PLAIN, ["b <= a"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"a": 11}, "a whole number from 0 to 10, got 11"),
        ({"knd": "fast"}, "not searched"),
        ({"twice": 4}, "follows from others"),
        ({"a": 0, "b": 0.5}, "breaks a rule"),
        ({"kind": "slow", "size": 64}, "switches one of its values off"),
        ({}, "has no value"),
    ],
)
def test_a_point_that_cannot_be_run_is_refused(space, given, told):
    (problem,) = point_problems(space, given)
    assert told in problem.message


@pytest.mark.parametrize("given", [{"a": 3}, {"size": 64}, {"kind": "slow"}, {"a": 1, "b": 1.0, "kind": "slow"}])
def test_a_point_that_some_point_of_the_space_has_is_taken(space, given):
    assert point_problems(space, given) == []


def test_nested_and_dotted_points_are_the_same_and_a_mapping_may_be_a_value():
    known = {"trainer.lr": {}, "net": {"values": [{"depth": 2}]}}
    assert flat_point({"trainer": {"lr": 1}, "net": {"depth": 2}}, known) == {"trainer.lr": 1, "net": {"depth": 2}}


def test_every_point_of_a_list_is_judged(space):
    points, problems = checked_points(space, [{"a": 1}, {"a": 99}, 7])
    assert points == [{"a": 1}, {"a": 99}]
    assert [number for number, _ in problems] == [1, 2]
