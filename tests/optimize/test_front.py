"""Laws of the score/cost front."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.optimize.protein.front import Front

SAME = 0.1
points = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 12)), min_size=1, max_size=12)
costs = np.linspace(-3.0, 3.0, 41)


def front_of(rows):
    """Return the front of whole scores, at costs that are at least a third apart, and both as arrays."""
    score, cost = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Front.of(score[None], cost / 3.0 - 2.0, SAME), score, cost / 3.0 - 2.0


def area(score, cost, ground, end):
    """Area between the ground and the best score at every cost, from the cheapest point to ``end``."""
    total, best, at = 0.0, ground, None
    for mine, here in sorted(zip(cost.tolist(), score.tolist(), strict=True)):
        total += 0.0 if at is None else (best - ground) * (mine - at)
        best, at = max(best, here), mine
    return total + (best - ground) * (end - at)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(points)
def test_the_front_rises_with_the_cost_up_to_the_best_score(rows):
    front, score, cost = front_of(rows)
    assert (np.diff(front.levels[0]) >= 0).all()
    assert (np.diff(front.edges) > 0).all()
    assert front.levels[0, -1] == score.max()
    assert front.edges[0] < cost.min()
    assert front.edges[-1] > cost.max()
    assert front.levels.shape[1] + 1 == len(front.edges)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(points, st.integers(-20, 40), st.integers(0, 12))
def test_improvements_by_their_shares_add_up_to_the_area_that_a_run_adds(rows, new_score, new_cost):
    if len({row[1] for row in rows}) > 7:
        rows = [row for row in rows if row[1] < 7] or rows[:1]
    front, score, cost = front_of(rows)
    end = front.edges[-1]
    at = min(end, new_cost / 3.0 - 2.0 + 0.01)
    ground = front.levels[0, 0]
    gain = np.maximum(new_score - front.levels[0], 0.0) @ front.shares(np.array([at]))[0] * (end - front.edges[0])
    if at < cost.min():
        return
    known = np.maximum(score, ground)
    both = area(np.append(known, max(new_score, ground)), np.append(cost, at), ground, end)
    assert gain == pytest.approx(both - area(known, cost, ground, end), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(points)
def test_the_cheaper_a_run_the_more_of_the_front_it_can_improve(rows):
    front, _, _ = front_of(rows)
    whole = front.shares(costs).sum(axis=1)
    assert (front.shares(costs) >= 0).all()
    assert (np.diff(whole) <= 1e-12).all()
    assert whole.max() <= 1.0 + 1e-12
    slope = front.shares_slope(costs + 1e-3)
    step = (front.shares(costs + 1e-3 + 1e-7) - front.shares(costs + 1e-3)) / 1e-7
    np.testing.assert_allclose(slope, step, atol=1e-6)


def test_costs_that_only_wobble_make_no_front():
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((3, 40))
    assert Front.of(mean, 0.02 * rng.standard_normal(40), SAME * 2).is_flat
    assert not Front.of(mean, rng.standard_normal(40), SAME).is_flat


def test_a_long_front_is_told_in_a_few_steps():
    front = Front.of(np.arange(100.0)[None], np.arange(100.0), SAME)
    assert len(front.edges) <= 10
    assert front.levels[0, -1] == 99.0
