"""Luck is taken back: against simulated points whose worth is known."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.sweep import luck
from metta_sweep.sweep.luck import draw_truths, run_variances
from metta_sweep.sweep.verdict import chance_best


def simulated(spread, *, points=3, runs=5, noise=1.0, sweeps=250):
    """Yield true means and scores of sweeps whose points differ by ``spread``."""
    for sweep in range(sweeps):
        rng = random.Random(sweep)
        truths = [rng.gauss(0.0, spread) for _ in range(points)]
        yield truths, [[rng.gauss(truth, noise) for _ in range(runs)] for truth in truths]


def drawn(scores):
    return draw_truths(scores, random.Random(1), 200)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 3.0])
def test_the_interval_of_the_best_covers_what_it_says(spread):
    inside = 0
    for truths, scores in simulated(spread):
        found = drawn(scores)
        best = max(found, key=fmean)
        ordered = sorted(best)
        inside += ordered[10] <= truths[found.index(best)] <= ordered[-11]
    assert 0.83 <= inside / 250 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_correction_takes_back_most_of_the_luck_of_points_that_are_alike(spread):
    raw, corrected = [], []
    for truths, scores in simulated(spread):
        place = max(range(3), key=lambda i: fmean(scores[i]))
        raw.append(fmean(scores[place]) - truths[place])
        corrected.append(fmean(drawn(scores)[place]) - truths[place])
    assert fmean(raw) > 0.2
    assert abs(fmean(corrected)) < 0.6 * fmean(raw)


def test_points_that_are_far_apart_are_left_where_they_are():
    for truths, scores in simulated(20.0, sweeps=20):
        for mean, found in zip(map(fmean, scores), drawn(scores), strict=True):
            assert fmean(found) == pytest.approx(mean, abs=0.5)
        assert len(truths) == 3


@pytest.mark.slow
def test_the_corrected_mean_is_nearer_to_the_truth():
    errors, corrected = [], []
    for truths, scores in simulated(0.3):
        for truth, own, found in zip(truths, scores, drawn(scores), strict=True):
            errors.append((fmean(own) - truth) ** 2)
            corrected.append((fmean(found) - truth) ** 2)
    assert fmean(corrected) < 0.8 * fmean(errors)


@pytest.mark.slow
def test_the_chances_of_being_best_are_honest():
    said, right = [], []
    for truths, scores in simulated(1.0):
        truth = dict(enumerate(drawn(scores)))
        place = max(truth, key=lambda i: fmean(truth[i]))
        said.append(chance_best(place, truth))
        right.append(truths[place] == max(truths))
    assert fmean(said) == pytest.approx(fmean(right), abs=0.12)


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=4), min_size=1, max_size=4))
def test_chances_add_up_to_one(groups):
    found = draw_truths(groups, random.Random(0), 50)
    if found:
        truths = dict(enumerate(found))
        assert sum(chance_best(place, truths) for place in truths) == pytest.approx(1.0)


def test_a_single_point_is_not_moved_and_its_interval_is_student_s():
    scores = [[1.0, 2.0, 3.0, 4.0, 5.0]]
    (found,) = draw_truths(scores, random.Random(0), 20_000)
    ordered = sorted(found)
    reach = 2.132 * stdev(scores[0]) / math.sqrt(5)  # Student's 95% quantile with 4 degrees of freedom
    assert fmean(found) == pytest.approx(3.0, abs=0.03)
    assert ordered[1000] == pytest.approx(3.0 - reach, abs=0.08)
    assert ordered[-1001] == pytest.approx(3.0 + reach, abs=0.08)


@pytest.mark.parametrize("groups", [[[1.0], [2.0]], [[1.0, 1.0], [1.0]], [[]]])
def test_where_nothing_tells_the_spread_there_is_nothing_to_draw(groups):
    assert run_variances(groups) is None
    assert draw_truths(groups, random.Random(0)) == []


def test_a_point_with_few_scores_borrows_the_spread_of_the_others():
    calm, wild = run_variances([[1.0, 1.0], [0.0, 4.0, 0.0, 4.0, 0.0, 4.0]])
    assert 0 < calm < wild


def errors_of_the_spread(of_all, monkeypatch, *, runs=3, points=4, sweeps=300):
    """Return the mean squared error of the log spread where that of one point differs from that of another."""
    monkeypatch.setattr(luck, "OF_ALL", of_all)
    errors = []
    for sweep in range(sweeps):
        rng = random.Random(sweep)
        truths = [rng.gammavariate(4.0, 1 / 4.0) for _ in range(points)]
        scores = [[rng.gauss(0.0, math.sqrt(truth)) for _ in range(runs)] for truth in truths]
        errors += [
            (math.log(own) - math.log(truth)) ** 2 for own, truth in zip(run_variances(scores), truths, strict=True)
        ]
    return fmean(errors)


def test_the_spread_of_a_point_borrows_as_much_as_tells_it_best(monkeypatch):
    """Of all points together rather four degrees of freedom than one: three runs say little of their own spread."""
    tuned = luck.OF_ALL
    here, less = (errors_of_the_spread(of_all, monkeypatch) for of_all in (tuned, tuned / 4))
    assert here < 0.8 * less


@pytest.mark.parametrize("own", [0.0, 2.0])
def test_a_point_with_two_scores_weighs_its_own_spread_one_to_four(own):
    """Two scores that are ``own`` apart, beside others with variance 1."""
    alone, *others = run_variances([[0.0, own], *[[-1.0, 0.0, 1.0]] * 50])
    squares = own**2 / 2
    pooled = (squares + 50 * 2.0) / 101
    assert alone == pytest.approx((4.0 * pooled + squares) / 5.0)
    assert others[0] == pytest.approx((4.0 * pooled + 2.0) / 6.0)
