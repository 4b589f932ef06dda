"""Linear rules: solved and drawn from exactly, however small the part of the space that they leave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import Protein
from metta_sweep.space import SearchSpace

UNIT = {"distribution": "uniform", "min": 0.0, "max": 1.0}
WEIGHTS = [f"w{i}" for i in range(11)]


def simplex(**more):
    parameters = {name: {**UNIT, **more} for name in WEIGHTS}
    rest = {"w11": {"expr": f"1 - ({' + '.join(WEIGHTS)})"}}
    return SearchSpace.parse({**parameters, **rest}, [f"{' + '.join(WEIGHTS)} <= 1"])


@pytest.mark.slow
def test_weights_that_sum_to_one_are_drawn_evenly_although_no_draw_of_a_box_meets_them():
    codes = simplex().sample(2000, np.random.default_rng(0))
    assert simplex().satisfied(codes).all()
    # Each of twelve weights that are even on the simplex has mean 1/12 and deviation .077 (Dirichlet).
    np.testing.assert_allclose(codes.mean(axis=0), 1 / 12, atol=0.01)
    np.testing.assert_allclose(codes.std(axis=0), 0.0767, atol=0.012)


@pytest.mark.slow
def test_a_center_that_meets_the_rules_is_the_first_point_and_one_that_does_not_says_so():
    fine = Protein(simplex(mean=0.08)).suggest()
    assert (fine.origin, fine.params["w0"]) == ("center", 0.08)
    assert fine.params["w11"] == 0.12
    moved = Protein(simplex(mean=0.5)).suggest()
    assert (moved.origin, "breaks a rule" in moved.reason) == ("near_center", True)
    assert sum(moved.params.values()) == pytest.approx(1.0)


def test_the_middle_is_found_where_neither_center_nor_corner_is_allowed():
    narrow = {name: UNIT for name in "abcdef"}
    rules = [f"0.61 < {name} < 0.6101" for name in "abcdef"]
    point = SearchSpace.parse(narrow, rules).center()
    assert all(0.61 < value < 0.6101 for value in point.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["a + b > 2.1"], "'a + b > 2.1' (is not met anywhere)"),
        (["2 * a - b / 4 > 3 and a > 0"], "(is not met anywhere)"),
        (["a == b + 0.123"], "expr"),
        (["a * b > 1.5"], "(is not met at "),
    ],
    ids=["no corner", "weighted", "equality", "not linear"],
)
def test_a_refusal_says_what_is_proven_and_what_was_only_tried(rules, words):
    with pytest.raises(RequestError) as caught:
        SearchSpace.parse({"a": UNIT, "b": UNIT}, rules)
    assert words in str(caught.value)


sums = st.lists(st.integers(-4, 4), min_size=2, max_size=2)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(sums, st.integers(-3, 6), st.sampled_from(["<", "<=", ">", ">="]), st.integers(0, 2**32 - 1))
def test_judging_all_points_at_once_agrees_with_the_rule_itself(weights, bound, sign, seed):
    parameters = {
        "a": {"distribution": "log_normal", "min": 0.01, "max": 2.0},
        "n": {"distribution": "uniform", "min": 0, "max": 4000, "integer": True},
    }
    rule = f"{weights[0]} * a + {weights[1]} * n / 1000 {sign} {bound}"
    try:
        space = SearchSpace.parse(parameters, [rule])
    except RequestError:
        return
    codes = space.snap(np.random.default_rng(seed).random((50, 2)))
    alone = [eval_rule(rule, space.decode(row)) for row in codes]  # the same text, by another reader
    assert space.satisfied(codes).tolist() == alone


def eval_rule(rule, values):
    return bool(eval(rule, {}, values))  # a rule that this file wrote
