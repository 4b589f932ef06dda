"""Constraints: only feasible points are drawn, however few they are."""

import itertools
import time

import numpy as np
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.space import SearchSpace

UNIT = {"distribution": "uniform", "min": 0.0, "max": 1.0}
POW2 = {"distribution": "uniform_pow2", "min": 8, "max": 1024}


def drawn(space, count=500):
    codes = space.sample(count, np.random.default_rng(0))
    assert codes.shape == (count, space.dim)
    return [space.decode(row) for row in codes]


def test_divisibility_holds_at_every_drawn_point():
    space = SearchSpace.parse({"batch": POW2, "mini": POW2}, ["batch % mini == 0", "${batch} >= 2 * mini"])
    points = drawn(space)
    assert all(point["batch"] % point["mini"] == 0 and point["batch"] > point["mini"] for point in points)
    assert {(point["batch"], point["mini"]) for point in points} == {
        (2**i, 2**j) for i in range(3, 11) for j in range(3, i)
    }


@pytest.mark.parametrize("share", [0.01, 0.0003])
def test_drawing_works_where_little_is_feasible(share):
    edge = share**0.5
    space = SearchSpace.parse({"a": UNIT, "b": UNIT, "c": UNIT}, [f"a < {edge} and b > {1 - edge}"])
    started = time.process_time()
    points = drawn(space, 1000)
    assert time.process_time() - started < 5
    assert all(point["a"] < edge and point["b"] > 1 - edge for point in points)
    assert len({point["c"] for point in points}) > 900
    assert space.feasible_share(np.random.default_rng(1)) == pytest.approx(share, rel=0.6, abs=2e-4)


def test_rules_that_share_no_parameter_are_drawn_apart():
    space = SearchSpace.parse({name: UNIT for name in "abcd"}, [f"{name} < 0.01" for name in "abcd"])
    assert all(max(point.values()) < 0.01 for point in drawn(space, 100))
    assert space.feasible_share(np.random.default_rng(1)) == pytest.approx(1e-8, rel=0.5)


@pytest.mark.slow
def test_a_chain_of_rules_is_walked_to():
    names = "abcdef"
    rules = [f"{x} < {y} < {x} + 0.12" for x, y in itertools.pairwise(names)]
    space = SearchSpace.parse({name: UNIT for name in names}, rules)
    for point in drawn(space, 100):
        assert all(point[x] < point[y] < point[x] + 0.12 for x, y in itertools.pairwise(names))


def test_the_share_of_a_discrete_space_is_exact():
    space = SearchSpace.parse({"batch": POW2, "mini": POW2}, ["batch % mini == 0"])
    assert space.feasible_share(np.random.default_rng(0)) == 36 / 64
    assert SearchSpace.parse({"a": UNIT}).feasible_share(np.random.default_rng(0)) == 1.0


def test_a_center_that_breaks_a_rule_moves_to_a_near_feasible_point():
    space = SearchSpace.parse({"a": UNIT, "b": UNIT, "c": UNIT}, ["a + b < 0.6"])
    center = space.center()
    assert center["a"] + center["b"] < 0.6
    assert center["a"] + center["b"] > 0.4
    assert center["c"] == pytest.approx(0.5)
    assert space.is_feasible(center)
    assert not space.is_feasible({"a": 0.5, "b": 0.5, "c": 0.5})


def test_a_rule_over_an_inactive_parameter_takes_the_base_value_or_says_nothing():
    parameters = {"on": {"values": [True, False]}, "n": {**POW2, "when": {"on": True}}}
    without_base = SearchSpace.parse(parameters, ["n > 100"])
    assert without_base.is_feasible({"on": False})
    assert not without_base.is_feasible({"on": True, "n": 64})
    with_base = SearchSpace.parse(parameters, ["n > 100"], {"n": 16})
    assert not with_base.is_feasible({"on": False})


def test_a_rule_sees_tied_values_and_the_base_config():
    space = SearchSpace.parse({"batch": POW2, "mini": {"expr": "batch // 4"}}, ["mini * workers >= 64"], {"workers": 2})
    assert min(point["batch"] for point in drawn(space)) == 128


def test_a_point_where_a_tied_value_cannot_be_computed_is_infeasible():
    space = SearchSpace.parse(
        {"n": {"distribution": "int_uniform", "min": 0, "max": 3}, "x": {"expr": "12 // n"}},
    )
    assert {point["n"] for point in drawn(space)} == {1, 2, 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["a > 2"], "'a > 2' (is not met anywhere)"),
        (["a < 0.3", "a > 0.6"], "together"),
        (["b % 7 == 0"], "'b % 7 == 0'"),
        (["a / 0 > 1"], "division by zero"),
        (["b % 16"], "need a comparison"),
        (["a == 0.123 + c"], "some point satisfies"),
        (["workers > 2"], "'workers > 2' (is not met anywhere)"),
    ],
)
def test_rules_that_no_point_satisfies_are_refused(rules, words):
    parameters = {"a": UNIT, "b": POW2, "c": UNIT}
    with pytest.raises(RequestError) as caught:
        SearchSpace.parse(parameters, rules, {"workers": 1})
    assert words in str(caught.value)
